"""Watching as JSON, one object a line: docs/watch.md is its schema."""

from __future__ import annotations

import threading

from lamina.cli.progress.json_lines import JsonLines, Pieces
from lamina.cli.watching.events import (
    Begun,
    Ended,
    Exited,
    Failed,
    Limited,
    Serves,
    Synced,
    Watching,
    Wrote,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.builder.events import Event as BuildEvent
    from lamina.cli.watching.events import Event


class JsonView:
    """Writes each event as it comes; those of a build are as `build` has them."""

    def __init__(self, lines: JsonLines) -> None:
        self._lines = lines
        self._lock = threading.Lock()
        self._pieces: dict[str, Pieces] = {}

    def __call__(self, event: Event | BuildEvent) -> None:
        match event:
            case Watching() | Limited() | Synced() | Serves() | Exited():
                self._lines.tell(type(event).__name__.lower(), dict(event.__dict__))
            case Begun():
                self._lines.tell("round", dict(event.__dict__))
            case Ended():
                split = {"split": dict(event.split), "ms": event.milliseconds}
                self._lines.tell("outcome", {**event.__dict__, **split})
            case Wrote(stream, data):
                with self._lock:
                    texts = self._pieces.setdefault(stream, Pieces()).add(data)
                for text in texts:
                    self._lines.tell("log", {"stream": stream, "text": text})
            case Failed(error, serving):
                self._lines.error(error, serving=serving)
            case _:
                self._lines(event)

    def close(self) -> None:
        self._lines.close()
