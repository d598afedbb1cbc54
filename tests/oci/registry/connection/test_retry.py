"""oci.registry.connection.retry: how long is waited, and for whom."""

from __future__ import annotations

import threading

import pytest

from lamina.oci.registry.connection.retry import Patience, persistently, retry_after
from lamina.oci.registry.errors import Refused, RegistryError, Unreachable
from lamina.oci.threads import Stop, Stopped


class Clock:
    """Notes the pauses that were made."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def _sleep(self, _stop: Stop, seconds: float) -> None:
        self.pauses.append(seconds)

    def patience(self, jitter: float) -> Patience:
        return Patience(sleep=self._sleep, random=lambda: jitter)


def failing(error: RegistryError, times: int) -> tuple[list[int], object]:
    tries: list[int] = []

    def work() -> str:
        tries.append(len(tries))
        if len(tries) <= times:
            raise error
        return "done"

    return tries, work


@pytest.mark.parametrize(("jitter", "first"), [(0.0, 0.25), (1.0, 0.5)])
def test_pauses_grow(jitter: float, first: float) -> None:
    clock = Clock()
    _, work = failing(Unreachable("gone"), 4)
    assert persistently(work, clock.patience(jitter)) == "done"  # type: ignore[arg-type]
    assert clock.pauses == [first, first * 2, first * 4, first * 8]


def test_at_last_the_error_is_told() -> None:
    clock = Clock()
    tries, work = failing(Unreachable("gone"), 99)
    with pytest.raises(Unreachable):
        persistently(work, clock.patience(0))  # type: ignore[arg-type]
    assert len(tries) == 6


def test_what_does_not_pass_is_not_tried_again() -> None:
    tries, work = failing(Refused("no"), 99)
    with pytest.raises(Refused):
        persistently(work, Clock().patience(0))  # type: ignore[arg-type]
    assert len(tries) == 1


def test_a_server_says_how_long() -> None:
    clock = Clock()
    error = Unreachable("busy")
    error.after = 7.0
    _, work = failing(error, 1)
    persistently(work, clock.patience(0))  # type: ignore[arg-type]
    assert clock.pauses == [7.0]


def test_but_nobody_waits_for_an_hour() -> None:
    error = Unreachable("busy")
    error.after = 3600.0
    tries, work = failing(error, 1)
    with pytest.raises(Unreachable):
        persistently(work, Clock().patience(0))  # type: ignore[arg-type]
    assert len(tries) == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", None),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("-7", None),
        ("soon", None),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 60.0),
        ("Thu, 01 Jan 1970 00:00:10 GMT", 0.0),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    assert retry_after(text, now=40.0) == seconds


def test_a_pause_ends_with_the_work() -> None:
    """Nobody sits out a pause of an hour after Ctrl-C."""
    stop = Stop()
    patience = Patience(first=3600.0, longest=3600.0)
    tries, work = failing(Unreachable("down"), 9)
    threading.Timer(0.05, stop.set).start()
    with pytest.raises(Stopped):
        persistently(work, patience, stop)  # type: ignore[arg-type]
    assert len(tries) == 1
    with pytest.raises(Stopped):
        persistently(work, patience, stop)  # type: ignore[arg-type]
