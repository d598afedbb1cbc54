"""Traces: what is read from the journal of a build, however that ended."""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path

from lamina.builder.traces.trace import JOURNAL, read_trace


def make_journal(root: Path, started: float) -> Path:
    """A build with one step that began after 0.1 s and has not said that it ended."""
    folder = root / "builds" / "abcdef"
    folder.mkdir(parents=True)
    about = {"id": "abcdef", "started": started, "recipe": "Recipe", "target": ""}
    step = {"step": 1, "name": "[app 2/2] RUN sleep 600", "outcome": "running"}
    lines = ({**about, "platform": "linux/amd64"}, {**step, "key": "", "began": 0.1})
    (folder / JOURNAL).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_a_killed_build_ran_until_it_last_wrote_something(tmp_path: Path) -> None:
    folder = make_journal(tmp_path, started=1_000_000)
    os.utime(folder / JOURNAL, (1_000_001, 1_000_001))
    assert read_trace(str(tmp_path)).seconds == 1
    (folder / "1.log").write_text("it goes on")
    os.utime(folder / "1.log", (1_000_060, 1_000_060))
    trace = read_trace(str(tmp_path))
    assert (trace.outcome, trace.seconds) == ("killed", 60)


def test_a_build_that_runs_does_so_until_now(tmp_path: Path) -> None:
    folder = make_journal(tmp_path, started=time.time() - 1000)
    with (folder / JOURNAL).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        trace = read_trace(str(tmp_path))
    assert trace.outcome == "running"
    assert trace.seconds >= 1000
