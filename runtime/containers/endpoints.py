"""The networks of a container, as its options have them: `--network` and the like.

    default, bridge      the network that is there by itself
    none, host           no network; the host's
    container:ID         that of another container
    NAME                 a network of `lamina network create`

`Options.network` is the first of them. Where more is asked than the default network,
`Options.networks` has a text for each, in docker's long form of `--network`:

    name=app,alias=web,ip=10.202.0.9,ip6=fd00::9,mac-address=02:...,group=web

`group` is ours: those of one group share a virtual address (network/groups.py).
"""

from __future__ import annotations

import _socket

from lamina.runtime.containers.options import HOST
from lamina.runtime.errors import NetworkError
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.containers.options import Options
    from lamina.runtime.containers.state import Container
    from lamina.runtime.network.endpoint import Wanted

DEFAULT, BRIDGE, NONE = "default", "bridge", "none"
_OTHER = "container:"
_HEX = frozenset("0123456789abcdef")
_GROUP = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
_LONGEST_GROUP = 63
_KEYS = ("name", "alias", "ip", "ip6", "mac-address", "group")
# Docker's, which mean nothing here or are so anyway.
_IGNORED = ("driver-opt", "link-local-ip", "gw-priority")


@value
class Settings:
    """What a container asks of one network."""

    network: str
    aliases: tuple[str, ...] = ()
    ip: str = ""
    ip6: str = ""
    mac: str = ""
    group: str = ""

    def text(self) -> str:
        """As `parse` reads it."""
        fields = [f"name={self.network}"]
        fields += [f"alias={alias}" for alias in self.aliases]
        named = (
            *(("ip", self.ip), ("ip6", self.ip6), ("mac-address", self.mac)),
            ("group", self.group),
        )
        fields += [f"{key}={given}" for key, given in named if given]
        return ",".join(fields)


def parse(text: str) -> Settings:
    """`NAME`, or the long form; raises NetworkError."""
    if "=" not in text:
        return Settings(_plain(text))
    fields: dict[str, str] = {}
    aliases = []
    for part in text.split(","):
        key, equals, given = part.partition("=")
        if key == "alias" and given:
            aliases.append(check_alias(given))
        elif key in _KEYS and equals and given and key not in fields:
            fields[key] = given
        elif key not in _IGNORED:
            raise NetworkError(
                f"Invalid field {part!r} of the network {text!r}.",
                hint=", ".join(f"{key}=" for key in _KEYS),
            )
    return Settings(
        _plain(fields.get("name", "")),
        tuple(aliases),
        check_address(fields.get("ip", ""), 4),
        check_address(fields.get("ip6", ""), 6),
        check_mac(fields.get("mac-address", "")),
        check_group(fields.get("group", "")),
    )


def _plain(name: str) -> str:
    if not name:
        raise NetworkError("A network has a name.", hint="`lamina network ls`.")
    return BRIDGE if name == DEFAULT else name


def check_alias(text: str) -> str:
    """A name that a container may have on a network; raises NetworkError."""
    if not text or len(text) > 253 or any(c.isspace() or c in ",\0" for c in text):
        raise NetworkError(f"{text!r} is no name for a container on a network.")
    return text


def check_group(text: str) -> str:
    """A name that a group may have, or ""; raises NetworkError."""
    if not _GROUP.issuperset(text) or text[:1] == "." or len(text) > _LONGEST_GROUP:
        raise NetworkError(
            f"{text!r} is no name for a group of containers.",
            hint=f"It is of [a-zA-Z0-9_.-], {_LONGEST_GROUP} at most, and begins with "
            "no dot.",
        )
    return text


def check_address(text: str, version: int) -> str:
    """An address in its usual form; raises NetworkError."""
    if not text:
        return ""
    family = _socket.AF_INET6 if version == 6 else _socket.AF_INET
    try:
        return _socket.inet_ntop(family, _socket.inet_pton(family, text))
    except (OSError, UnicodeEncodeError):
        raise NetworkError(f"{text!r} is no IPv{version} address.") from None


