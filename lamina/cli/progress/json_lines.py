"""Progress as JSON, one object a line: docs/progress.md is its schema.

Fields are only ever added; a change of meaning would be another `version`.
"""

from __future__ import annotations

import json
import threading
import time

from lamina import __version__
from lamina.builder.events import (
    StepCached,
    StepCancelled,
    StepDone,
    StepFailed,
    StepOutput,
    StepPlanned,
)
from lamina.cli.progress.outcome import FAILED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TextIO

    from lamina.builder.events import Event
    from lamina.errors import LaminaError

VERSION = 1
# Each event of a build, and what it is called here.
NAMES = {
    "Planned": "planned",
    "StepPlanned": "step",
    "Note": "note",
    "StepStarted": "started",
    "StepOutput": "output",
    "StepCached": "cached",
    "StepMissed": "missed",
    "StepDone": "done",
    "StepFailed": "failed",
    "StepCancelled": "cancelled",
    "Transfer": "transfer",
    "ImageBuilt": "image",
    "CacheWritten": "cache",
}


class JsonLines:
    """Writes each event as it comes; `start` first, `end` last."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.time) -> None:
        self._stream = stream
        self._clock = clock
        self._lock = threading.Lock()
        self._began = clock()
        self._pieces: dict[int, Pieces] = {}
        self._cached = 0
        self._ran = 0
        self._failed = 0
        self._closed = False
        self._write("start", {"version": VERSION, "lamina": __version__})

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._count(event)
            if isinstance(event, StepOutput):
                pieces = self._pieces.setdefault(event.step, Pieces())
                self._output(event.step, pieces.add(event.data))
                return
            if isinstance(event, StepDone | StepFailed | StepCancelled):
                rest = self._pieces.pop(event.step, Pieces())
                self._output(event.step, rest.end())
            self._write(NAMES[type(event).__name__], _fields(event))

    def error(self, error: LaminaError, **more: object) -> None:
        """Tell how the build failed, in place of the lines that people read; `more`
        are further fields."""
        self.tell(
            "error",
            {
                "message": error.message,
                "place": error.place,
                "excerpt": error.excerpt,
                "hint": error.hint,
                "code": error.exit_code,
                **more,
            },
        )

    def tell(self, name: str, fields: dict[str, Any]) -> None:
        """Tell what is no event of a build."""
        with self._lock:
            self._write(name, fields)

    def close(self, outcome: str = FAILED) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._write(
                "end",
                {
                    "outcome": outcome,
                    "seconds": round(self._clock() - self._began, 3),
                    "ran": self._ran,
                    "cached": self._cached,
                    "failed": self._failed,
                },
            )

    def _count(self, event: Event) -> None:
        self._cached += isinstance(event, StepCached)
        self._failed += isinstance(event, StepFailed)
        self._ran += isinstance(event, StepDone | StepFailed)

    def _output(self, step: int, texts: list[str]) -> None:
        for text in texts:
            self._write("output", {"step": step, "text": text})

    def _write(self, name: str, fields: dict[str, Any]) -> None:
        line = {"event": name, "time": round(self._clock(), 3), **fields}
        # Escaped to ASCII: no stream and no terminal can make another thing of it.
        self._stream.write(json.dumps(line, separators=(",", ":")) + "\n")
        self._stream.flush()


def _fields(event: Event) -> dict[str, Any]:
    if not isinstance(event, StepPlanned):
        return event.__dict__
    fields = dict(event.__dict__)
    span = fields.pop("span")
    return {**fields, "place": str(span) if span else ""}


class Pieces:
    """Bytes to text without tearing a character: what is incomplete waits."""

    def __init__(self) -> None:
        from codecs import getincrementaldecoder

        self._decoder = getincrementaldecoder("utf-8")("replace")

    def add(self, data: bytes) -> list[str]:
        text = self._decoder.decode(data)
        return [text] if text else []

    def end(self) -> list[str]:
        text = self._decoder.decode(b"", final=True)
        return [text] if text else []
