"""Exchange: a request and its answer, ended by a Stop wherever they are.

A thread that waits for a server is woken by the end of its connection; which that is,
the connection says itself when it is used, since the HTTP library chooses it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading

from lamina.oci.threads import Stop


class Exchange:
    """One request and its answer, until `close` or `stop`; raises Stopped."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._lock = threading.Lock()
        self._socket: int | None = None
        stop.add(self._end)

    def connected(self, host: str, port: int, seconds: float | None) -> socket.socket:
        """A new connection, by the first of the host's addresses that takes one.

        Raises OSError, and Stopped.
        """
        failure = OSError("the name has no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        ):
            made = socket.socket(family, kind, protocol)
            try:
                made.settimeout(seconds)
                self.over(made)
                made.connect(address)
                return made
            except OSError as error:
                made.close()
                self.check()
                failure = error
            except BaseException:
                made.close()
                raise
        raise failure

    def over(self, connected: socket.socket) -> None:
        """It goes over this connection from now on; raises Stopped."""
        with self._lock:
            self._stop.check()
            self._close()
            # One of our own: the other may be closed, and its number given away.
            self._socket = os.dup(connected.fileno())

    def check(self) -> None:
        """Raise Stopped when that is why the connection broke."""
        self._stop.check()

    def close(self) -> None:
        """It is over."""
        self._stop.discard(self._end)
        with self._lock:
            self._close()

    def _end(self) -> None:
        with self._lock:
            if self._socket is not None:
                with (
                    contextlib.suppress(OSError),
                    socket.socket(fileno=self._socket) as ours,
                ):
                    ours.shutdown(socket.SHUT_RDWR)
                self._socket = None

    def _close(self) -> None:
        if self._socket is not None:
            os.close(self._socket)
            self._socket = None


class Now(threading.local):
    """What this thread is just sending: urllib3 makes the connections for it."""

    exchange: Exchange | None = None


NOW = Now()
