"""`--network` and the flags that go with it, as Options have them."""

from __future__ import annotations

from lamina.runtime.containers.endpoints import BRIDGE, DEFAULT, is_networked, parse
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any


def network_mode(arguments: argparse.Namespace) -> str:
    """The first network that is asked for; raises NetworkError."""
    if not arguments.network:
        return DEFAULT
    first: str = arguments.network[0]
    if not is_networked(first):
        return first
    name = parse(first).network
    return DEFAULT if name == BRIDGE else name


def network_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The fields of Options for networks; aliases and addresses are of the first."""
    mode = network_mode(arguments)
    given: list[str] = arguments.network or [DEFAULT]
    asked = any(
        (arguments.network_alias, arguments.ip, arguments.ip6, arguments.mac_address)
    )
    fields: dict[str, Any] = {"network": mode, "links": tuple(arguments.link)}
    if len(given) == 1 and not asked and "=" not in given[0]:
        networks = () if mode == DEFAULT or not is_networked(mode) else (given[0],)
        return {**fields, "networks": tuple(parse(text).text() for text in networks)}
    first, *rest = map(parse, given)
    first = replace(
        first,
        aliases=(*first.aliases, *arguments.network_alias),
        ip=arguments.ip or first.ip,
        ip6=arguments.ip6 or first.ip6,
        mac=arguments.mac_address or first.mac,
    )
    texts = (parse(one.text()).text() for one in (first, *rest))
    return {**fields, "networks": tuple(texts)}
