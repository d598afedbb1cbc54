"""The loop: what is ready, what is due, and what was forgotten meanwhile."""

from __future__ import annotations

import os

from lamina.runtime.isolation.loop import GONE, Loop


def test_moments_come_in_their_order() -> None:
    loop, seen = Loop(), list[str]()
    loop.after(0.02, lambda: seen.append("second"))
    loop.after(0.01, lambda: seen.append("first"))
    cancelled = loop.after(0.015, lambda: seen.append("never"))
    loop.cancel(cancelled)
    while len(seen) < 2:
        loop.turn()
    assert seen == ["first", "second"]
    assert not loop.turn(idle=True)


def test_what_was_forgotten_in_a_turn_is_not_handled_in_it() -> None:
    loop, seen = Loop(), list[int]()
    pipes = [os.pipe(), os.pipe()]
    readers = [reader for reader, _ in pipes]

    def first_come(fd: int) -> None:
        seen.append(fd)
        for other in readers:
            loop.forget(other)

    for reader, writer in pipes:
        loop.watch(reader, lambda _, fd=reader: first_come(fd))  # type: ignore[misc]
        os.write(writer, b"x")
    loop.turn()
    assert len(seen) == 1
    assert not loop.turn(idle=True)


def test_who_asks_for_nothing_hears_of_the_end() -> None:
    loop, seen = Loop(), list[int]()
    reader, writer = os.pipe()
    loop.watch(writer, seen.append, 0)
    assert not loop.turn(idle=True)
    os.close(reader)
    loop.turn()
    assert seen[0] & GONE
