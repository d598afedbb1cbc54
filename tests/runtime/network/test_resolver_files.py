from __future__ import annotations

from pathlib import Path

import pytest

from lamina.runtime.errors import NetworkError
from lamina.runtime.network.resolver_files import (
    host_resolv_conf,
    hostname,
    hosts,
    parse_host,
    resolv_conf,
)

STUB = "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch lan\n"
REAL = "nameserver 192.168.1.1\nsearch lan\n"


def test_servers_that_a_container_can_reach_are_kept() -> None:
    text = "# by hand\nsearch lan\nnameserver 10.0.0.1\noptions ndots:2\n"
    assert resolv_conf(text) == text


def test_loopback_and_ipv6_servers_are_left_out() -> None:
    text = "nameserver 127.0.0.1\nnameserver ::1\nnameserver 10.0.0.1\nnameserver\n"
    assert resolv_conf(text) == "nameserver 10.0.0.1\n"


def test_when_no_server_is_left_there_are_others() -> None:
    assert resolv_conf("search lan\nnameserver 127.0.1.1\n") == (
        "search lan\nnameserver 8.8.8.8\nnameserver 8.8.4.4\n"
    )
    assert resolv_conf("", ("10.0.2.3",)) == "nameserver 10.0.2.3\n"


def test_behind_systemds_stub_are_the_real_servers(tmp_path: Path) -> None:
    stub, real = tmp_path / "stub", tmp_path / "real"
    stub.write_text(STUB)
    assert host_resolv_conf(str(stub), str(real)) == STUB
    real.write_text(REAL)
    assert host_resolv_conf(str(stub), str(real)) == REAL
    stub.write_text("nameserver 127.0.0.1\n")
    assert host_resolv_conf(str(stub), str(real)) == "nameserver 127.0.0.1\n"


def test_a_host_without_a_resolv_conf(tmp_path: Path) -> None:
    assert host_resolv_conf(str(tmp_path / "none"), str(tmp_path / "none")) == ""


def test_hosts_has_the_usual_names_the_given_ones_and_its_own() -> None:
    text = hosts("web", ("10.201.0.2",), (("db", "10.0.0.5"),))
    assert text.startswith("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost")
    assert text.endswith("10.0.0.5\tdb\n10.201.0.2\tweb\n")
    assert hosts("web.example", ("10.201.0.2",)).endswith("\tweb.example web\n")
    assert hosts("", ()).endswith("ff02::2\tip6-allrouters\n")
    assert hostname("web") == "web\n"


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("db:10.0.0.5", ("db", "10.0.0.5")),
        ("db=10.0.0.5", ("db", "10.0.0.5")),
        ("db:fd00::1", ("db", "fd00::1")),
        ("db=[fd00::1]", ("db", "fd00::1")),
        ("h:host-gateway", ("h", "10.201.0.1")),
    ],
)
def test_added_hosts(text: str, host: tuple[str, str]) -> None:
    assert parse_host(text, "10.201.0.1") == host


@pytest.mark.parametrize(
    "text", ["", "db", ":10.0.0.5", "db:", "db:nowhere", "db:\udcff"]
)
def test_what_is_no_added_host(text: str) -> None:
    with pytest.raises(NetworkError, match="NAME:ADDRESS"):
        parse_host(text)
