"""One file over another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.services.compose.projects import loaded, refused, write

if TYPE_CHECKING:
    from pathlib import Path


def merged(folder: Path, *services: str) -> dict[str, Any]:
    """The service of files that each have these lines of it."""
    names = []
    for number, lines in enumerate(services):
        indented = "".join(f"    {line}\n" for line in lines.strip().splitlines())
        name = f"{number}.yaml"
        text = f"services:\n  web:\n    image: nginx\n{indented}"
        write(folder, {name: text + RESOURCES})
        names.append(name)
    found = loaded(folder, "", files=tuple(names)).tree["services"]["web"]
    assert isinstance(found, dict)
    return found


RESOURCES = """
volumes: {a: , b: }
networks: {x: , y: }
secrets: {s: {environment: S}, t: {environment: T}}
"""


@pytest.mark.parametrize(
    ("one", "two", "both"),
    [
        ("hostname: a", "hostname: b", {"hostname": "b"}),
        ("hostname: a", "user: b", {"hostname": "a", "user": "b"}),
        ("command: a b", "command: c", {"command": ["c"]}),
        ("command: a b", "command:", {"command": None}),
        ("entrypoint: [a]", "entrypoint: [b]", {"entrypoint": ["b"]}),
        (
            "healthcheck: {test: [CMD, a], retries: 3}",
            "healthcheck: {test: b}",
            {"healthcheck": {"test": ["CMD-SHELL", "b"], "retries": 3}},
        ),
        (
            "environment: [A=1, B=2, C]",
            "environment: {B: 3, D: 4}",
            {"environment": {"A": "1", "B": "3", "C": None, "D": "4"}},
        ),
        ("environment: {A: 1}", "environment: [A]", {"environment": {"A": None}}),
        ("labels: [a=1]", "labels: {b: 2}", {"labels": {"a": "1", "b": "2"}}),
        ("dns: 1.1.1.1", "dns: [8.8.8.8]", {"dns": ["1.1.1.1", "8.8.8.8"]}),
        ("cap_add: [A, B]", "cap_add: [B, C]", {"cap_add": ["A", "B", "C"]}),
        ("tmpfs: /a", "tmpfs: ['/a:size=1m', /b]", {"tmpfs": ["/a:size=1m", "/b"]}),
        ("expose: [80]", "expose: ['80', 81]", {"expose": ["80", "81"]}),
        (
            "depends_on: [a]",
            "depends_on: {a: {condition: service_healthy, required: false}}",
            {"depends_on": {"a": {"condition": "service_healthy", "required": False}}},
        ),
        (
            "depends_on: [a]",
            "depends_on: {a: {restart: true}}",
            {
                "depends_on": {
                    "a": {
                        "condition": "service_started",
                        "required": True,
                        "restart": True,
                    }
                }
            },
        ),
        (
            "networks: [x]",
            "networks: {x: {aliases: [w]}, y: }",
            {"networks": {"x": {"aliases": ["w"]}, "y": None}},
        ),
        (
            "networks: {x: {aliases: [w]}}",
            "networks: [x]",
            {"networks": {"x": {"aliases": ["w"]}}},
        ),
        (
            "logging: {driver: local, options: {a: 1}}",
            "logging: {options: {b: 2}}",
            {"logging": {"driver": "local", "options": {"a": "1", "b": "2"}}},
        ),
        (
            "logging: {driver: local, options: {a: 1}}",
            "logging: {driver: json-file, options: {b: 2}}",
            {"logging": {"driver": "json-file", "options": {"b": "2"}}},
        ),
        (
            "ulimits: {nofile: {soft: 1, hard: 2}, nproc: 3}",
            "ulimits: {nofile: 5}",
            {"ulimits": {"nofile": 5, "nproc": 3}},
        ),
        (
            "devices: [/dev/a]",
            "devices: ['/dev/b:/dev/a:r']",
            {"devices": [{"source": "/dev/b", "target": "/dev/a", "permissions": "r"}]},
        ),
        (
            "extra_hosts: {a: 1.1.1.1}",
            "extra_hosts: ['a:2.2.2.2']",
            {"extra_hosts": ["a=2.2.2.2"]},
        ),
        (
            "post_start: [{command: a}]",
            "post_start: [{command: a}, {command: b}]",
            {"post_start": [{"command": ["a"]}, {"command": ["b"]}]},
        ),
        (
            "x-a: {l: [1], k: 1}",
            "x-a: {l: [1], k: 2}",
            {"x-a": {"l": [1], "k": 2}},
        ),
        ("x-a: {l: 1}", "x-a: {k: 2}", {"x-a": {"k": 2}}),
        ("dns: [1.1.1.1]", "dns:", {"dns": ["1.1.1.1"]}),
        ("environment: {A: 1}", "environment:", {"environment": {"A": "1"}}),
        ("hostname:", "hostname: a", {"hostname": "a"}),
        ("build: .", "build:", {"command": None}),
        (
            "extra_hosts: ['a:1.1.1.1', 'b:1.1.1.1']",
            "extra_hosts: {a: [2.2.2.2, 3.3.3.3]}",
            {"extra_hosts": ["b=1.1.1.1", "a=2.2.2.2", "a=3.3.3.3"]},
        ),
    ],
)
def test_key_by_key(tmp_path: Path, one: str, two: str, both: dict[str, Any]) -> None:
    extra = "services: {a: {image: x}}"
    write(tmp_path, {"extra.yaml": extra})
    found = merged_with(tmp_path, one, two)
    assert {key: found.get(key) for key in both} == both


def merged_with(folder: Path, one: str, two: str) -> dict[str, Any]:
    """Two files over one with a service `a`, which `web` may depend on."""
    merged(folder, "hostname: x", "hostname: x")
    for name, lines in (("0.yaml", one), ("1.yaml", two)):
        text = f"services:\n  web:\n    image: nginx\n    {lines}\n"
        write(folder, {name: text + RESOURCES})
    files = ("extra.yaml", "0.yaml", "1.yaml")
    found: dict[str, Any] = loaded(folder, "", files=files).tree["services"]["web"]
    return found


def test_ports_are_one_where_all_of_them_is_the_same(tmp_path: Path) -> None:
    found = merged(
        tmp_path,
        'ports: ["80:80", "81:81"]',
        'ports: ["80:80", "127.0.0.1:80:80", {target: 81, published: 81, name: n}]',
    )["ports"]
    shown = [(p.get("host_ip"), p["published"], p.get("name")) for p in found]
    assert shown == [(None, "80", None), (None, "81", "n"), ("127.0.0.1", "80", None)]


def test_of_mounts_the_later_one_at_a_target_counts(tmp_path: Path) -> None:
    found = merged(tmp_path, 'volumes: ["a:/x", "b:/y"]', 'volumes: ["b:/x:ro"]')
    shown = [(m["source"], m["target"], m.get("read_only")) for m in found["volumes"]]
    assert shown == [("b", "/x", True), ("b", "/y", None)]


def test_secrets_are_told_apart_by_their_target(tmp_path: Path) -> None:
    found = merged(
        tmp_path, "secrets: [s, t]", "secrets: [{source: s, target: t}, {source: s}]"
    )
    shown = [(s["source"], s["target"]) for s in found["secrets"]]
    assert shown == [
        ("s", "/run/secrets/s"),
        ("s", "t"),
    ]


def test_a_build_as_a_text_and_as_a_mapping(tmp_path: Path) -> None:
    found = merged(tmp_path, "build: ./x", "build: {target: t, args: [A=1]}")
    assert found["build"] == {
        "context": f"{tmp_path}/x",
        "target": "t",
        "args": {"A": "1"},
    }


def test_a_file_over_itself_changes_nothing(tmp_path: Path) -> None:
    lines = """
