"""Pools: urllib3's, of connections that an exchange can end at any moment.

From before it connects until its answer is read, a connection is known to the exchange
that it serves; urllib3 chooses and makes connections in the thread that asks.
"""

from __future__ import annotations

import socket
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    NameResolutionError,
    NewConnectionError,
)

from lamina.oci.registry.connection.exchange import NOW


class _Ended(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        """As urllib3's, with its errors."""
        exchange = NOW.exchange
        if exchange is None:
            return super()._new_conn()
        limit = self.timeout if isinstance(self.timeout, int | float) else None
        try:
            made = exchange.connected(self._dns_host, self.port, limit)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"{self.host} timed out") from error
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error
        for option in self.socket_options or ():
            made.setsockopt(*option)
        return made

    def request(self, *given: Any, **named: Any) -> None:
        if self.sock is None:
            self.connect()
        if NOW.exchange is not None and self.sock is not None:
            NOW.exchange.over(self.sock)
        super().request(*given, **named)


class _Plain(_Ended):
    pass


class _Secure(_Ended, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


POOLS = {"http": _PlainPool, "https": _SecurePool}
