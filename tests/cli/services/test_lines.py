"""Lines of several containers."""

from __future__ import annotations

import pytest

from lamina.cli.services.lines import Lines
from lamina.runtime.containers.logs import Record

TIME = "2026-12-01T00:00:00.000000001Z"


def _record(text: bytes, stream: str = "stdout") -> Record:
    return Record(text, stream, TIME)


def test_texts_begin_in_one_column(capfd: pytest.CaptureFixture[str]) -> None:
    lines = Lines(["web-1", "database-1"])
    lines.show("web-1", _record(b"up\n"))
    lines.show("database-1", _record(b"ready\n"))
    assert capfd.readouterr().out == "web-1       | up\ndatabase-1  | ready\n"


def test_pieces_of_a_line_are_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    lines = Lines(["a", "b"])
    lines.show("a", _record(b"one "))
    lines.show("b", _record(b"other\n"))
    lines.show("a", _record(b"line\ntwo\n"))
    assert capfd.readouterr().out == "b  | other\na  | one line\na  | two\n"


def test_the_two_outputs_of_one_are_not_mixed(
    capfd: pytest.CaptureFixture[str],
) -> None:
    lines = Lines(["a"])
    lines.show("a", _record(b"out "))
    lines.show("a", _record(b"err\n", "stderr"))
    lines.show("a", _record(b"put\n"))
    assert capfd.readouterr().out == "a  | err\na  | out put\n"


def test_what_has_no_end_is_shown_at_last(capfd: pytest.CaptureFixture[str]) -> None:
    lines = Lines(["a"])
    lines.show("a", _record(b"> "))
    assert capfd.readouterr().out == ""
    lines.end("a")
    assert capfd.readouterr().out == "a  | > \n"


def test_times_and_no_names(capfd: pytest.CaptureFixture[str]) -> None:
    Lines(["a"], prefix=False, timestamps=True).show("a", _record(b"x\n"))
    assert capfd.readouterr().out == f"{TIME} x\n"


def test_lines_that_were_lost_are_told(capfd: pytest.CaptureFixture[str]) -> None:
    Lines(["a"]).show("a", Record(b"", "", TIME, lost=3))
    assert "3 lines were not kept" in capfd.readouterr().out


def test_bytes_are_written_as_they_are(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    Lines(["a"]).show("a", _record(b"\xff\x00\x1b[1m\n"))
    assert capfdbinary.readouterr().out == b"a  | \xff\x00\x1b[1m\n"
