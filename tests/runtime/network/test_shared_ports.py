from __future__ import annotations

from lamina.runtime.network.ports import PortMapping, parse_port
from lamina.runtime.network.shared_ports import inside_of


def test_rules_in_a_hub_know_one_mapping_of_each_port() -> None:
    asked = ("127.0.0.1:80:8080", "[::1]:80:8081", "80:53/udp", "81:8080")
    mappings: list[PortMapping] = []
    for text in asked:
        mappings += parse_port(text)
    assert inside_of(mappings) == (mappings[0], mappings[2], mappings[3])
