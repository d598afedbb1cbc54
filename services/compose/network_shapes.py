"""Kinds of values that say where a service is reached, and what it reaches."""

from __future__ import annotations

from lamina.services.compose.kinds import (
    check_list,
    each,
    invalid,
    mistaken,
    text,
)
from lamina.services.compose.merging import settled
from lamina.services.compose.nodes import Node
from lamina.services.compose.ports import (
    PROTOCOLS,
    InvalidPort,
    address,
    parse_ports,
    port_range,
)
from lamina.services.compose.shapes import made_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.services.compose.kinds import Context, Kind

MOST_PORTS = 10_000


def ports(long: Kind) -> Kind:
    """A list of ports; a range becomes several."""

    def inner(node: Node, path: str, context: Context) -> Node:
        check_list(node, path)
        made: list[Node] = []
        for at, given in enumerate(node.value):
            where = f"{path}[{at}]"
            item = settled(given)
            if type(item.value) is dict:
                made.append(long(item, where, context.as_whole()))
            else:
                made += _short_ports(item, where)
            if len(made) > MOST_PORTS:
                raise item.error(f"`{path}` are more than {MOST_PORTS:,} ports.")
        return node.holding(made)

    return inner


def _short_ports(node: Node, path: str) -> list[Node]:
    spec = node.value
    if type(spec) is int:
        spec = str(spec)
    if type(spec) is not str:
        raise mistaken(node, path, "a text such as 8080:80")
    try:
        return [made_of(node, port) for port in parse_ports(spec)]
    except InvalidPort as error:
        raise invalid(node, path, str(error)) from None


def long_port(node: Node, path: str, context: Context, keys: Kind) -> Node:
    """A port's long form with what Docker adds to it."""
    found = keys(node, path, context)
    if "target" not in found.value:
        raise node.error(f"`{path}` has no `target`, the port in the container.")
    added = {"mode": "ingress", "protocol": "tcp"}
    given = dict(found.value)
    for key, default in added.items():
        if key not in given:
            given[key] = made_of(node, default)
    return found.holding(given)


def published(node: Node, path: str, context: Context) -> Node:
    """A port of the host, or a range of which one is chosen."""
    shown = str(node.value) if type(node.value) is int else node.value
    if type(shown) is not str:
        raise mistaken(node, path, "a port")
    if shown:
        _checked_range(node, path, shown)
    return node.like(shown)


def _checked_range(node: Node, path: str, shown: str) -> None:
    try:
        port_range(shown)
    except InvalidPort as error:
        raise invalid(node, path, str(error)) from None


def ip_address(version: int = 0) -> Kind:
    """An address, of one version of IP or of any."""

    def kind(node: Node, path: str, context: Context) -> Node:
        import ipaddress

        text(node, path, context)
        try:
            found = ipaddress.ip_address(node.value)
        except ValueError:
            raise invalid(node, path, "it is no address.") from None
        if version and found.version != version:
            raise invalid(node, path, f"it is an address of IPv{version}.")
        return node

    return kind


def subnet(node: Node, path: str, context: Context) -> Node:
    """Addresses as 10.1.0.0/16 says them."""
    import ipaddress

    text(node, path, context)
    try:
        ipaddress.ip_network(node.value, strict=False)
    except ValueError:
        raise invalid(node, path, "it is a subnet such as 10.1.0.0/16.") from None
    return node


def host_ip(node: Node, path: str, context: Context) -> Node:
    text(node, path, context)
    try:
        return node.like(address(node.value)) if node.value else node
    except InvalidPort as error:
        raise invalid(node, path, str(error)) from None


def protocol(node: Node, path: str, context: Context) -> Node:
    text(node, path, context)
    if node.value.lower() not in PROTOCOLS:
        raise invalid(node, path, "it is tcp, udp or sctp.")
    return node.like(node.value.lower())


def exposed(node: Node, path: str, context: Context) -> Node:
    """A port, or a range of them, with or without its protocol."""
    shown = str(node.value) if type(node.value) is int else node.value
    if type(shown) is not str:
        raise mistaken(node, path, "a port")
    ports_part, slash, how = shown.partition("/")
    if slash and how.lower() not in PROTOCOLS:
        raise invalid(node, path, f"there is no protocol {how!r}.")
    _checked_range(node, path, ports_part)
    return node.like(shown)


def extra_hosts(node: Node, path: str, context: Context) -> Node:
    """`HOST=IP` for each line of /etc/hosts."""
    made: list[Node] = []
    if type(node.value) is dict:
        for name, item in node.value.items():
            found = item.value if type(item.value) is list else [item]
            for each_one in found:
                text(each_one, f"{path}.{name}", context)
                made.append(_host(each_one, path, name, each_one.value))
        return node.like(made)
    for item in each(text)(node, path, context).value:
        separator = "=" if "=" in item.value else ":"
        name, found_one, ip = item.value.partition(separator)
        if not found_one or not name:
            raise invalid(item, path, "it is no HOST=IP.")
        made.append(_host(item, path, name, ip))
    return node.like(made)


def _host(node: Node, path: str, name: str, ip: str) -> Node:
    import ipaddress

    bare = ip[1:-1] if ip.startswith("[") and ip.endswith("]") else ip
    if bare != "host-gateway":
        try:
            ipaddress.ip_address(bare)
        except ValueError:
            raise invalid(node, path, f"{ip!r} is no address.") from None
    return node.like(f"{name}={bare}")
