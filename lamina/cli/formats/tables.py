"""What lists print: Docker's tables, its sizes and ages, `--format`.

Columns as Go's tabwriter sets them for the Docker command line: at least ten wide,
three blanks between.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Row = Mapping[str, Any]

_GAP = 3
_NARROWEST = 10
_SIZES = ("B", "kB", "MB", "GB", "TB", "PB")
# Up to how many hours Docker says which unit, and that unit's length in hours.
_AGES = (
    (48, "hours", 1),
    (14 * 24, "days", 24),
    (60 * 24, "weeks", 7 * 24),
    (730 * 24, "months", 30 * 24),
)


def show(
    rows: Sequence[Row],
    columns: Mapping[str, str],
    style: str = "",
    more: Mapping[str, Any] = {},
) -> None:
    """Print `rows`: a table of `columns` (field to heading), or as `--format` asks.

    `style` is "", `table`, `table TEMPLATE`, `json` or a template for each row; `more`
    are headings of fields that are in no table by themselves. A field that takes
    arguments (`{{.Label "x"}}`) is a function.
    """
    if style in ("", "table"):
        print_table(
            [columns[c] for c in columns], [[r[c] for c in columns] for r in rows]
        )
        return
    if style == "json":
        from lamina.cli.formats.documents import as_json

        for row in rows:
            plain = {key: found for key, found in row.items() if not callable(found)}
            print(as_json(plain))
        return
    from lamina.cli.formats.template import compiled, unescape

    if style.startswith("table "):
        from lamina.cli.gotemplate.functions import HEADINGS

        template = unescape(style.removeprefix("table ").strip())
        headings = {name: name.upper() for row in rows[:1] for name in row}
        headings |= {**more, **columns}
        lines = [compiled(template, HEADINGS)(headings)]
        lines += map(compiled(template), rows)
        print_table(lines[0].split("\t"), [line.split("\t") for line in lines[1:]])
        return
    render = compiled(unescape(style))
    for row in rows:
        print(render(row))


def print_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    narrowest: int = _NARROWEST,
) -> None:
    """Print left-aligned columns; the last one is not filled up.

    Images and containers say some of it: none of that begins a line or steers a
    terminal.
    """
    lines = [[one_line(cell) for cell in line] for line in (headings, *rows)]
    widths = [
        max(narrowest, _GAP + max(len(line[n]) for line in lines))
        for n in range(len(headings) - 1)
    ]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        print("".join(cells) + line[-1])


def human_size(size: int) -> str:
    """Bytes in decimal units with three digits, as docker/go-units: `1.98MB`."""
    amount = float(size)
    unit = 0
    while amount >= 999.5 and unit < len(_SIZES) - 1:
        amount /= 1000
        unit += 1
    return f"{amount:.3g}{_SIZES[unit]}"


def binary_size(size: int) -> str:
    """Bytes in units of 1024 with four digits, as docker/go-units: `23.54GiB`."""
    amount = float(size)
    unit = 0
    while amount >= 1024 and unit < len(_SIZES) - 1:
        amount /= 1024
        unit += 1
    name = _SIZES[unit].upper().replace("B", "iB") if unit else "B"
    return f"{amount:.4g}{name}"


def one_line(text: str) -> str:
    """Text that may hold any bytes, as one line that cannot steer the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else f"\\x{ord(c) & 0xFF:02x}" for c in text)


def shortened(text: str, longest: int = 60) -> str:
    """One line of so many characters: what a column has room for."""
    text = one_line(text)
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def human_age(seconds: float) -> str:
    """A span of time as docker/go-units says it: `17 minutes`, `About an hour`."""
    whole = int(seconds)
    if whole < 60:
        return (
            ("Less than a second", "1 second")[whole]
            if whole < 2
            else (f"{whole} seconds")
        )
    if whole < 3600:
        return "About a minute" if whole < 120 else f"{whole // 60} minutes"
    hours = int(seconds / 3600 + 0.5)
    if hours == 1:
        return "About an hour"
    for limit, unit, length in _AGES:
        if hours < limit:
            return f"{hours // length} {unit}"
    return f"{hours // (365 * 24)} years"


def ago(created: float) -> str:
    """How long ago a moment (Unix seconds) was: `17 minutes ago`."""
    return f"{human_age(max(0.0, time.time() - created))} ago"


def parse_time(text: str) -> float:
    """RFC 3339 as image configs have it, in Unix seconds; 0 for none."""
    import calendar

    if len(text) < 20:
        return 0.0
    try:
        whole = calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return 0.0
    rest = text[19:].rstrip("Z")
    fraction, sign, zone = rest, "", ""
    for mark in "+-":
        if mark in rest:
            fraction, sign, zone = rest.partition(mark)
    digits = fraction.lstrip(".")
    seconds = whole + (int(digits) / 10 ** len(digits) if digits.isdigit() else 0.0)
    hours, _, minutes = zone.partition(":")
    if sign and hours.isdigit() and minutes.isdigit():
        offset = int(hours) * 3600 + int(minutes) * 60
        seconds += offset if sign == "-" else -offset
    return seconds
