"""Transport: the door to urllib3. One exchange at a time, and no more.

Redirects, retries, credentials and cookies are decided above; here is what HTTP needs
below: connections that are kept and shared, TLS, proxies, time limits, and errors as
sentences.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlsplit, urlunsplit

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    InsecureRequestWarning,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from lamina import __version__
from lamina.oci.registry.connection.address import origin, shown
from lamina.oci.registry.connection.exchange import NOW, Exchange
from lamina.oci.registry.connection.headers import number
from lamina.oci.registry.connection.pools import POOLS
from lamina.oci.registry.connection.request import Body, Proxies, Request, Tls
from lamina.oci.registry.errors import NoTls, RegistryError, Unreachable, Untrusted
from lamina.oci.threads import NEVER, Stop
from lamina.oci.tls import system_context

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

# Seconds to a connection, and between two pieces of an answer.
_CONNECT = 15.0
_READ = 60.0
_BLOCK = 1 << 18
_CONNECTIONS = 16
# What is read to keep a connection rather than making another one.
_DRAINED = 64 << 10


class Response:
    """An answer whose body is still to be read; to be closed by whoever has it."""

    def __init__(
        self, inner: BaseHTTPResponse, request: Request, exchange: Exchange
    ) -> None:
        self.status = inner.status
        self.headers: Mapping[str, str] = inner.headers
        self.url = request.url
        self._inner = inner
        self._exchange = exchange

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, none at the end; raises Unreachable when cut, and
        Stopped."""
        try:
            return self._inner.read(size, decode_content=False)
        except (HTTPError, OSError) as error:
            self._exchange.check()
            raise _translated(error, self.url) from error

    @property
    def length(self) -> int | None:
        """What Content-Length says, where it says anything."""
        return number(self.headers.get("Content-Length", ""))

    def close(self) -> None:
        """Give the connection back when little of the body is left, else end it."""
        self._exchange.close()
        left = getattr(self._inner, "length_remaining", None)
        if left is not None and left <= _DRAINED:
            self._inner.drain_conn()
            self._inner.release_conn()
        else:
            self._inner.close()


class Transport:
    """Connections to all hosts, shared by threads."""

    def __init__(self, proxies: Proxies = Proxies()) -> None:  # noqa: B008
        self._proxies = proxies
        self._pools: dict[tuple[Tls, str], PoolManager] = {}
        self._lock = threading.Lock()

    def send(self, request: Request, tls: Tls, stop: Stop = NEVER) -> Response:
        """Send one request; whatever the status, that is the answer.

        Raises Unreachable when there is none, and Stopped at `stop`, which also ends
        the reading of the answer's body.
        """
        pool = self._pool(tls, self._proxies.choose(request.url))
        headers = {
            "User-Agent": f"lamina/{__version__}",
            "Accept-Encoding": "identity",
            **request.headers,
        }
        body: bytes | BinaryIO | None
        stream = None
        if isinstance(request.body, Body):
            headers["Content-Length"] = str(request.body.size)
            body = stream = request.body.open()
        else:
            body = request.body
        exchange = Exchange(stop)
        NOW.exchange = exchange
        try:
            inner = pool.request(
                request.method,
                request.url,
                body=body,
                headers=headers,
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
        except BaseException as error:
            exchange.close()
            exchange.check()
            if isinstance(error, (HTTPError, OSError, ssl.SSLError)):
                raise _translated(error, request.url) from error
            raise
        finally:
            NOW.exchange = None
            if stream is not None:
                stream.close()
        return Response(inner, request, exchange)

    def close(self) -> None:
        """End all connections."""
        with self._lock:
            for pool in self._pools.values():
                pool.clear()
            self._pools.clear()

    def _pool(self, tls: Tls, proxy: str) -> PoolManager:
        with self._lock:
            if (tls, proxy) not in self._pools:
                self._pools[tls, proxy] = _manager(tls, proxy)
            return self._pools[tls, proxy]


def _manager(tls: Tls, proxy: str) -> PoolManager:
    context, timeout = _context(tls), urllib3.Timeout(connect=_CONNECT, read=_READ)
    manager: PoolManager
    if not proxy:
        manager = urllib3.PoolManager(
            maxsize=_CONNECTIONS, timeout=timeout, ssl_context=context, blocksize=_BLOCK
        )
    else:
        address, headers = _proxy(proxy)
        manager = urllib3.ProxyManager(
            address,
            proxy_headers=headers,
            # A proxy is not the registry: what was said of that one's TLS is not its.
            proxy_ssl_context=_context(Tls()),
            maxsize=_CONNECTIONS,
            timeout=timeout,
            ssl_context=context,
            blocksize=_BLOCK,
        )
    manager.pool_classes_by_scheme = POOLS
    return manager


def _context(tls: Tls) -> ssl.SSLContext:
    context = system_context()
    try:
        for path in tls.authorities:
            context.load_verify_locations(path)
        if tls.client is not None:
            context.load_cert_chain(*tls.client)
    except (OSError, ssl.SSLError) as error:
        files = (*tls.authorities, *(tls.client or ()))
        raise RegistryError(
            f"A certificate of {', '.join(files)} cannot be read: {error.strerror}."
        ) from error
    if not tls.verify:
        # Who wrote that into registries.toml need not be told at every request.
        urllib3.disable_warnings(InsecureRequestWarning)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _proxy(given: str) -> tuple[str, dict[str, str]]:
    """A proxy's address without its user, who goes into a header."""
    from urllib.parse import unquote

    parts = urlsplit(given if "://" in given else f"http://{given}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RegistryError(f"{shown(given)!r} is not the address of a proxy.")
    headers: dict[str, str] = {}
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers = urllib3.make_headers(proxy_basic_auth=pair)
    authority = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, authority, "", "", "")), headers


