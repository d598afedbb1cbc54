"""Overlay: a page on a published port, in the place of pages; all else is passed on.

A browser that opens a page (GET, and text/html is accepted) is told what is wrong, and
asks again each second. All else still goes to the container that serves, if one does.
"""

from __future__ import annotations

import _socket
import html
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.network.forwarder import Forwarder

_CHUNK = 1 << 14
_MOST_HEAD = 1 << 15
_HEAD = (
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html; charset=utf-8\r\n"
    "Cache-Control: no-store\r\nConnection: close\r\nContent-Length: {}\r\n\r\n"
)
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="1">
<meta name="color-scheme" content="light dark"><title>{title}</title>
<body style="font: 1em/1.5 sans-serif; margin: 3em auto; max-width: 60em">
<h1 style="color: #d33">{title}</h1>
<pre style="white-space: pre-wrap; font-size: 0.9em">{text}</pre>
<p>This page goes away by itself with the next save that works.</p>
</body></html>
"""


def error_page(title: str, text: str) -> bytes:
    """A page that says what is wrong, as an answer of HTTP."""
    page = _PAGE.format(title=html.escape(title), text=html.escape(text)).encode()
    return _HEAD.format(len(page)).encode() + page


def wants_page(head: bytes) -> bool:
    """Whether this request is a browser's, that opens a page."""
    lines = head.lower().split(b"\r\n")
    return lines[0].startswith(b"get ") and any(
        line.startswith(b"accept:") and b"text/html" in line for line in lines
    )


class Overlay:
    """Looks at connections of a Forwarder. Without `passes` nothing is there to pass
    anything on to, and everybody gets the page."""

    def __init__(self, forwarder: Forwarder, page: bytes, passes: bool) -> None:
        self._forwarder = forwarder
        self._page = page
        self._passes = passes

    def __call__(self, near: _socket.socket, target: tuple[str, int]) -> None:
        said = bytearray()

        def read(_events: int) -> None:
            try:
                data = near.recv(_CHUNK)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            said.extend(data)
            whole = b"\r\n\r\n" in said or len(said) > _MOST_HEAD
            # What does not begin like such a request is none.
            other = not b"GET ".startswith(said[:4].upper())
            if data and not whole and not (other and self._passes):
                return
            self._forwarder.watch(near.fileno(), 0, read)
            self._answer(near, target, bytes(said))

        self._forwarder.watch(near.fileno(), select.EPOLLIN, read)

    def _answer(
        self, near: _socket.socket, target: tuple[str, int], said: bytes
    ) -> None:
        if not said:
            near.close()
        elif self._passes and not wants_page(said):
            self._forwarder.pass_on(near, target, said)
        else:
            try:
                near.send(self._page)
                near.shutdown(_socket.SHUT_WR)
            except OSError:
                pass
            near.close()
