"""`run` and `exec` without `--detach`: the process in front of who called.

Its streams are ours, or a terminal of its own between which and ours bytes go; signals
are passed on; its exit code is ours.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # `signal` itself costs 3 ms (enum)
import os
import select
import termios

from lamina.oci.files.writing import write_all
from lamina.runtime.bundles import entering, operations
from lamina.runtime.bundles.creation import Creation, Request
from lamina.runtime.bundles.entering import Entered, Entry
from lamina.runtime.isolation import terminal
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_SIGWINCH, _SIGCHLD = 28, 17
# SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGTERM, SIGCONT
_FORWARDED = (1, 2, 3, 10, 12, 14, 15, 18)


def run(
    root: str, request: Request, detached: bool, keep: bool, warn: Callable[[str], None]
) -> int:
    """Create a container and start it; without `detached` wait for its end and delete
    it, unless it is to be kept. Its exit code."""
    made = Creation(root, request, foreground=not detached)
    made.size_terminal(_size())
    master = made.run()
    for warning in made.warnings:
        warn(warning)
    try:
        operations.start(root, request.id, warn)
        if detached:
            return 0
        code = _watch(Entered(made.pid, made.pidfd, master))
    except BaseException:
        # Also when nobody reads any more what it writes.
        operations.delete(root, request.id, True, warn)
        raise
    if not keep:
        operations.delete(root, request.id, True, warn)
    return code


def execute(root: str, entry: Entry) -> int:
    """Start one more process; without `detached` wait for it. Its exit code."""
    if entry.detached:
        entering.enter(root, entry)
        return 0
    return _watch(entering.enter(root, replace(entry, size=_size())))


def _watch(process: Entered) -> int:
    """Attend to the process until its end."""

    def passed(number: int, _frame: Any) -> None:
        if number != _SIGWINCH:
            entering.forward(process, number)
        elif process.master >= 0:
            _resize(process.master)

    for number in (*_FORWARDED, _SIGWINCH):
        _signal.signal(number, passed)
    if process.master < 0:
        return entering.wait(process)
    before = _raw()
    try:
        _resize(process.master)
        _move(process)
        return entering.wait(process)
    finally:
        if before is not None:
            termios.tcsetattr(0, termios.TCSADRAIN, before)


def _resize(master: int) -> None:
    if any(size := _size()):
        terminal.set_size(master, *size)


def _size() -> tuple[int, int]:
    """The size of the caller's terminal; (0, 0) without one."""
    for fd in range(3):
        try:
            return terminal.get_size(fd)
        except OSError:
            continue
    return 0, 0


def _raw() -> Any:
    """Our terminal passes all on, unchanged; how it was, None where stdin is none."""
    if not os.isatty(0):
        return None
    before = termios.tcgetattr(0)
    raw = termios.tcgetattr(0)
    lines = termios.BRKINT | termios.ICRNL | termios.INPCK | termios.ISTRIP
    raw[0] &= ~(lines | termios.IXON)
    raw[1] &= ~termios.OPOST
    raw[2] = raw[2] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
    raw[3] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN | termios.ISIG)
    termios.tcsetattr(0, termios.TCSADRAIN, raw)
    return before


def _move(process: Entered) -> None:
    """Bytes between the two terminals, until the process's side is closed."""
    watched = [process.master, 0]
    while True:
        ready, _, _ = select.select(watched, (), ())
        if 0 in ready:
            data = os.read(0, 65536)
            if not data:
                watched.remove(0)
                data = b"\x04"
            write_all(process.master, data)
        if process.master in ready:
            try:
                data = os.read(process.master, 65536)
            except OSError:
                return  # EIO: nobody has the other side open
            if not data:
                return
            write_all(1, data)
