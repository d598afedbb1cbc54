"""Detach keys: how they are written, and how they are found among what is typed."""

from __future__ import annotations

import pytest

from lamina.runtime.containers.detaching import Escape, parse_keys
from lamina.runtime.errors import ContainerError


def test_keys_are_what_a_terminal_sends() -> None:
    assert parse_keys("ctrl-p,ctrl-q") == b"\x10\x11"
    assert parse_keys("ctrl-@,ctrl-[,ctrl-_,a,Z") == b"\x00\x1b\x1faZ"
    assert parse_keys("") == b""


@pytest.mark.parametrize("text", ["bogus", "ctrl-", "ctrl-1", "ctrl-pq", "a,,b", "ä"])
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(ContainerError, match="Invalid detach keys"):
        parse_keys(text)


def test_they_are_found_in_one_piece_or_in_several() -> None:
    for pieces in ([b"ab\x10\x11cd"], [b"ab\x10", b"\x11"], [b"ab", b"\x10", b"\x11x"]):
        escape = Escape(b"\x10\x11")
        passed = b"".join(escape.feed(piece) for piece in pieces)
        assert (passed, escape.seen) == (b"ab", True)


def test_a_beginning_that_comes_to_nothing_is_passed_on() -> None:
    escape = Escape(b"\x10\x11")
    assert escape.feed(b"\x10") == b""
    assert escape.feed(b"x") == b"\x10x"
    assert escape.feed(b"\x10\x10") == b"\x10"
    assert escape.feed(b"\x11") == b"" and escape.seen


def test_without_keys_all_is_passed_on() -> None:
    escape = Escape(b"")
    assert escape.feed(b"\x10\x11") == b"\x10\x11" and not escape.seen
