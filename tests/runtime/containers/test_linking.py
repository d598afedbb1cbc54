"""Docker's legacy links: what a container is told of another."""

from __future__ import annotations

import pytest

from lamina.runtime.containers.linking import (
    Link,
    are_legacy,
    check,
    host_lines,
    parse,
    variables,
)
from lamina.runtime.containers.options import Options
from lamina.runtime.errors import NetworkError

_DB = Link(
    id="5c1a8cf2d1a4" + "0" * 52,
    alias="my-db",
    names=("my-db", "5c1a8cf2d1a4", "db"),
    address="10.0.0.2",
    ports=((53, "udp"), (5432, "tcp"), (5433, "tcp"), (5434, "tcp"), (9000, "tcp")),
    env=("FOO=bar=baz", "HOME=/x", "PATH=/bin"),
)


def test_variables_are_docker_s() -> None:
    """The list that docker 20.10 gave for the same container."""
    ports = [(53, "udp"), (5432, "tcp"), (5433, "tcp"), (5434, "tcp"), (9000, "tcp")]
    found = {
        "MY_DB_PORT=udp://10.0.0.2:53",
        "MY_DB_PORT_5432_TCP_START=tcp://10.0.0.2:5432",
        "MY_DB_PORT_5432_TCP_PORT_START=5432",
        "MY_DB_PORT_5432_TCP_END=tcp://10.0.0.2:5434",
        "MY_DB_PORT_5432_TCP_PORT_END=5434",
        "MY_DB_NAME=/web/my-db",
        "MY_DB_ENV_FOO=bar=baz",
    }
    for number, protocol in ports:
        name = f"MY_DB_PORT_{number}_{protocol.upper()}"
        found |= {
            f"{name}={protocol}://10.0.0.2:{number}",
            f"{name}_ADDR=10.0.0.2",
            f"{name}_PORT={number}",
            f"{name}_PROTO={protocol}",
        }
    told = variables([_DB], "web")
    assert set(told) == found
    assert len(told) == len(found)


def test_one_without_ports_has_a_name() -> None:
    plain = Link("f" * 64, "plain", ("plain",), "10.0.0.3", (), ())
    assert variables([plain], "web") == ("PLAIN_NAME=/web/plain",)
    assert host_lines([plain, _DB]) == (
        ("plain", "10.0.0.3"),
        ("my-db 5c1a8cf2d1a4 db", "10.0.0.2"),
    )


def test_a_link_names_itself() -> None:
    assert parse("db") == ("db", "db")
    assert parse("db:data") == ("db", "data")


@pytest.mark.parametrize("text", ["", ":", "db:", ":x", "a:b:c", "a:b c"])
def test_what_is_no_link(text: str) -> None:
    with pytest.raises(NetworkError):
        parse(text)


@pytest.mark.parametrize("mode", ["host", "container:x"])
def test_who_has_no_network_of_its_own_links_to_nobody(mode: str) -> None:
    with pytest.raises(NetworkError, match="does not go with links"):
        check(Options(network=mode, links=("db",)))


def test_on_networks_of_ones_own_they_are_names() -> None:
    assert are_legacy(Options(links=("db",)))
    assert not are_legacy(Options(network="none", links=("db",)))
    assert not are_legacy(Options(network="app", networks=("app",), links=("db",)))
