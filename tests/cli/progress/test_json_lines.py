"""cli.progress.json_lines: every object is as docs/progress.md says."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from lamina.builder import events
from lamina.builder.events import (
    CacheWritten,
    Event,
    ImageBuilt,
    Note,
    Planned,
    StepCached,
    StepCancelled,
    StepDone,
    StepFailed,
    StepMissed,
    StepOutput,
    StepPlanned,
    StepStarted,
    Transfer,
)
from lamina.cli.progress.json_lines import NAMES, JsonLines
from lamina.cli.progress.outcome import BUILT, CANCELLED, FAILED
from lamina.errors import LaminaError
from lamina.lang.source import Source, Span

PAGE = Path(__file__).parents[3] / "docs" / "progress.md"
SPAN = Span(Source("Recipe", "FROM a\nCOPY . .\n"), 7, 15)
TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "list of strings": list,
    "list of integers": list,
}
ALL = (
    Note("epoch: none"),
    Planned(2),
    StepPlanned(1, "[a 1/2] COPY . .", (0,), SPAN, False),
    StepCached(1, "[a 1/2] COPY . ."),
    StepMissed(2, "[a 2/2] RUN x", ("ENV A",)),
    StepStarted(2, "[a 2/2] RUN x"),
    StepOutput(2, b"\x1b[1m\xc3"),
    StepOutput(2, b"\xa4\xff"),
    StepDone(2, "[a 2/2] RUN x", 1.25, False),
    StepFailed(3, "[a 2/2] RUN x", 1.25),
    StepCancelled(4, "[a 2/2] RUN x", 1.25),
    Transfer("context", 1, 2),
    ImageBuilt("a", "sha256:01", 5),
    CacheWritten("/srv/cache", 2, 1, 0),
)


def documented() -> dict[str, dict[str, str]]:
    """The tables under `## JSON`: fields and types by event."""
    found: dict[str, dict[str, str]] = {"": {}}
    event = ""
    for line in PAGE.read_text().partition("## JSON")[2].splitlines():
        if line.startswith("### "):
            event = line.removeprefix("### ").strip()
            found[event] = dict(found[""])
        elif line.startswith("| `"):
            field, kind = [cell.strip(" `") for cell in line.split("|")[1:3]]
            found[event][field] = kind
    del found[""]
    return found


def told(*given: Event, outcome: str = FAILED) -> list[dict[str, Any]]:
    stream = io.StringIO()
    show = JsonLines(stream)
    for event in given:
        show(event)
    show.error(LaminaError("It failed.", hint="Try again."))
    show.close(outcome)
    show.close()
    assert stream.getvalue().isascii()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_every_event_has_the_documented_fields_and_no_others() -> None:
    fields = documented()
    lines = told(*ALL)
    assert {line["event"] for line in lines} == set(fields)
    for line in lines:
        wanted = fields[line["event"]]
        assert set(line) == set(wanted), line
        for name, kind in wanted.items():
            assert isinstance(line[name], TYPES[kind]), (line, name)


def test_no_event_of_a_build_is_forgotten() -> None:
    kinds = {
        name
        for name, kind in vars(events).items()
        if isinstance(kind, type) and kind.__module__ == events.__name__
    }
    assert set(NAMES) == kinds == {type(event).__name__ for event in ALL}


def test_start_is_first_and_end_counts() -> None:
    first, *_, last = told(*ALL, outcome=BUILT)
    assert (first["event"], first["version"]) == ("start", 1)
    assert last["event"] == "end"
    counts = {name: last[name] for name in ("outcome", "ran", "cached", "failed")}
    assert counts == {"outcome": "built", "ran": 2, "cached": 1, "failed": 1}
    assert told()[-1]["outcome"] == "failed"
    assert told(outcome=CANCELLED)[-1]["outcome"] == "cancelled"


def test_output_is_as_it_came_and_no_character_is_torn() -> None:
    texts = [line["text"] for line in told(*ALL) if line["event"] == "output"]
    assert texts == ["\x1b[1m", "\u00e4\ufffd"]
