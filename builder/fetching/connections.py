"""Connections of the web that can be ended from another thread.

A thread that waits for a slow server sees neither Ctrl-C nor that another step failed;
its socket can be shut down under it.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPResponse
    from typing import Any
    from urllib.request import BaseHandler, Request


class Connections:
    """The connections that its `handlers` (of urllib) open."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._aborted = False
        self._open: list[socket.socket] = []

    def abort(self) -> None:
        """Shut all of them down, and those that are made from now on."""
        with self._lock:
            self._aborted = True
            for connected in self._open:
                _shut(connected)

    def handlers(self) -> tuple[BaseHandler, ...]:
        """What opens http and https for a urllib opener, wherever they redirect."""
        from http import client
        from urllib import request

        from lamina.oci.tls import system_context

        made = self._made

        class Redirects(request.HTTPRedirectHandler):
            def redirect_request(self, *given: Any) -> Request | None:
                """Who asks a proxy is not told to where it redirects: that may be
                reached without one."""
                found = super().redirect_request(*given)
                if found is not None:
                    found.remove_header("Proxy-authorization")
                return found

        class Plain(request.HTTPHandler):
            def http_open(self, req: Request) -> HTTPResponse:
                opened: Any = self.do_open(made(client.HTTPConnection), req)
                return opened  # type: ignore[no-any-return]

        class Secure(request.HTTPSHandler):
            def https_open(self, req: Request) -> HTTPResponse:
                kind: Any = made(client.HTTPSConnection)
                opened: Any = self.do_open(kind, req, context=system_context())
                return opened  # type: ignore[no-any-return]

        return Plain(), Secure(), Redirects()

    def _made(self, kind: type[HTTPConnection]) -> type[HTTPConnection]:
        """The kind of connection that says when it is connected."""
        connected = self._connected

        class Noted(kind):  # type: ignore[misc, valid-type]
            def connect(self) -> None:
                super().connect()
                connected(self.sock)

        return Noted

    def _connected(self, made: socket.socket) -> None:
        with self._lock:
            self._open = [known for known in self._open if known.fileno() >= 0]
            self._open.append(made)
            if self._aborted:
                _shut(made)


def _shut(connected: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)
