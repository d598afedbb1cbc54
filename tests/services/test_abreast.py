"""Several things at once."""

from __future__ import annotations

import threading

import pytest

from lamina.services.abreast import abreast


def test_all_are_done_at_once() -> None:
    together = threading.Barrier(3, timeout=10)
    abreast([lambda: (together.wait(), None)[1]] * 3)


def test_one_at_a_time_if_so_asked() -> None:
    running, most = [0], [0]

    def call() -> None:
        running[0] += 1
        most[0] = max(most[0], running[0])
        running[0] -= 1

    abreast([call] * 5, most=1)
    assert most == [1]


def test_an_error_is_raised_once_all_have_ended() -> None:
    together, ended = threading.Barrier(2, timeout=10), threading.Event()

    def fail() -> None:
        together.wait()
        raise ValueError("no")

    def work() -> None:
        together.wait()
        ended.wait(0.05)
        ended.set()

    with pytest.raises(ValueError, match="no"):
        abreast([fail, work])
    assert ended.is_set()


def test_after_an_error_nothing_begins() -> None:
    begun = []

    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        abreast([fail, lambda: begun.append(1)], most=1)
    assert begun == []


def test_nothing_to_do() -> None:
    abreast([])
