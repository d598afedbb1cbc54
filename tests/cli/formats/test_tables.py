"""Lists, sizes and ages as Docker prints them."""

from __future__ import annotations

import pytest

from lamina.cli.formats.tables import (
    human_age,
    human_size,
    parse_time,
    print_table,
    show,
)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0B"),
        (999, "999B"),
        (1000, "1kB"),
        (1982256, "1.98MB"),
        (173287735, "173MB"),
        (999_999, "1MB"),
        (12_345_678_900, "12.3GB"),
    ],
)
def test_sizes(size: int, text: str) -> None:
    assert human_size(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (120, "2 minutes"),
        (59 * 60, "59 minutes"),
        (3600, "About an hour"),
        (2 * 3600, "2 hours"),
        (47 * 3600, "47 hours"),
        (48 * 3600, "2 days"),
        (13 * 86400, "13 days"),
        (14 * 86400, "2 weeks"),
        (60 * 86400, "2 months"),
        (3 * 365 * 86400, "3 years"),
    ],
)
def test_ages(seconds: float, text: str) -> None:
    assert human_age(seconds) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0.0),
        ("2026-01-31T00:00:00.5Z", 1769817600.5),
        ("2026-01-31T01:00:00+01:00", 1769817600.0),
        ("2026-01-30T22:30:00-01:30", 1769817600.0),
        ("", 0.0),
        ("yesterday, at about noon", 0.0),
    ],
)
def test_times(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


def test_columns_are_as_wide_as_dockers(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["A", "NAME", "SIZE"], [["x", "a long name", "1B"]])
    assert capsys.readouterr().out == (
        "A         NAME          SIZE\nx         a long name   1B\n"
    )


@pytest.mark.parametrize(
    ("style", "out"),
    [
        ("", "NUMBER    SIZE\n1         2B\n"),
        ("table", "NUMBER    SIZE\n1         2B\n"),
        ("json", '{"N":"1","S":"2B"}\n'),
        ("{{.N}}/{{.S}}", "1/2B\n"),
        (r"table {{.S}}\t{{.N}}", "SIZE      NUMBER\n2B        1\n"),
    ],
)
def test_formats(style: str, out: str, capsys: pytest.CaptureFixture[str]) -> None:
    show([{"N": "1", "S": "2B"}], {"N": "NUMBER", "S": "SIZE"}, style)
    assert capsys.readouterr().out == out


def test_a_cell_is_one_line_that_steers_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table(["A", "B"], [["x\x1b[2J", "\x9b1m\ny"], ["\udcff", "z"]])
    out = capsys.readouterr().out
    assert out.splitlines()[1:] == [r"x\x1b[2J   \x9b1m\x0ay", r"\xff       z"]