def _translated(error: Exception, url: str) -> RegistryError:
    _, host, port = origin(url)
    where = f"{host}:{port}"
    if isinstance(error, ProxyError):
        if reason := _untrusted(str(error.original_error)):
            return Untrusted(
                f"The proxy on the way to {where} is not trusted: {reason}.",
                hint="Have this machine trust its authority (update-ca-certificates).",
            )
        return Unreachable(
            f"The proxy on the way to {where} cannot be reached.",
            hint="Look at HTTPS_PROXY, HTTP_PROXY and NO_PROXY.",
        )
    if isinstance(error, (SSLError, ssl.SSLError)):
        return _tls_error(str(error), where)
    if isinstance(error, NewConnectionError):
        return _no_connection(error, where)
    if isinstance(error, ConnectTimeoutError):
        return Unreachable(f"{where} did not answer within {_CONNECT:.0f} s.")
    if isinstance(error, (ReadTimeoutError, TimeoutError)):
        return Unreachable(f"{where} went silent for {_READ:.0f} s.")
    return Unreachable(f"The connection to {where} broke off.")


def _no_connection(error: NewConnectionError, where: str) -> Unreachable:
    if isinstance(error, NameResolutionError):
        found = Unreachable(
            f"The name {where.rpartition(':')[0]!r} is not known.",
            hint="Look for a typing error, or at the network and its name server.",
        )
    else:
        reason = str(error).rpartition("] ")[2] or "no connection"
        found = Unreachable(f"{where} cannot be reached: {reason}.")
    found.brief = True
    return found


def _tls_error(text: str, where: str) -> RegistryError:
    # OpenSSL has no code of its own for this that Python would hand on.
    if (
        "WRONG_VERSION_NUMBER" in text
        or "HTTP_REQUEST" in text
        or "record layer" in text
    ):
        return NoTls(
            f"{where} does not speak TLS.",
            hint="If plain HTTP is meant, say so in registries.toml: `http = true`.",
        )
    if reason := _untrusted(text):
        return Untrusted(
            f"The certificate of {where} is not trusted: {reason}.",
            hint="Name its authority in registries.toml (`ca = FILE`), or put it into "
            f"/etc/docker/certs.d/{where}/ca.crt.",
        )
    return Unreachable(f"TLS with {where} failed.")


def _untrusted(text: str) -> str:
    """What is wrong with a certificate, "" where it is none that is."""
    if "CERTIFICATE_VERIFY_FAILED" not in text:
        return ""
    reason = text.partition("verify failed: ")[2].partition(" (_ssl")[0]
    return reason or "its certificate cannot be verified"
