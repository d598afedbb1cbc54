"""The files that give a container names: resolv.conf, hosts, hostname.

As Docker writes them (moby, libnetwork/resolvconf and libnetwork/etchosts).
"""

from __future__ import annotations

import _socket

from lamina.runtime.errors import NetworkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_FALLBACK = ("8.8.8.8", "8.8.4.4")
_SYSTEMD_STUB = "127.0.0.53"
_LOCAL_NAMES = (
    ("127.0.0.1", "localhost"),
    ("::1", "localhost ip6-localhost ip6-loopback"),
    ("fe00::", "ip6-localnet"),
    ("ff00::", "ip6-mcastprefix"),
    ("ff02::1", "ip6-allnodes"),
    ("ff02::2", "ip6-allrouters"),
)


def host_resolv_conf(
    path: str = "/etc/resolv.conf", behind: str = "/run/systemd/resolve/resolv.conf"
) -> str:
    """The host's resolv.conf; `behind` systemd-resolved's stub the real one."""
    text = read_text(path)
    servers = _nameservers(text)
    if servers and all(server == _SYSTEMD_STUB for server in servers):
        return read_text(behind) or text
    return text


def resolv_conf(host_text: str, nameservers: tuple[str, ...] = ()) -> str:
    """A container's resolv.conf from the host's.

    Name servers on the host's loopback are left out, for they cannot be reached from
    another network namespace; IPv6 ones too, as the network has none. When none is
    left, `nameservers` are taken, else public ones, as Docker does.
    """
    kept = []
    usable = False
    for line in host_text.splitlines():
        words = line.split()
        if words[:1] == ["nameserver"]:
            if len(words) < 2 or not _reachable(words[1]):
                continue
            usable = True
        kept.append(line)
    if not usable:
        kept += [f"nameserver {server}" for server in nameservers or _FALLBACK]
    return "\n".join(kept) + "\n"


def with_options(
    text: str,
    servers: tuple[str, ...],
    search: tuple[str, ...],
    options: tuple[str, ...],
) -> str:
    """A resolv.conf with what is given instead of what it says of it."""
    replaced = {
        "nameserver": [f"nameserver {server}" for server in servers],
        "search": ["search " + " ".join(search)] if search not in ((), (".",)) else [],
        "options": ["options " + " ".join(options)] if options else [],
    }
    given = {"nameserver": servers, "search": search, "options": options}
    lines = [line for line in text.splitlines() if not given.get(line.split(" ")[0])]
    lines += [line for new in replaced.values() for line in new]
    return "\n".join(lines) + "\n"


def hosts(
    name: str, addresses: Iterable[str], extra: Iterable[tuple[str, str]] = ()
) -> str:
    """A container's hosts file: the usual names, `extra` (name, address), and its own
    `name`, the first part of which names it too."""
    lines = [f"{where}\t{names}" for where, names in _LOCAL_NAMES]
    lines += [f"{where}\t{names}" for names, where in extra]
    if name:
        short, dot, _ = name.partition(".")
        names = f"{name} {short}" if dot else name
        lines += [f"{address}\t{names}" for address in addresses if address]
    return "\n".join(lines) + "\n"


def host_nameservers() -> tuple[str, ...]:
    """The name servers that the host asks, or public ones."""
    found = _nameservers(host_resolv_conf())
    # An address of one's own link has that link's name behind it.
    real = (server for server in found if _family(server.partition("%")[0]))
    return tuple(real) or _FALLBACK


def with_resolver(text: str, server: str, options: tuple[str, ...]) -> str:
    """A resolv.conf that has `server` asked instead, for bare names too."""
    lines = [line for line in text.splitlines() if not line.startswith("nameserver")]
    asked = " ".join((*options, *(line for line in lines if line[:7] == "options")))
    if "ndots:" not in asked:
        lines.append("options ndots:0")
    return "\n".join((f"nameserver {server}", *lines)) + "\n"


def hostname(name: str) -> str:
    """A container's hostname file."""
    return f"{name}\n"


def parse_host(text: str, gateway: str = "") -> tuple[str, str]:
    """`NAME:ADDRESS` or `NAME=ADDRESS` of `--add-host`, as (name, address).

    The address `host-gateway` stands for the host. Raises NetworkError.
    """
    colon, equals = text.find(":"), text.find("=")
    cut = equals if equals > 0 and (colon < 0 or equals < colon) else colon
    name, address = text[:cut].strip(), text[cut + 1 :].strip()
    if address == "host-gateway" and gateway:
        address = gateway
    if cut <= 0 or not name or _family(address.strip("[]")) is None:
        raise NetworkError(
            f"Cannot add the host {text!r}: it is not NAME:ADDRESS.",
            hint="Such as --add-host db:10.0.0.5 or --add-host host:host-gateway.",
        )
    return name, address.strip("[]")


def _nameservers(text: str) -> list[str]:
    rows = [line.split() for line in text.splitlines()]
    return [row[1] for row in rows if len(row) > 1 and row[0] == "nameserver"]


def _reachable(server: str) -> bool:
    return _family(server) == _socket.AF_INET and not server.startswith("127.")


def _family(address: str) -> int | None:
    for family in (_socket.AF_INET, _socket.AF_INET6):
        try:
            _socket.inet_pton(family, address)
        except (OSError, UnicodeEncodeError):
            continue
        return int(family)
    return None


def read_text(path: str) -> str:
    """The file, or "" when there is none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
