"""Keys of a service as Options and Overrides."""

from __future__ import annotations

from typing import Any

import pytest

from lamina.oci.config import Healthcheck
from lamina.runtime.containers.options import Options
from lamina.services import labels
from lamina.services.containers import options_of, overrides_of
from lamina.services.errors import ComposeError
from tests.services.projects import wanted, wants


def _id(name: str) -> str:
    return f"id-of-{name}"


def _options(**keys: Any) -> Options:
    return options_of(wants(**keys), _id)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"tty": True, "stdin_open": True}, {"terminal": True, "interactive": True}),
        ({"read_only": True, "privileged": True}, {"read_only": True}),
        ({"cap_add": ["NET_ADMIN"]}, {"cap_add": ("NET_ADMIN",)}),
        ({"init": True}, {"init": True}),
        ({"mem_limit": "1073741824"}, {"memory": 1 << 30}),
        ({"memswap_limit": "-1"}, {"memory_swap": -1}),
        ({"cpus": 1.5}, {"nano_cpus": 1_500_000_000}),
        ({"cpu_quota": 50000}, {"cpu_quota": 50000}),
        ({"cpu_period": "50ms"}, {"cpu_period": 50000}),
        ({"cpuset": "0,1"}, {"cpuset_cpus": "0,1"}),
        ({"pids_limit": 20}, {"pids_limit": 20}),
        ({"shm_size": "67108864"}, {"shm_size": 64 << 20}),
        (
            {"ulimits": {"nofile": {"soft": 10, "hard": 20}, "nproc": 5}},
            {"ulimits": ("nofile=10:20", "nproc=5:5")},
        ),
        ({"sysctls": {"kernel.shmmax": 9}}, {"sysctls": ("kernel.shmmax=9",)}),
        ({"restart": "unless-stopped"}, {"restart": "unless-stopped"}),
        (
            {"deploy": {"restart_policy": {"condition": "on-failure"}}},
            {"restart": "on-failure"},
        ),
        ({"deploy": {"restart_policy": {"max_attempts": 3}}}, {"restart": "always"}),
        ({"stop_grace_period": "1m0.5s"}, {"stop_timeout": 61}),
        ({"tmpfs": ["/run:size=1m"]}, {"tmpfs": ("/run:size=1m",)}),
        (
            {"extra_hosts": ["db=10.0.0.1", "six=::1"]},
            {"extra_hosts": ("db:10.0.0.1", "six:::1")},
        ),
        ({"dns": ["1.1.1.1"]}, {"dns": ("1.1.1.1",)}),
        (
            {"devices": [{"source": "/dev/fuse", "target": "/f", "permissions": "r"}]},
            {"devices": ("/dev/fuse:/f:r",)},
        ),
        (
            {"blkio_config": {"weight": 100, "device_read_bps": [{"path": "/dev/sda",
             "rate": "1mb"}]}},
            {"blkio_weight": 100, "device_read_bps": ("/dev/sda:1mb",)},
        ),
        ({"pid": "service:db"}, {"pid": "container:id-of-db"}),
        ({"ipc": "shareable"}, {"ipc": "shareable"}),
        ({"volumes_from": ["db:ro"]}, {"volumes_from": ("id-of-db:ro",)}),
        (
            {"logging": {"driver": "json-file", "options": {"max-size": "10m"}}},
            {"log_options": ("max-size=10485760",)},
        ),
    ],
)  # fmt: skip
def test_a_key_as_its_option(keys: dict[str, Any], expected: dict[str, Any]) -> None:
    found = _options(**keys)
    assert {name: getattr(found, name) for name in expected} == expected


def test_limits_of_deploy() -> None:
    resources = {
        "limits": {"cpus": "0.5", "memory": "536870912", "pids": 7},
        "reservations": {"memory": "268435456"},
    }
    found = _options(deploy={"resources": resources})
    assert (found.nano_cpus, found.memory) == (500_000_000, 512 << 20)
    assert (found.pids_limit, found.memory_reservation) == (7, 256 << 20)


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        ({"target": 80}, "80/tcp"),
        ({"target": 80, "published": "8080"}, "8080:80/tcp"),
        ({"target": 53, "published": "53", "protocol": "udp"}, "53:53/udp"),
        (
            {"target": 80, "published": "8080", "host_ip": "127.0.0.1"},
            "127.0.0.1:8080:80/tcp",
        ),
        ({"target": 80, "host_ip": "::1"}, "[::1]::80/tcp"),
        ({"target": 80, "published": "8000-8010"}, "8000-8010:80/tcp"),
    ],
)
def test_a_port(port: dict[str, Any], expected: str) -> None:
    assert _options(ports=[port]).publish == (expected,)


