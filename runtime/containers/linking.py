"""`--link` on the default network: docker's legacy links (moby, daemon/links).

No resolver knows names there, so a container is told of another when it starts: in a
line of its /etc/hosts, and in variables about the other's ports and environment. On
networks of one's own a link is one more name for the resolver (connecting.py).
"""

from __future__ import annotations

import os
from itertools import pairwise

from lamina.runtime.containers import endpoints, state
from lamina.runtime.errors import NetworkError
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lamina.runtime.containers.options import Options
    from lamina.runtime.containers.state import Container

# The other's that are of no use here, as docker has it.
_OWN = ("HOME", "PATH")
# In the container's directory: what it was told at its start, for what `exec` begins.
_FILE = "linked"
# And those that link to it, one a line: they are told when it has another address.
LINKERS = "linkers"
# Of a container's /etc/hosts, which the container may have written.
_LARGEST = 1 << 20


@value
class Link:
    """Another container as the linking one finds it; `ports` by their numbers."""

    id: str
    alias: str
    names: tuple[str, ...]
    address: str
    ports: tuple[tuple[int, str], ...]
    env: tuple[str, ...]


def parse(text: str) -> tuple[str, str]:
    """`CONTAINER[:ALIAS]` as both, the name for its own alias; raises NetworkError."""
    name, colon, alias = text.partition(":")
    if not name or (colon and not alias) or ":" in alias:
        raise NetworkError(
            f"Invalid link {text!r}.", hint="It is CONTAINER or CONTAINER:ALIAS."
        )
    return name, endpoints.check_alias(alias or name)


def check(options: Options) -> None:
    """Raises NetworkError for links that mean nothing."""
    for text in options.links:
        parse(text)
    mode = options.network
    if options.links and not endpoints.is_networked(mode) and mode != endpoints.NONE:
        raise NetworkError(
            f"conflicting options: --network {mode.partition(':')[0]} does not go with "
            "links",
            hint="The container finds what that network finds.",
        )


def are_legacy(options: Options) -> bool:
    """Whether it has links, and they are those of the default network."""
    if not options.links or not endpoints.is_networked(options.network):
        return False
    return not endpoints.on_own_networks(options)


def resolved(root: str, options: Options) -> Options:
    """With the IDs of those that are linked to, which may get other names later.

    Raises NoSuchContainer, and NetworkError for one that is elsewhere.
    """
    if not are_legacy(options):
        return options
    found = []
    for name, alias in map(parse, options.links):
        identity = state.find(root, name)
        other = state.load_container(root, identity)
        if endpoints.BRIDGE not in endpoints.names_of(other.options):
            raise NetworkError(
                f"Cannot link to {name}, as it is not on the default network.",
                hint="Containers on the same network of one's own find each other by "
                "name.",
            )
        found.append(f"{identity}:{alias}")
    return replace(options, links=tuple(found))


def links(root: str, options: Options) -> tuple[Link, ...]:
    """The others, as they are now; raises NetworkError for one that does not run."""
    if not are_legacy(options):
        return ()
    return tuple(_link(root, *parse(text)) for text in options.links)


def _link(root: str, name: str, alias: str) -> Link:
    identity = state.find(root, name)
    other = state.load_container(root, identity)
    address = _address(root, identity)
    if not address:
        raise NetworkError(
            f"Cannot link to {other.name}, which does not run or has no network.",
            hint="Start it first; on a network of one's own it need not run.",
        )
    names = tuple(dict.fromkeys((alias, other.short, other.name)))
    return Link(identity, alias, names, address, _ports(other), other.config.env)


def _address(root: str, identity: str) -> str:
    """Where a container is on the default network; "" for one that is not."""
    found = state.see(root, identity).endpoints
    on_it = (one for one in found if one.name in ("", endpoints.BRIDGE))
    return next((one.address for one in on_it), "")


def _ports(container: Container) -> tuple[tuple[int, str], ...]:
    """What the container exposes, or publishes."""
    from lamina.runtime.network.ports import parse_port

    found = set()
    for text in container.config.exposed_ports:
        number, _, protocol = text.partition("/")
        if number.isdecimal():
            found.add((int(number), protocol or "tcp"))
    for text in container.options.publish:
        found |= {(one.container_port, one.protocol) for one in parse_port(text)}
    return tuple(sorted(found))


def host_lines(found: Iterable[Link]) -> tuple[tuple[str, str], ...]:
    """Names and address of each, for /etc/hosts."""
    return tuple((" ".join(link.names), link.address) for link in found)


