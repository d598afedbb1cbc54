"""Who watches a process, and the pipes between them."""

from __future__ import annotations

import os

from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import contextlib


@value
class Console:
    """Who watches a container: descriptors, -1 for what is not passed on.

    `terminal` is the caller's terminal, to be put into raw mode, or -1. What is typed
    there for `detach_keys` (bytes) lets the process go. `proxied`: the caller's signals
    are for the process.
    """

    stdin: int = -1
    stdout: int = -1
    stderr: int = -1
    terminal: int = -1
    detach_keys: bytes = b""
    proxied: bool = True


@value
class Ends:
    """Our ends of a process's pipes, -1 where it has none."""

    stdin: int = -1
    stdout: int = -1
    stderr: int = -1

    def close(self) -> None:
        for descriptor in (self.stdin, self.stdout, self.stderr):
            if descriptor >= 0:
                os.close(descriptor)


def open_streams(
    terminal: bool, interactive: bool, stack: contextlib.ExitStack
) -> tuple[tuple[int, int, int], Ends]:
    """A process's three streams, which `stack` closes, and our ends of them.

    A terminal takes the place of all three; without `interactive` there is no input.
    """
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    stack.callback(os.close, null)
    if terminal:
        return (null, null, null), Ends()
    given, stdin = null, -1
    if interactive:
        given, stdin = os.pipe()
        stack.callback(os.close, given)
    stdout, out = os.pipe()
    stack.callback(os.close, out)
    stderr, errors = os.pipe()
    stack.callback(os.close, errors)
    return (given, out, errors), Ends(stdin, stdout, stderr)
