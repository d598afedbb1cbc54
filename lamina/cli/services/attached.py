"""What `up` does where it is not to leave: it shows what containers write, from when
the first of them runs until all have ended, or until Ctrl-C, which stops them."""

from __future__ import annotations

import contextlib
import threading
import time

from lamina.cli.services.lines import Lines
from lamina.errors import LaminaError
from lamina.runtime.containers import logs, state
from lamina.runtime.containers.following import followed
from lamina.runtime.errors import NoSuchContainer
from lamina.services import ending, observed
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.cli.services.bringing import Ready
    from lamina.cli.services.view import View
    from lamina.services.observed import Observed

# Between two looks at which containers there are, in seconds: while they come up, and
# once they are. Each look reads the records of all.
_PAUSE, _CALM = 0.1, 0.4


@value
class Following:
    """`services` are those whose logs are shown; `ends`: what the end of a container
    means for all others ("", "exit", "failure"); `code_from`: whose exit code is ours.
    `since`: what was written before (ns) is not shown."""

    services: frozenset[str]
    ends: str = ""
    code_from: str = ""
    patience: int | None = None
    timestamps: bool = False
    colour: bool = True
    prefix: bool = True
    since: int = 0


def follow(
    made: Ready,
    following: Following,
    shown: View,
    up: Callable[[], None] = lambda: None,
) -> int:
    """Bring up, show and wait; the exit code of `up`. `up` is called once all is up.

    Raises LaminaError for what kept it from being up.
    """
    board = _Board(made, following, shown)
    bringing = _Bringing(made, shown, up)
    try:
        board.watch(bringing)
    except KeyboardInterrupt as interrupt:
        bringing.stop()
        board.stop(shown, interrupted=True)
        # SIGTERM and SIGHUP have numbers of their own (main.Terminated).
        return 128 + getattr(interrupt, "number", 2)
    if bringing.error is not None:
        board.drain()
        raise bringing.error
    if board.ended_by is not None:
        board.stop(shown, interrupted=False)
    return board.code()


class _Bringing:
    """Bringing up in a thread: who watches sees what containers write meanwhile."""

    def __init__(self, made: Ready, shown: View, up: Callable[[], None]) -> None:
        self.error: BaseException | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, args=(made, shown, up))
        self._thread.start()

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Begin nothing more; returns once what has begun is done."""
        self._stopping.set()
        self._thread.join()

    def _work(self, made: Ready, shown: View, up: Callable[[], None]) -> None:
        try:
            made.carry_out(shown, self._stopping)
            shown.close()
            up()
        except BaseException as error:
            self.error = error


class _Board:
    """The containers of a project that runs here, each read in a thread."""

    def __init__(self, made: Ready, following: Following, shown: View) -> None:
        self._store = made.store
        self._project = made.project
        self._following = following
        self._readers: dict[str, _Reader] = {}
        self._codes: dict[str, int] = {}
        # Whose end was that of all.
        self.ended_by: str | None = None
        self._lines = Lines(
            (
                self._short(one.container(self._project.name, number))
                for one in made.services
                if one.name in following.services
                for number in range(1, one.scale + 1)
            ),
            following.prefix,
            following.colour,
            following.timestamps,
            shown.close,
        )

    def _short(self, name: str) -> str:
        return name.removeprefix(f"{self._project.name}-")

    def _name(self, one: Observed) -> str:
        return self._short(one.container.name)

    def watch(self, bringing: _Bringing) -> None:
        """Until no container of the project runs any more, or one ends for all, or they
        could not be brought up."""
        while True:
            last = bringing.is_over
            active = self._look()
            if last and (bringing.error is not None or not active):
                return
            if last and self.ended_by is not None:
                return
            time.sleep(_CALM if last else _PAUSE)

    def _look(self) -> bool:
        """Read those that are new, tell of those that ended; whether one is left."""
        active = False
        for one in observed.all_of(self._store.root, self._project.name):
            if one.once:
                continue
            identity = one.container.id
            reader = self._readers.get(identity)
            if one.state.is_active:
                active = True
                if reader is None or reader.is_over:
                    self._readers[identity] = self._read(one, reader)
            elif reader is not None and not reader.is_told:
                if reader.is_over:
                    self._tell(one, reader)
                else:
                    active = True
            elif reader is None and one.state.finished > self._following.since:
                # It ended before we looked.
                active = True
                self._readers[identity] = self._read(one, None)
        return active

    def _read(self, one: Observed, before: _Reader | None) -> _Reader:
        since = before.last if before else self._following.since
        lines = self._lines if one.service in self._following.services else None
        return _Reader(self._store.root, one, self._name(one), lines, since)

    def _tell(self, one: Observed, reader: _Reader) -> None:
        reader.is_told = True
        code = one.state.exit_code
        self._codes[one.service] = code
        self._lines.say(self._name(one), f"exited with code {code}")
        means = self._following.ends
        if means == "exit" or (means == "failure" and code):
            self.ended_by = self.ended_by or one.service

    def stop(self, shown: View, interrupted: bool) -> None:
        """Stop all, who depends on others first; a second Ctrl-C kills them."""
        if interrupted:
            print("Gracefully Stopping... press Ctrl+C again to force", flush=True)
        try:
            self._stop(self._following.patience, shown)
        except KeyboardInterrupt:
            self._stop(0, shown)
        with contextlib.suppress(KeyboardInterrupt):
            self.drain()

    def _stop(self, patience: int | None, shown: View) -> None:
        found = observed.all_of(self._store.root, self._project.name)
        running = [one for one in found if one.state.is_active and not one.once]
        ending.stop_all(self._store, running, self._project, patience, shown)

    def drain(self) -> None:
        """Have shown what they wrote at last."""
        for reader in self._readers.values():
            reader.join()
        self._look()

    def code(self) -> int:
        """That of the container that was asked for, or that ended all."""
        whose = self._following.code_from or self.ended_by
        return self._codes.get(whose, 0) if whose else 0


class _Reader:
    """A thread that shows what a container writes; nothing where there are no `lines`,
    and it waits for the end all the same."""

    def __init__(
        self, root: str, one: Observed, name: str, lines: Lines | None, since: int
    ) -> None:
        self.last = since
        self.is_told = False
        self._root = root
        self._one = one
        self._name = name
        self._lines = lines
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def join(self) -> None:
        """Wait until all is shown, if the container has ended."""
        with contextlib.suppress(NoSuchContainer):
            if state.see(self._root, self._one.container.id).is_active:
                return
        self._thread.join(5)

    def _work(self) -> None:
        since = self.last
        try:
            for record in followed(self._root, self._one.container.id, None):
                when = logs.nanoseconds(record.time)
                if when > since:
                    self.last = when
                    if self._lines is not None:
                        self._lines.show(self._name, record)
        except (LaminaError, OSError):
            return  # it was removed
        finally:
            if self._lines is not None:
                self._lines.end(self._name)
