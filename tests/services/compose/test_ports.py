"""The short form of ports."""

from __future__ import annotations

import pytest

from lamina.services.compose.ports import InvalidPort, parse_ports


def short(spec: str) -> list[str]:
    """Each port as IP|PUBLISHED|TARGET/PROTOCOL."""
    return [
        f"{port.get('host_ip', '')}|{port.get('published', '')}|{port['target']}"
        f"/{port['protocol']}"
        for port in parse_ports(spec)
    ]


@pytest.mark.parametrize(
    ("spec", "ports"),
    [
        ("80", ["||80/tcp"]),
        ("8080:80", ["|8080|80/tcp"]),
        ("53:53/UDP", ["|53|53/udp"]),
        ("80-81", ["||80/tcp", "||81/tcp"]),
        ("8080-8081:80-81", ["|8080|80/tcp", "|8081|81/tcp"]),
        ("8000-9000:80", ["|8000-9000|80/tcp"]),
        ("127.0.0.1:8080:80", ["127.0.0.1|8080|80/tcp"]),
        ("127.0.0.1::80", ["127.0.0.1||80/tcp"]),
        ("[::1]:8080:80", ["::1|8080|80/tcp"]),
        ("::1:8080:80", ["::1|8080|80/tcp"]),
    ],
)
def test_ports(spec: str, ports: list[str]) -> None:
    assert short(spec) == ports


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("", "It is no"),
        ("http", "It is no"),
        ("8080:http", "It is no"),
        ("70000", "Ports end with 65535"),
        ("81-80", "ends before it begins"),
        ("1-3:80-81", "not of one length"),
        ("80/icmp", "no protocol 'icmp'"),
        ("localhost:80:80", "'localhost' is no address"),
        ("1:2:3", "'1' is no address"),
        ("1-65535", "more than 10,000 ports"),
        ("1:" * 1_000_000, "It is no"),
    ],
)
def test_what_is_no_port(spec: str, said: str) -> None:
    with pytest.raises(InvalidPort, match=said):
        parse_ports(spec)
