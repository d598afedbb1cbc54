"""cli.console: who shows a build's events, by the flag, the stream, the environment."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from lamina.builder.ops.output import printable
from lamina.cli.progress.console import Quiet, console
from lamina.cli.progress.json_lines import JsonLines
from lamina.cli.progress.plain import Plain
from lamina.cli.progress.terminal import Terminal


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("progress", "environment", "stream", "kind"),
    [
        ("auto", {}, Screen(), Terminal),
        ("auto", {"TERM": "dumb"}, Screen(), Plain),
        ("auto", {"NO_COLOR": "1"}, Screen(), Terminal),
        ("auto", {}, io.StringIO(), Plain),
        ("tty", {"TERM": "dumb"}, io.StringIO(), Terminal),
        ("plain", {}, Screen(), Plain),
        ("json", {}, Screen(), JsonLines),
        ("quiet", {}, Screen(), Quiet),
    ],
)
def test_who_shows_events(
    progress: str, environment: dict[str, str], stream: io.StringIO, kind: type
) -> None:
    assert type(console(progress, environment, stream)) is kind


def test_only_a_step_that_takes_time_costs_rich() -> None:
    program = """
import sys
from lamina.cli.progress.console import console
from lamina.builder.events import Planned, StepCached
for progress in ("auto", "tty", "plain"):
    show = console(progress, {})
    show(Planned(1))
    show(StepCached(1, "RUN x"))
    show.close()
assert not {"rich", "unicodedata", "subprocess"} & set(sys.modules), sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (b"plain \xc3\xa4", "plain \u00e4"),
        (b"10%\r50%\r100%", "100%"),
        (b"line\r\n", "line\n"),
        (b"\x1b[1mbold\x1b[0m", "bold"),
        (b"\x1b]0;title\x07x", "x"),
        (b"bell\x07 back\x08", "bell back"),
        (b"\xff", "\ufffd"),
        (b"tab\there", "tab\there"),
    ],
)
def test_output_cannot_steer_the_terminal(written: bytes, shown: str) -> None:
    assert printable(written) == shown
