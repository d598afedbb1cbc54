"""Clients that ask a server again and again, and count what fails."""

from __future__ import annotations

import http.client
import threading
from types import TracebackType

TIMEOUT = 30.0


def ask(port: int, path: str = "/", address: str = "127.0.0.1") -> str:
    """What a server answers; raises OSError or HTTPException."""
    connection = http.client.HTTPConnection(address, port, timeout=TIMEOUT)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read().decode()
        if answer.status != 200:
            raise http.client.HTTPException(f"{answer.status} {body}")
        return body
    finally:
        connection.close()


class Hammer:
    """Asks from several threads for as long as the block lasts."""

    def __init__(self, port: int, addresses: tuple[str, ...] = ("127.0.0.1",)) -> None:
        self._port = port
        self._over = threading.Event()
        self.answers: list[str] = []
        self.failures: list[str] = []
        self._threads = [
            threading.Thread(target=self._ask, args=(address,)) for address in addresses
        ]

    def __enter__(self) -> Hammer:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, address: str) -> None:
        while not self._over.is_set():
            try:
                self.answers.append(ask(self._port, address=address))
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(f"{address}: {error!r}")
