from __future__ import annotations

import pytest

from lamina.runtime.errors import NetworkError
from lamina.runtime.network.ports import PortMapping, parse_port


@pytest.mark.parametrize(
    ("text", "mapping"),
    [
        ("80", PortMapping("", 0, 80)),
        ("8080:80", PortMapping("", 8080, 80)),
        ("8080:80/tcp", PortMapping("", 8080, 80)),
        ("5353:53/UDP", PortMapping("", 5353, 53, "udp")),
        ("127.0.0.1:8080:80", PortMapping("127.0.0.1", 8080, 80)),
        ("127.0.0.1::80", PortMapping("127.0.0.1", 0, 80)),
        (":80", PortMapping("", 0, 80)),
        ("::80", PortMapping("", 0, 80)),
        ("0.0.0.0:8080:80", PortMapping("", 8080, 80)),
        ("[::1]:8080:80", PortMapping("::1", 8080, 80)),
        ("[::1]::80", PortMapping("::1", 0, 80)),
        ("[0:0::1]:8080:80", PortMapping("::1", 8080, 80)),
        ("8000-8010:80", PortMapping("", 8000, 80, "tcp", 8010)),
        ("8000-8000:80", PortMapping("", 8000, 80)),
    ],
)
def test_one_port(text: str, mapping: PortMapping) -> None:
    assert parse_port(text) == (mapping,)


def test_ranges_go_side_by_side() -> None:
    assert parse_port("8000-8001:80-81/udp") == (
        PortMapping("", 8000, 80, "udp"),
        PortMapping("", 8001, 81, "udp"),
    )
    assert parse_port("80-81") == (PortMapping("", 0, 80), PortMapping("", 0, 81))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "'' has no container port|it has no container port"),
        ("8080:", "no container port"),
        ("x", "'x' is no container port"),
        ("0", "'0' is no container port"),
        ("65536:80", "'65536' is no host port"),
        ("-1:80", "no host port"),
        ("80/http", "no protocol 'http'"),
        ("80/", "no protocol ''"),
        ("1.2.3:8080:80", "'1.2.3' is not an IP address"),
        ("localhost:8080:80", "'localhost' is not an IP address"),
        ("1:2:3:4", "too many parts"),
        ("::1:8080:80", "brackets"),
        ("[::1:8080:80", "not an IP address|too many parts"),
        ("[]:8080:80", "no address"),
        ("90-80", "backwards"),
        ("8000-8002:80-81", "same length"),
        ("8080:80-81", "same length"),
        ("٨٠", "no container port"),
    ],
)
def test_what_is_no_port_says_how_to_write_one(text: str, why: str) -> None:
    with pytest.raises(NetworkError, match=why) as caught:
        parse_port(text)
    assert "-p 8080:80" in caught.value.hint


def test_a_mapping_reads_as_ps_shows_it() -> None:
    assert str(PortMapping("", 8080, 80)) == "0.0.0.0:8080->80/tcp"
    assert str(PortMapping("::1", 53, 53, "udp")) == "[::1]:53->53/udp"
