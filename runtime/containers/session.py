"""A session: one process in a container, and whoever watches it.

Bytes go both ways, signals and the terminal's size go in, until the process has
ended. `run` and `exec` are both this.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # `signal` itself costs 3 ms (enum)
import contextlib

from lamina.runtime.containers import streams
from lamina.runtime.containers.console import Console, Ends

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.runtime.containers.attached import Attached
    from lamina.runtime.isolation.sandbox import ExitStatus, Sandbox

# SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGTERM, SIGCONT
_FORWARDED = (1, 2, 3, 10, 12, 14, 15, 18)
# So many times Ctrl-C or SIGTERM, and the process is killed.
_PATIENCE = 3


class Session:
    """A process of ours, or one that a keeper keeps, with `ends`, on `console`."""

    def __init__(
        self, sandbox: Sandbox | Attached, ends: Ends, console: Console
    ) -> None:
        self._sandbox = sandbox
        self._ends = ends
        self._console = console

    def run(self) -> ExitStatus | None:
        """Move bytes until the process has ended: how it did; None once the keys were
        typed that let it go."""
        pump = self._pump()
        with self._forwarded_signals(), self._let_go():
            if self._console.terminal >= 0:
                with streams.raw_terminal(self._console.terminal):
                    ended = pump.run()
            else:
                ended = pump.run()
            if not ended:
                self._sandbox.detach()
                return None
            return self._sandbox.wait()

    @contextlib.contextmanager
    def _let_go(self) -> Iterator[None]:
        """What ends this process is not the other's affair, if it is not to be told."""
        try:
            yield
        except KeyboardInterrupt:
            if not self._console.proxied:
                self._sandbox.detach()
            raise

    def _pump(self) -> streams.Pump:
        console, ends = self._console, self._ends
        terminal = self._sandbox.terminal
        if terminal is not None:
            shown = [(terminal, console.stdout)]
            target = terminal
        else:
            shown = [(ends.stdout, console.stdout), (ends.stderr, console.stderr)]
            target = ends.stdin
        outputs = [
            streams.Output(source, [streams.to_descriptor(to)] if to >= 0 else [])
            for source, to in shown
            if source >= 0
        ]
        given = None
        if console.stdin >= 0 and target >= 0:
            keys = console.detach_keys if console.terminal >= 0 else b""
            given = streams.Input(console.stdin, target, keys)
        end = self._sandbox.fileno()
        return streams.Pump(outputs, given, end, self._sandbox.is_kept)

    @contextlib.contextmanager
    def _forwarded_signals(self) -> Iterator[None]:
        """Signals to this process go to the container's; the third Ctrl-C kills it.

        PID 1 ignores what it has no handler for, so that otherwise nothing would.
        """
        sandbox, console, impatience = self._sandbox, self._console, [0]

        def forward(number: int, _frame: object) -> None:
            if number in (_signal.SIGINT, _signal.SIGTERM):
                impatience[0] += 1
            sandbox.kill(_signal.SIGKILL if impatience[0] >= _PATIENCE else number)

        def resize(_number: int, _frame: object) -> None:
            size = streams.size_of(console.terminal)
            if any(size):
                sandbox.resize(*size)

        forwarded = _FORWARDED if console.proxied else ()
        before = {number: _signal.signal(number, forward) for number in forwarded}
        if console.terminal >= 0:
            before[_signal.SIGWINCH] = _signal.signal(_signal.SIGWINCH, resize)
            resize(0, None)  # it may have changed before the handler was there
        try:
            yield
        finally:
            for number, handler in before.items():
                _signal.signal(number, handler)
