"""`lamina watch` as an editor drives it: events as JSON, waited for."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from tests.end_to_end.bases import Done, Lamina

# How long whatever is awaited may take on a loaded machine.
PATIENCE = 60.0

Event = dict[str, Any]


class Watch:
    """A running `lamina watch --progress=json`."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.events: list[Event] = []
        self._came: SimpleQueue[Event | None] = SimpleQueue()
        self._other = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if line.startswith(b"{"):
                self._came.put(json.loads(line))
            else:
                self._other += line.decode(errors="replace")
        self._came.put(None)

    def until(self, wanted: Callable[[Event], bool]) -> Event:
        """The next event that is wanted."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                event = self._came.get(timeout=max(0.0, end - time.monotonic()))
            except Empty:
                raise AssertionError(f"it did not come: {self.events[-20:]}") from None
            assert event is not None, f"it ended: {self._other}{self.events[-20:]}"
            self.events.append(event)
            if wanted(event):
                return event

    def outcome(self, *wanted: str) -> Event:
        """The next round's end that is one of `wanted`."""
        return self.until(lambda e: e["event"] == "outcome" and e["outcome"] in wanted)

    def after(self, act: Callable[[], object], *wanted: str) -> Event:
        """How the round that `act` caused ended."""
        act()
        return self.outcome(*wanted)

    def end(self, number: int = signal.SIGINT) -> Done:
        """End it as Ctrl-C would."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        self._reader.join()
        assert self.process.stdout is not None
        out = self.process.stdout.read().decode()
        assert "Traceback" not in self._other, self._other
        return Done(code, out, self._other)


def watch(lamina: Lamina, *args: str | Path, first: str = "", **more: Any) -> Watch:
    """Start it and wait for the first round, to end as `first` says."""
    process = lamina.start("watch", "--progress=json", *args, **more)
    started = Watch(process)
    if first:
        started.outcome(first)
    return started


def children_of(pid: int) -> set[int]:
    """The processes that a process has started, whichever thread of it did."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        # A thread may end while it is looked at.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found.update(map(int, (task / "children").read_text().split()))
    return found