def check_mac(text: str) -> str:
    """A MAC address of one station; raises NetworkError."""
    parts = text.lower().replace("-", ":").split(":")
    digits = all(len(part) == 2 and _HEX.issuperset(part) for part in parts)
    if text and (len(parts) != 6 or not digits or int(parts[0], 16) & 1):
        raise NetworkError(
            f"{text!r} is no MAC address for a container.",
            hint="As in 02:42:ac:11:00:02.",
        )
    return ":".join(parts) if text else ""


def check_server(text: str) -> str:
    """The address of a name server; raises NetworkError."""
    for version in (4, 6):
        try:
            return check_address(text, version)
        except NetworkError:
            continue
    raise NetworkError(f"{text!r} is no address of a name server.", hint="--dns IP.")


def other_container(mode: str) -> str:
    """The container of `container:ID`, or ""."""
    return mode.removeprefix(_OTHER) if mode.startswith(_OTHER) else ""


def is_networked(mode: str) -> bool:
    """Whether the container has a network of its own with others on it."""
    return mode not in (NONE, HOST) and not other_container(mode)


def settings_of(options: Options) -> tuple[Settings, ...]:
    """What is asked of each network, in the order of the interfaces."""
    if not is_networked(options.network):
        return ()
    return tuple(map(parse, options.networks)) or (Settings(BRIDGE),)


def names_of(options: Options) -> tuple[str, ...]:
    """The names of a container's networks, as people call them."""
    if is_networked(options.network):
        return tuple(settings.network for settings in settings_of(options))
    return () if other_container(options.network) else (options.network,)


def on_own_networks(options: Options) -> bool:
    """Whether one of them is a network of `lamina network create`."""
    return any(one.network != BRIDGE for one in settings_of(options))


def place_of(root: str, name: str) -> str:
    """The state directory of a network, which is ready to be joined after this."""
    from lamina.runtime.network import definitions, layout
    from lamina.runtime.network.network_state import STATE_DIR

    if name == BRIDGE:
        return STATE_DIR
    found = definitions.load(root, name)
    if layout.read(found.place) is None:
        # The machine was started anew since it was made.
        from lamina.runtime.network import making

        making.restore(root, found)
    return found.place


def wanted(container: Container, settings: Settings, interface: str) -> Wanted:
    """What is asked for the container's endpoint on one of its networks."""
    from lamina.runtime.network.endpoint import Wanted

    own = settings.network != BRIDGE
    hostname = container.options.hostname
    names = (container.name, *settings.aliases, container.short, hostname)
    return Wanted(
        settings.network,
        settings.ip,
        settings.ip6,
        settings.mac,
        tuple(dict.fromkeys(filter(None, names))) if own else (container.name,),
        interface,
        settings.group,
        settings.aliases if settings.group else (),
    )


def check(options: Options) -> None:
    """Raises NetworkError for what means nothing, or does not go together."""
    for server in options.dns:
        check_server(server)
    if not is_networked(options.network):
        what = options.network.partition(":")[0]
        if len(options.networks) > 1:
            raise NetworkError(f"--network {what} does not go with other networks.")
        if options.networks:
            raise NetworkError(
                f"With --network {what} nothing has names or addresses to give.",
                hint="Aliases and addresses are for networks of `network create`.",
            )
        if other_container(options.network) and (options.publish or options.hostname):
            raise NetworkError(
                "conflicting options: ports and a host name are those of the other "
                "container, whose network is joined"
            )
        return
    found = settings_of(options)
    names = [settings.network for settings in found]
    if len(set(names)) < len(names):
        raise NetworkError(f"The network {names[0]} is given twice.")
    for settings in found:
        if settings.network in (NONE, HOST) or other_container(settings.network):
            raise NetworkError(
                f"--network {settings.network} does not go with other networks."
            )
        asked = settings.aliases or settings.ip or settings.ip6 or settings.group
        if settings.network == BRIDGE and asked:
            raise NetworkError(
                "Names and addresses are supported on user-defined networks only.",
                hint="`lamina network create app`, and then `--network app`.",
            )


def check_rootless(options: Options) -> None:
    """Raises NetworkError for what an ordinary user's container cannot have."""
    if any(settings.network == BRIDGE for settings in settings_of(options)):
        raise NetworkError(
            "An ordinary user's default network does not go together with others.",
            hint="Networks of `network create` have a way out, too.",
        )