def variables(found: Iterable[Link], name: str) -> tuple[str, ...]:
    """What the container `name` is told, as docker tells it."""
    return tuple(text for link in found for text in _told(link, name))


def _told(link: Link, name: str) -> Iterator[str]:
    prefix = link.alias.upper().replace("-", "_")
    if link.ports:
        yield f"{prefix}_PORT={_url(link, link.ports[0])}"
    for first, last in _ranges(link.ports):
        start = f"{prefix}_PORT_{first[0]}_{first[1].upper()}"
        yield f"{start}_START={_url(link, first)}"
        yield f"{start}_PORT_START={first[0]}"
        yield f"{start}_END={_url(link, last)}"
        yield f"{start}_PORT_END={last[0]}"
    for number, protocol in link.ports:
        port = f"{prefix}_PORT_{number}_{protocol.upper()}"
        yield f"{port}={_url(link, (number, protocol))}"
        yield f"{port}_ADDR={link.address}"
        yield f"{port}_PORT={number}"
        yield f"{port}_PROTO={protocol}"
    yield f"{prefix}_NAME=/{name}/{link.alias}"
    for text in link.env:
        if text.partition("=")[0] not in _OWN:
            yield f"{prefix}_ENV_{text}"


def _url(link: Link, port: tuple[int, str]) -> str:
    return f"{port[1]}://{link.address}:{port[0]}"


def _ranges(
    ports: tuple[tuple[int, str], ...],
) -> list[tuple[tuple[int, str], tuple[int, str]]]:
    """The first and the last of those that follow each other, of one protocol."""
    found = []
    for protocol in dict.fromkeys(protocol for _, protocol in ports):
        numbers = [number for number, of in ports if of == protocol]
        breaks = [at for at, (a, b) in enumerate(pairwise(numbers), 1) if b != a + 1]
        for start, end in pairwise((0, *breaks, len(numbers))):
            if end - start > 1:
                ends = (numbers[start], protocol), (numbers[end - 1], protocol)
                found.append(ends)
    return found


def started(root: str, container: Container, found: tuple[Link, ...]) -> Container:
    """The container with the variables of its links, which are noted for `exec`; the
    others know from now on who links to them."""
    for link in found:
        _note_linker(f"{state.directory(root, link.id)}/{LINKERS}", container.id)
    told = variables(found, container.name)
    if not told:
        return container
    place = f"{state.directory(root, container.id)}/{_FILE}"
    # The others' variables may be secrets.
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    with open(os.open(place, flags, 0o600), "wb") as file:
        file.write("\0".join(told).encode("utf-8", "surrogateescape"))
    return _informed(container, told)


def running(root: str, container: Container) -> Container:
    """The same later: as it was at the container's start."""
    if not are_legacy(container.options):
        return container
    try:
        with open(f"{state.directory(root, container.id)}/{_FILE}", "rb") as file:
            text = file.read().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return container
    return _informed(container, tuple(text.split("\0")))


def _informed(container: Container, told: tuple[str, ...]) -> Container:
    """What the user gave counts more."""
    from lamina.runtime.containers.process import merge_env

    env = merge_env(merge_env((), told), container.config.env)
    return replace(container, config=replace(container.config, env=env))


def _note_linker(path: str, identity: str) -> None:
    with open(path, "a+", encoding="ascii") as file:
        file.seek(0)
        if identity not in file.read().split():
            file.write(f"{identity}\n")


def readdress(root: str, container: Container) -> None:
    """Tell those that link to a container, and run, where it is after a new start: in
    /etc/hosts, as docker does; variables are of their own start."""
    from lamina.runtime.errors import NoSuchContainer

    address = _address(root, container.id)
    place = f"{state.directory(root, container.id)}/{LINKERS}"
    with open(place, encoding="ascii") as file:
        linkers = file.read().split()
    for identity in linkers if address else ():
        try:
            active = state.see(root, identity).is_active
        except NoSuchContainer:
            continue
        if active:
            hosts = f"{state.directory(root, identity)}/hosts"
            _rewrite(hosts, container.short, address)


def _rewrite(path: str, name: str, address: str) -> None:
    """Give the lines with a name another address, and leave all others: the container
    may have written some."""
    if os.stat(path).st_size > _LARGEST:
        return
    with open(path, errors="surrogateescape") as file:
        lines = file.read(_LARGEST).splitlines(keepends=True)
    changed = [
        f"{address}\t{line.split(maxsplit=1)[1]}" if name in line.split()[1:] else line
        for line in lines
    ]
    if changed != lines:
        # In place: the container has this very file.
        with open(path, "w", errors="surrogateescape") as file:
            file.write("".join(changed))