def test_networks_in_order_of_their_priority() -> None:
    tree = {
        "services": {
            "web": {
                "image": "a",
                "networks": {
                    "back": None,
                    "front": {"priority": 10, "aliases": ["www"],
                              "ipv4_address": "10.9.0.5"},
                },
            }
        },
        "networks": {"back": {"name": "app_back"}, "front": {"name": "shared"}},
    }  # fmt: skip
    found = options_of(wanted(tree), _id)
    assert found.network == "shared"
    first, second = found.networks
    assert first.startswith("name=shared,alias=web,alias=www,ip=10.9.0.5")
    assert second.startswith("name=app_back,alias=web")


def test_a_link_is_one_more_name_of_the_other() -> None:
    tree = {
        "services": {
            "web": {"image": "a", "networks": {"default": None}, "links": ["db:data"]},
            "db": {"image": "a", "networks": {"default": None}},
        },
        "networks": {"default": {"name": "app_default"}},
    }
    (text,) = options_of(wanted(tree, "db"), _id).networks
    assert "alias=data" in text


def test_the_network_of_another_service() -> None:
    assert _options(network_mode="service:db").network == "container:id-of-db"
    assert _options(network_mode="host").network == "host"
    assert _options(network_mode="none").network == "none"


def test_what_run_starts_answers_for_nobody_and_is_not_restarted() -> None:
    tree = {
        "services": {
            "web": {
                "image": "a",
                "restart": "always",
                "networks": {"default": None},
                "ports": [{"target": 80, "published": "80"}],
            }
        },
        "networks": {"default": {"name": "app_default"}},
    }
    found = options_of(wanted(tree, once=True), _id)
    assert found.networks == ("name=app_default",)
    assert (found.publish, found.restart) == ((), "no")


def test_an_unknown_log_driver_is_told() -> None:
    with pytest.raises(ComposeError, match="no log driver 'syslog'"):
        _options(logging={"driver": "syslog"})


def test_overrides() -> None:
    found = overrides_of(
        wants(
            command=["serve"],
            entrypoint=["/init", "-v"],
            environment={"A": "1", "UNSET": None},
            user=1000,
            working_dir="/srv",
            labels={"mine": "yes"},
            stop_signal="SIGINT",
            expose=["80", "53/udp"],
        )
    )
    assert (found.command, found.entrypoint) == (("serve",), ("/init", "-v"))
    assert (found.env, found.user, found.working_dir) == (("A=1",), "1000", "/srv")
    assert found.stop_signal == "SIGINT"
    assert found.exposed_ports == ("80/tcp", "53/udp")
    assert dict(found.labels)["mine"] == "yes"


def test_an_entrypoint_that_is_empty_takes_the_images_away() -> None:
    assert overrides_of(wants(entrypoint=[])).entrypoint == ()
    assert overrides_of(wants()).entrypoint is None


def test_labels_say_whose_it_is() -> None:
    found = dict(overrides_of(wants()).labels)
    assert found[labels.PROJECT] == "app"
    assert found[labels.SERVICE] == "web"
    assert found[labels.NUMBER] == "1"
    assert found[labels.ONCE] == "False"
    assert found[labels.FILES] == "/src/compose.yaml"


def test_nobody_can_say_to_be_of_another_project() -> None:
    found = dict(overrides_of(wants(labels={labels.PROJECT: "other"})).labels)
    assert found[labels.PROJECT] == "app"


def test_a_health_check() -> None:
    given = {"test": ["CMD", "true"], "interval": "5s", "retries": 4}
    expected = Healthcheck(("CMD", "true"), interval=5 * 10**9, retries=4)
    assert overrides_of(wants(healthcheck=given)).healthcheck == expected
    assert overrides_of(wants()).healthcheck is None


def test_no_health_check() -> None:
    found = overrides_of(wants(healthcheck={"disable": True}))
    assert found.healthcheck == Healthcheck(("NONE",))
