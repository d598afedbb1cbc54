"""Addresses: where a URL leads, and how much of it may be shown."""

from __future__ import annotations

import ipaddress
from urllib.parse import urljoin, urlsplit, urlunsplit

_PORTS = {"http": 80, "https": 443}


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port: what credentials are bound to (RFC 6454)."""
    parts = urlsplit(url)
    port = parts.port if parts.port is not None else _PORTS.get(parts.scheme, 0)
    return parts.scheme, (parts.hostname or "").lower(), port


def is_web(url: str) -> bool:
    """Whether this is an address of http or https, with a host and a sound port."""
    try:
        scheme, host, port = origin(url)
    except ValueError:
        return False
    return scheme in _PORTS and bool(host) and 0 < port < 65536


def joined(base: str, target: str) -> str:
    """Where `target`, an address or a part of one, leads from `base`; "" if nowhere."""
    try:
        return urljoin(base, target)
    except ValueError:
        return ""


def on_host_of(url: str, target: str) -> str:
    """The path and query of `target` on the host of `url`."""
    host, wanted = urlsplit(url), urlsplit(target)
    return urlunsplit((host.scheme, host.netloc, wanted.path, wanted.query, ""))


def leaves_tls(url: str, target: str) -> bool:
    """Whether who follows `url` to `target` is in the open, who was not before."""
    scheme, host, _ = origin(target)
    return scheme == "http" and origin(url)[0] == "https" and not is_loopback(host)


def shown(url: str) -> str:
    """The address without user, password and query, which may be secrets."""
    parts = urlsplit(url)
    authority = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{authority}{parts.path}"


def authority(url: str) -> str:
    """The host and, where it is written, the port."""
    return urlsplit(url).netloc.rpartition("@")[2]


def is_loopback(host: str) -> bool:
    """Whether `host[:port]` never leaves this machine."""
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_exempt(host: str, port: int, no_proxy: str) -> bool:
    """Whether `no_proxy` exempts a host: names, `.suffixes`, addresses, networks, `*`.

    As Go reads it (golang.org/x/net/http/httpproxy): a name holds for its subdomains,
    and loopback is always exempt.
    """
    if is_loopback(f"[{host}]" if ":" in host else host):
        return True
    for entry in no_proxy.split(","):
        wanted = entry.strip().lower()
        if wanted == "*":
            return True
        if wanted and _matches(host.lower(), port, wanted):
            return True
    return False


def _matches(host: str, port: int, wanted: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(wanted, strict=False)
    except ValueError:
        pass
    name, colon, number = wanted.rpartition(":")
    if colon and number.isdigit():
        if int(number) != port:
            return False
        wanted = name
    wanted = wanted.removeprefix("*")
    if wanted.startswith("."):
        return host.endswith(wanted)
    return host == wanted or host.endswith(f".{wanted}")
