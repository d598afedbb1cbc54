"""Reading config.json: what is wrong is an error with a name, and never a crash."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from lamina.runtime.bundles.config import read_config
from lamina.runtime.bundles.creation import cgroup_path
from lamina.runtime.bundles.json_text import loads
from lamina.runtime.errors import ContainerError
from tests.runtime.oci import base_config


def full() -> dict[str, Any]:
    """A config.json in which every field that is read is set."""
    config = base_config("true")
    ids = [{"containerID": 0, "hostID": 1, "size": 2}]
    hook = {"path": "/bin/true", "args": ["true"], "env": ["A=b"], "timeout": 1}
    config["hooks"] = {"prestart": [hook], "poststop": [hook]}
    config["annotations"] = {"a": "b"}
    config["hostname"] = config["domainname"] = "x"
    config["process"]["rlimits"] = [{"type": "RLIMIT_CORE", "soft": 1, "hard": 1}]
    config["process"]["consoleSize"] = {"height": 1, "width": 2}
    config["process"]["scheduler"] = {"policy": "SCHED_OTHER", "flags": []}
    config["process"]["ioPriority"] = {"class": "IOPRIO_CLASS_BE", "priority": 1}
    config["linux"] |= {
        "namespaces": [
            *config["linux"]["namespaces"],
            {"type": "user"},
            {"type": "time"},
        ],
        "uidMappings": ids,
        "gidMappings": ids,
        "timeOffsets": {"boottime": {"secs": 1, "nanosecs": 2}},
        "devices": [{"path": "/dev/x", "type": "c", "major": 1, "minor": 2}],
        "sysctl": {"net.x": "1"},
        "cgroupsPath": "/x",
        "maskedPaths": ["/x"],
        "readonlyPaths": ["/x"],
        "seccomp": {"defaultAction": "SCMP_ACT_ALLOW"},
        "rootfsPropagation": "slave",
        "personality": {"domain": "LINUX"},
        "resources": {
            "memory": {"limit": 1, "swap": 2, "reservation": 1},
            "cpu": {"shares": 1, "quota": 1, "period": 1, "cpus": "0", "mems": "0"},
            "pids": {"limit": 1},
            "blockIO": {
                "weight": 10,
                "weightDevice": [{"major": 1, "minor": 1, "weight": 1}],
                "throttleReadBpsDevice": [{"major": 1, "minor": 1, "rate": 1}],
            },
            "hugepageLimits": [{"pageSize": "2MB", "limit": 1}],
            "rdma": {"x": {"hcaHandles": 1, "hcaObjects": 2}},
            "network": {"classID": 1, "priorities": [{"name": "x", "priority": 1}]},
            "devices": [{"allow": True, "type": "c", "major": 1, "access": "rw"}],
            "unified": {"memory.high": "1"},
        },
    }
    return config


def places(found: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every field of a document, by its path."""
    rows = []
    pairs = found.items() if isinstance(found, dict) else enumerate(found)
    for key, inner in pairs:
        rows.append((*path, key))
        if isinstance(inner, dict | list):
            rows += places(inner, (*path, key))
    return rows


def changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    config = copy.deepcopy(full())
    place: Any = config
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return config


def test_all_of_it_is_read() -> None:
    spec = read_config(full(), "/bundle").spec
    assert spec.resources.throttles
    assert spec.time_offsets == (("boottime", 1, 2),)


@pytest.mark.parametrize(
    "value", [None, 1, -1, "x", [], {}, [None], [[]], {"x": None}, 1.5, True, 2**70]
)
def test_no_value_of_another_type_crashes_it(value: Any) -> None:
    """CVE-2024-23650: null and wrong types in every place; an error, or its absence."""
    for path in places(full()):
        try:
            read_config(changed(path, value), "/bundle")
        except ContainerError as error:
            assert str(error)


@pytest.mark.parametrize(
    "text",
    ["", "{", "nul", "[1,]", "{}x", '{"a":1}}', "\x00", '"\\ud800"x', "[" * 100_000],
)
def test_what_is_no_json(text: str) -> None:
    with pytest.raises(ContainerError, match=r"config\.json"):
        read_config(loads(text.encode(), "config.json"), "/bundle")


def test_json_is_as_the_standard_library_reads_it() -> None:
    text = json.dumps(full(), indent=2) + "\n"
    assert loads(text.encode(), "x") == json.loads(text)


@pytest.mark.parametrize("text", ["[]", "null", "1", '"x"'])
def test_a_config_that_is_no_object(text: str) -> None:
    with pytest.raises(ContainerError, match=r"config\.json is not an object"):
        read_config(loads(text.encode(), "config.json"), "/bundle")


def test_where_a_cgroup_lies() -> None:
    assert cgroup_path("", "id") == "lamina-runtime/id"
    assert cgroup_path("/docker/id", "id") == "docker/id"
    assert cgroup_path("parent/../id", "id") == "id"
    for path in ("/", "..", "../x", "."):
        with pytest.raises(ContainerError):
            cgroup_path(path, "id")
    with pytest.raises(ContainerError, match="systemd"):
        cgroup_path("system.slice:runtime:id", "id")
