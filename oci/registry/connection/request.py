"""Request: what is sent, whom it is sent to by TLS, and by way of which proxy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import BinaryIO

from lamina.oci.registry.connection.address import is_exempt, origin, shown
from lamina.values import EMPTY, value


@value
class Tls:
    """Whom to trust: the system's authorities, those in `authorities` (files) too;
    `client` is a certificate and its key, `verify` false takes any server."""

    authorities: tuple[str, ...] = ()
    client: tuple[str, str] | None = None
    verify: bool = True


@value
class Body:
    """A request's body that can be sent again: `open` gives a new stream of it."""

    open: Callable[[], BinaryIO]
    size: int


@value
class Request:
    method: str
    url: str
    headers: Mapping[str, str] = EMPTY
    body: bytes | Body | None = None

    def __repr__(self) -> str:
        return f"Request({self.method} {shown(self.url)})"


@value
class Proxies:
    """Proxies by scheme ("" is none), and who is reached without."""

    http: str = ""
    https: str = ""
    exempt: str = ""

    def choose(self, url: str) -> str:
        """The proxy for `url`, or ""."""
        scheme, host, port = origin(url)
        proxy = self.https if scheme == "https" else self.http
        return "" if not proxy or is_exempt(host, port, self.exempt) else proxy

    def __repr__(self) -> str:
        return "Proxies(...)"
