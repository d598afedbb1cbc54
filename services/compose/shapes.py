"""Kinds of values that have a short form and a long one."""

from __future__ import annotations

import re

from lamina.services.compose.kinds import (
    check_list,
    duration,
    each,
    flag,
    integer,
    invalid,
    mistaken,
    named,
    pairs,
    path_kind,
    read,
    table,
    text,
)
from lamina.services.compose.merging import settled
from lamina.services.compose.mounts import InvalidMount, parse_mount, target_path
from lamina.services.compose.nodes import NO_KEYS, Node
from lamina.services.compose.ports import (
    PROTOCOLS,
    InvalidPort,
    address,
    parse_ports,
    port_range,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from lamina.services.compose.kinds import Context, Kind


def made_of(node: Node, found: Any) -> Node:
    """A tree of plain values as Nodes, all at the place of the short form."""
    if isinstance(found, dict):
        found = {key: made_of(node, item) for key, item in found.items()}
    elif isinstance(found, list):
        found = [made_of(node, item) for item in found]
    return Node(found, node.source, node.line, node.column, "", NO_KEYS, "")


def long_or(short: Kind, long: Kind) -> Kind:
    """A mapping, or a short form of it."""

    def inner(node: Node, path: str, context: Context) -> Node:
        kind = long if type(node.value) is dict else short
        return kind(node, path, context)

    return inner


def keyed(node: Node, path: str, context: Context, kind: Kind, made: Any) -> Node:
    """A mapping by name, of which a list of names is the short form."""
    if type(node.value) is not list:
        return named(kind)(node, path, context)
    found = {}
    keys = {}
    for at, item in enumerate(node.value):
        text(item, f"{path}[{at}]", context)
        found[item.value] = made_of(item, made)
        keys[item.value] = item.line, item.column
    return Node(found, node.source, node.line, node.column, node.tag, keys)


def names_or(kind: Kind, made: Any = None) -> Kind:
    """A mapping by name, or a list of names, each of which stands for `made`."""
    return lambda node, path, context: keyed(node, path, context, kind, made)


def short_text(key: str, kind: Kind = text) -> Kind:
    """What stands for a mapping of this one key."""

    def inner(node: Node, path: str, context: Context) -> Node:
        return node.like({key: kind(node, path, context)})

    return inner


# Ports


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
                made.append(long(item, where, context))
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


def owner(node: Node, path: str, context: Context) -> Node:
    """The number of a user or a group, as a text."""
    shown = str(node.value) if type(node.value) is int else node.value
    if type(shown) is not str:
        raise mistaken(node, path, "a number in quotes")
    if not re.fullmatch("[0-9]{1,10}", shown) or int(shown) >= 1 << 32:
        raise invalid(node, path, "it is the number of a user or a group.")
    return node.like(shown)


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


# Mounts and devices


def short_mount(node: Node, path: str, context: Context) -> Node:
    if type(node.value) is not str:
        raise mistaken(node, path, "a text such as data:/var/lib/data")
    try:
        return made_of(node, parse_mount(node.value, context.absolute))
    except InvalidMount as error:
        raise invalid(node, path, error.message, error.hint) from None


def in_container(node: Node, path: str, context: Context) -> Node:
    """An absolute path in the container."""
    text(node, path, context)
    try:
        return node.like(target_path(node.value))
    except InvalidMount as error:
        raise invalid(node, path, error.message, error.hint) from None


def long_mount(node: Node, path: str, context: Context, keys: Kind) -> Node:
    """A mount's long form; the source of a bind mount is a path."""
    found = keys(node, path, context)
    given = dict(found.value)
    for key in ("type", "target"):
        if key not in given:
            raise node.error(f"`{path}` has no `{key}`.")
    kind = given["type"].value
    for own in ("bind", "volume", "tmpfs", "image"):
        if own in given and own != kind:
            raise given[own].error(f"`{path}` is a {kind}, and has options of a {own}.")
    source = given.get("source")
    if kind == "bind":
        if source is None or not source.value:
            raise node.error(f"`{path}` has no `source`, the path on the host.")
        given["source"] = source.like(context.absolute(source.value))
        bind = given.get("bind", made_of(node, {}))
        created = {"create_host_path": made_of(node, True), **bind.value}
        given["bind"] = bind.holding(created)
    elif kind == "volume":
        given.setdefault("volume", made_of(node, {}))
    elif kind == "tmpfs":
        given.setdefault("tmpfs", made_of(node, {}))
        if source is not None:
            raise source.error(f"`{path}` is a tmpfs, which has no source.")
    return found.holding(given)


def short_device(node: Node, path: str, context: Context) -> Node:
    if type(node.value) is not str:
        raise mistaken(node, path, "a text such as /dev/fuse")
    source, *rest = node.value.split(":")
    if not source or len(rest) > 2 or "" in rest:
        raise invalid(node, path, "it is no HOST[:CONTAINER[:rwm]].")
    target, permissions = source, "rwm"
    if len(rest) == 2:
        target, permissions = rest
    elif rest and re.fullmatch("[rwm]{1,3}", rest[0]):
        permissions = rest[0]
    elif rest:
        target = rest[0]
    device = {"source": source, "target": target, "permissions": permissions}
    return made_of(node, device)


def long_device(node: Node, path: str, context: Context, keys: Kind) -> Node:
    found = keys(node, path, context)
    source = found.value.get("source")
    if source is None:
        raise node.error(f"`{path}` has no `source`.")
    added = {"target": source, "permissions": made_of(node, "rwm")}
    return found.holding({**added, **found.value})


def short_file(node: Node, path: str, context: Context) -> Node:
    """A secret or config by its name."""
    if type(node.value) is not str:
        raise mistaken(node, path, "a text or a mapping")
    return made_of(node, {"source": node.value})


def long_file(node: Node, path: str, context: Context, keys: Kind) -> Node:
    found = keys(node, path, context)
    if "source" not in found.value:
        raise node.error(f"`{path}` has no `source`, the name at the top level.")
    return found


# The rest


def health_test(node: Node, path: str, context: Context) -> Node:
    """A command for the shell, or a list that begins with NONE, CMD or CMD-SHELL."""
    if type(node.value) is str:
        return node.like([node.like("CMD-SHELL"), node.like(node.value)])
    found = each(text)(node, path, context)
    words = [item.value for item in found.value]
    if words and words[0] not in ("NONE", "CMD", "CMD-SHELL"):
        hint = f"To run it without a shell: {['CMD', *words]}".replace("'", '"')
        said = "a list begins with CMD, CMD-SHELL or NONE."
        raise invalid(found.value[0], path, said, hint)
    return found


def ulimit(node: Node, path: str, context: Context) -> Node:
    """A number for both limits, or one for each."""
    bound = integer(-1)
    if type(node.value) is not dict:
        return bound(node, path, context)
    found = table(lambda: {"soft": bound, "hard": bound})(node, path, context)
    for key in ("soft", "hard"):
        if lacks(found, key):
            raise node.error(f"`{path}` has no `{key}` limit.")
    return found


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


def external(node: Node, path: str, context: Context) -> Node:
    """True or false; the mapping with a name in it is of old."""
    if type(node.value) is dict:
        return table(lambda: {"name": text})(node, path, context)
    return flag(node, path, context)


def with_external_name(keys: Kind) -> Kind:
    """`external: {name: N}` is `external: true` and `name: N`."""

    def inner(node: Node, path: str, context: Context) -> Node:
        found = keys(node, path, context)
        old = found.value.get("external")
        if old is None or type(old.value) is not dict:
            return found
        context.warn(
            f"{old.place}: `{path}.external.name` is of old. Write `external: true` "
            f"and `{path}.name`."
        )
        given = {**found.value, "external": made_of(old, True)}
        if "name" in old.value:
            if "name" in given:
                raise old.error(f"`{path}` has two names.")
            given["name"] = old.value["name"]
        return found.holding(given)

    return inner


def lacks(node: Node, key: str) -> bool:
    """Whether a mapping is without a key."""
    return key not in node.value or node.value[key].tag == "reset"


def needs(keys: Kind, *wanted: str) -> Kind:
    """A mapping in which some keys have to be."""

    def inner(node: Node, path: str, context: Context) -> Node:
        found = keys(node, path, context)
        for key in wanted:
            if lacks(found, key):
                raise node.error(f"`{path}` has no `{key}`.")
        return found

    return inner


def build_context(node: Node, path: str, context: Context) -> Node:
    """A folder, made absolute, or a place elsewhere (`https://`, `git@`)."""
    text(node, path, context)
    if is_remote(node.value):
        return node
    return node.like(context.absolute(node.value))


def local_file(node: Node, path: str, context: Context) -> Node:
    """A compose file of this machine."""
    text(node, path, context)
    if is_remote(node.value) or node.value.startswith("oci:"):
        raise invalid(
            node, path, "only files of this machine are read.", "Fetch it first."
        )
    return path_kind(node, path, context)


def is_remote(place: str) -> bool:
    """Whether a build's context is no folder of this machine."""
    return bool(
        re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://|git@|github\.com/", place)
        or re.match(r"(?:docker-image|service|target|oci-layout):", place)
    )


def contexts(node: Node, path: str, context: Context) -> Node:
    found = pairs()(node, path, context)
    return found.holding(
        {
            name: read(build_context, item, f"{path}.{name}", context)
            for name, item in found.value.items()
        }
    )


def ssh(node: Node, path: str, context: Context) -> Node:
    """`default` and `ID=PATH`, as a flag has them; a mapping or a text is one too."""
    if type(node.value) is str:
        return node.like([made_of(node, node.value)])
    found = pairs(without=None)(node, path, context)
    return node.like(
        [
            item.like(name if not item.value else f"{name}={item.value}")
            for name, item in found.value.items()
        ]
    )


def delay_or_number(node: Node, path: str, context: Context) -> Node:
    """Microseconds, or a time."""
    if type(node.value) is str and not node.value.isdigit():
        return duration(node, path, context)
    return integer(-1)(node, path, context)


def bounded(long: Callable[..., Node], keys: Kind) -> Kind:
    """A long form whose keys are checked first."""
    return lambda node, path, context: long(node, path, context, keys)
