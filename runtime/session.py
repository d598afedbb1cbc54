"""A session: one process in a container, and whoever watches it.

Bytes go both ways, signals and the terminal's size go in, until the process has
ended. `run` and `exec` are both this.
"""

from __future__ import annotations

import contextlib
import os

from lamina.runtime import streams
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamina.runtime.logs import LogWriter
    from lamina.runtime.zygote import ExitStatus, Sandbox

# SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGTERM, SIGCONT
_FORWARDED = (1, 2, 3, 10, 12, 14, 15, 18)
# So many times Ctrl-C or SIGTERM, and the process is killed.
_PATIENCE = 3


@value
class Console:
    """Who watches a container: descriptors, -1 for what is not passed on.

    `terminal` is the caller's terminal, to be put into raw mode, or -1.
    """

    stdin: int = -1
    stdout: int = -1
    stderr: int = -1
    terminal: int = -1


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


class Session:
    """`sandbox` with `ends`, shown on `console` and written to `log`."""

    def __init__(
        self,
        sandbox: Sandbox,
        ends: Ends,
        console: Console,
        log: LogWriter | None = None,
        watched: streams.Watched | None = None,
    ) -> None:
        self._sandbox = sandbox
        self._ends = ends
        self._console = console
        self._log = log
        self._watched = watched

    def run(self) -> ExitStatus:
        """Move bytes until the process has ended: how it did."""
        pump = self._pump()
        with self._forwarded_signals():
            if self._console.terminal >= 0:
                with streams.raw_terminal(self._console.terminal):
                    pump.run()
            else:
                pump.run()
            return self._sandbox.wait()

    def _pump(self) -> streams.Pump:
        console, ends = self._console, self._ends
        terminal = self._sandbox.terminal
        if terminal is not None:
            shown = [(terminal, console.stdout, "stdout")]
            target = terminal
        else:
            shown = [
                (ends.stdout, console.stdout, "stdout"),
                (ends.stderr, console.stderr, "stderr"),
            ]
            target = ends.stdin
        outputs = [
            streams.Output(source, _sinks(to, self._log, name))
            for source, to, name in shown
        ]
        given = None
        if console.stdin >= 0 and target >= 0:
            given = streams.Input(console.stdin, target)
        return streams.Pump(outputs, given, self._sandbox.fileno(), self._watched)

    @contextlib.contextmanager
    def _forwarded_signals(self) -> Iterator[None]:
        """Signals to this process go to the container's; the third Ctrl-C kills it.

        PID 1 ignores what it has no handler for, so that otherwise nothing would.
        """
        import signal

        sandbox, console, impatience = self._sandbox, self._console, [0]

        def forward(number: int, _frame: object) -> None:
            if number in (signal.SIGINT, signal.SIGTERM):
                impatience[0] += 1
            sandbox.kill(signal.SIGKILL if impatience[0] >= _PATIENCE else number)

        def resize(_number: int, _frame: object) -> None:
            if sandbox.terminal is not None:
                streams.copy_size(console.terminal, sandbox.terminal)

        before = {number: signal.signal(number, forward) for number in _FORWARDED}
        if console.terminal >= 0:
            before[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, resize)
            resize(0, None)  # it may have changed before the handler was there
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _sinks(
    shown: int, log: LogWriter | None, name: str
) -> list[Callable[[bytes], bool]]:
    sinks: list[Callable[[bytes], bool]] = []
    if shown >= 0:
        sinks.append(streams.to_descriptor(shown))
    if log is not None:

        def record(data: bytes) -> bool:
            log.write(name, data)
            return True

        sinks.append(record)
    return sinks