build: {context: ., args: [A=1], tags: [a, b], cache_from: [c]}
ports: ["80:80", 81]
volumes: ["a:/x", "./y:/y"]
environment: [A=1, B]
networks: {x: {aliases: [w]}}
secrets: [s]
group_add: [a, 5]
security_opt: ["no-new-privileges:true"]
device_cgroup_rules: ["c 1:3 mr"]
develop: {watch: [{path: ., action: rebuild}]}
post_start: [{command: a}]
extra_hosts: ["a:1.1.1.1", "a:2.2.2.2"]
blkio_config: {device_read_bps: [{path: /dev/a, rate: 1m}]}
"""
    assert merged(tmp_path, lines, lines) == merged(tmp_path, lines)


def test_a_reset_takes_away(tmp_path: Path) -> None:
    found = merged(
        tmp_path,
        'ports: ["80:80"]\nenvironment: {A: 1, B: 2}\ncommand: x',
        "ports: !reset []\nenvironment: {A: !reset null}\ncommand: !reset null",
    )
    assert "ports" not in found
    assert found["environment"] == {"B": "2"}
    assert found["command"] is None


def test_an_override_replaces(tmp_path: Path) -> None:
    found = merged(
        tmp_path,
        'ports: ["80:80"]\nenvironment: {A: 1}',
        'ports: !override ["90:90"]\nenvironment: !override {B: 2}',
    )
    assert [port["target"] for port in found["ports"]] == [90]
    assert found["environment"] == {"B": "2"}


def test_tags_where_there_is_nothing_below(tmp_path: Path) -> None:
    found = merged(tmp_path, "ports: !reset []\ndns: !override [1.1.1.1]")
    assert "ports" not in found
    assert found["dns"] == ["1.1.1.1"]


def test_a_whole_service_and_a_network_are_reset(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": "services: {a: {image: x}, b: {image: x}}"})
    write(tmp_path, {"b.yaml": "services: {b: !reset null}\nvolumes: {v: !reset }"})
    found = loaded(tmp_path, "", files=("a.yaml", "b.yaml")).tree
    assert list(found["services"]) == ["a"]


def test_address_pools_are_told_apart_by_their_subnet(tmp_path: Path) -> None:
    one = "networks: {n: {ipam: {config: [{subnet: 10.1.0.0/16, gateway: 10.1.0.1}]}}}"
    two = (
        "networks: {n: {ipam: {config: [{subnet: 10.1.0.0/16}, {subnet: 'fd::/64'}]}}}"
    )
    write(tmp_path, {"a.yaml": "services: {a: {image: x}}\n" + one, "b.yaml": two})
    found = loaded(tmp_path, "", files=("a.yaml", "b.yaml")).tree
    pools = found["networks"]["n"]["ipam"]["config"]
    assert pools == [{"subnet": "10.1.0.0/16"}, {"subnet": "fd::/64"}]


def test_what_is_empty_in_all_files_is_told_in_the_first(tmp_path: Path) -> None:
    write(tmp_path, {"b.yaml": "services: {a: {image: x, ports: }}"})
    text = "services:\n  a:\n    ports:\n"
    error = refused(tmp_path, text, files=("compose.yaml", "b.yaml"))
    assert "`services.a.ports` has to be a list, and is empty" in error.message
    assert error.place == "compose.yaml:3:11"


def test_documents_of_one_file_are_merged_too(tmp_path: Path) -> None:
    text = "services: {a: {image: x}}\n---\nservices: {a: {image: y, hostname: h}}\n"
    found = loaded(tmp_path, text).tree["services"]["a"]
    assert (found["image"], found["hostname"]) == ("y", "h")


def test_paths_of_all_files_are_those_of_the_project(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": "services: {a: {image: x}}"})
    write(tmp_path, {"sub/b.yaml": "services: {a: {volumes: ['./v:/v']}}"})
    found = loaded(tmp_path, "", files=("a.yaml", "sub/b.yaml")).tree
    assert found["services"]["a"]["volumes"][0]["source"] == f"{tmp_path}/v"
