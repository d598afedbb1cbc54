"""Moving bytes between a container and whoever watches it, in one poll loop.

The caller's terminal is never given to a container: what holds a terminal can push
characters into its input (TIOCSTI), and they would run in the caller's shell. So a
container has pipes, or a terminal of its own (runtime/sandbox), and this moves bytes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select

from lamina.runtime.containers.detaching import Escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CHUNK = 64 * 1024
_GONE = select.POLLERR | select.POLLHUP | select.POLLNVAL


class Output:
    """What a container writes: read from `source`, given to each of `sinks`.

    A sink that answers False has nobody behind it any more; without sinks that want
    more the source is closed, so that the container gets SIGPIPE as in a shell.
    """

    def __init__(self, source: int, sinks: list[Callable[[bytes], bool]]) -> None:
        os.set_blocking(source, False)
        self.source = source
        self._sinks = sinks

    def pump(self) -> bool:
        """Move what is there; False at the end."""
        try:
            data = os.read(self.source, _CHUNK)
        except BlockingIOError:
            return True
        except OSError as error:
            # A terminal whose other side is closed reads EIO.
            if error.errno != errno.EIO:
                raise
            return False
        return bool(data) and self._give(data)

    def _give(self, data: bytes) -> bool:
        results = [sink(data) for sink in self._sinks]
        return all(results)


class Input:
    """What the caller types or pipes: read from `source`, written to `target`.

    What the container has no room for waits here, and no more is read meanwhile.
    `keys` are those that end the session when they are typed.
    """

    def __init__(self, source: int, target: int, keys: bytes = b"") -> None:
        os.set_blocking(target, False)
        self.source = source
        self.target = target
        self.pending = b""
        self.ended = False
        self.escape = Escape(keys)

    def read(self) -> None:
        """Take what is there."""
        try:
            data = os.read(self.source, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""  # the caller's terminal is gone
        if not data:
            self.ended = True
        self.pending += self.escape.feed(data)

    def write(self) -> bool:
        """Pass on what waits; False when the container takes no more."""
        try:
            while self.pending:
                self.pending = self.pending[os.write(self.target, self.pending) :]
        except BlockingIOError:
            return True
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):
                raise
            return False
        return not self.ended


class Pump:
    """The loop: outputs, at most one input, until the container is gone.

    What the outputs have then is read; with `to_the_end` whatever still comes, until
    their other ends are closed.
    """

    def __init__(
        self,
        outputs: list[Output],
        given: Input | None,
        end: int,
        to_the_end: bool = False,
    ) -> None:
        self._outputs = {output.source: output for output in outputs}
        self._input = given
        self._end = end
        self._to_the_end = to_the_end

    def run(self) -> bool:
        """Move bytes until `end` is readable and all was read, or until the keys that
        end the session were typed; whether it was the end."""
        while True:
            poll = select.poll()
            for descriptor, events in self._wanted():
                poll.register(descriptor, events)
            ready = dict(poll.poll())
            self._pump_outputs(ready)
            if self._input:
                self._pump_input(self._input, ready)
                if self._input and self._input.escape.seen:
                    return False
            if self._end in ready:
                self._drain()
                return True

    def _wanted(self) -> Iterator[tuple[int, int]]:
        yield self._end, select.POLLIN
        for descriptor in self._outputs:
            yield descriptor, select.POLLIN
        if self._input is None:
            return
        target = self._input.target
        if self._input.pending:
            # A terminal is both: what it shows has to be read while it takes input.
            both = target in self._outputs
            yield target, select.POLLOUT | (select.POLLIN if both else 0)
        else:
            yield self._input.source, select.POLLIN
            if target not in self._outputs:
                yield target, 0  # POLLERR: the container closed its end

    def _pump_outputs(self, ready: dict[int, int]) -> None:
        for descriptor in list(self._outputs):
            events = ready.get(descriptor, 0) & (select.POLLIN | _GONE)
            if events and not self._outputs[descriptor].pump():
                self._close_output(descriptor)

    def _close_output(self, descriptor: int) -> None:
        del self._outputs[descriptor]
        if self._input is not None and self._input.target == descriptor:
            self._input = None
        os.close(descriptor)

    def _pump_input(self, given: Input, ready: dict[int, int]) -> None:
        if ready.get(given.source, 0):
            given.read()
        closed = given.target not in self._outputs and (
            ready.get(given.target, 0) & select.POLLERR
        )
        if closed or not given.write():
            self._end_input(given)

    def _end_input(self, given: Input) -> None:
        """Half-close: a pipe ends; a terminal stays, since output comes from it."""
        self._input = None
        if given.target not in self._outputs:
            os.close(given.target)

    def _drain(self) -> None:
        """Read what is left in the pipes; their writers are dead."""
        if self._input is not None:
            self._end_input(self._input)
        while self._to_the_end and self._outputs:
            poll = select.poll()
            for descriptor in self._outputs:
                poll.register(descriptor, select.POLLIN)
            self._pump_outputs(dict(poll.poll()))
        for descriptor, output in list(self._outputs.items()):
            while select.select([descriptor], [], [], 0)[0] and output.pump():
                pass
            self._close_output(descriptor)


def to_descriptor(descriptor: int) -> Callable[[bytes], bool]:
    """A sink that writes all to `descriptor`, waiting for a slow reader."""

    def write(data: bytes) -> bool:
        while data:
            try:
                data = data[os.write(descriptor, data) :]
            except BlockingIOError:
                select.select([], [descriptor], [])
            except OSError as error:
                if error.errno not in (errno.EPIPE, errno.EIO):
                    raise
                return False
        return True

    return write


@contextlib.contextmanager
def raw_terminal(descriptor: int) -> Iterator[None]:
    """The caller's terminal passes every key on in the block, and is then as before."""
    import termios
    import tty

    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor, termios.TCSANOW)
        yield
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def size_of(descriptor: int) -> tuple[int, int]:
    """(rows, columns) of a terminal; (0, 0) when it has none."""
    with contextlib.suppress(OSError):
        size = os.get_terminal_size(descriptor)
        return size.lines, size.columns
    return (0, 0)
