"""How it is told what becomes of a project."""

from __future__ import annotations

import io
import re

from lamina.cli.services.view import Block, Plain, Quiet, view
from lamina.services.events import CONTAINER, NETWORK, Event

STARTING = Event(CONTAINER, "app-web-1", "Starting")
STARTED = Event(CONTAINER, "app-web-1", "Started", done=True)
FAILED = Event(CONTAINER, "app-db-1", "Error", failed=True)


def _shown(text: str) -> list[str]:
    """What a terminal shows at last, without colours."""
    lines: list[str] = []
    row = 0
    for part in re.split(r"(\x1b\[\d+A|\n)", text):
        if part.endswith("A") and part.startswith("\x1b"):
            row -= int(part[2:-1])
        elif part == "\n":
            row += 1
        else:
            plain = re.sub(r"\x1b\[[\d;]*[mK]|\r", "", part)
            lines += [""] * (row + 1 - len(lines))
            lines[row] = plain or lines[row]
    return [line for line in lines if line]


def test_a_line_for_each_event() -> None:
    out = io.StringIO()
    shown = Plain(out)
    for event in (STARTING, STARTED):
        shown(event)
    assert out.getvalue() == (
        " Container app-web-1  Starting\n Container app-web-1  Started\n"
    )


def test_nothing_but_what_has_failed() -> None:
    out = io.StringIO()
    shown = Quiet(out)
    for event in (STARTED, FAILED):
        shown(event)
    assert out.getvalue() == " Container app-db-1  Error\n"


def test_lines_change_in_their_place() -> None:
    out = io.StringIO()
    shown = Block(out, colour=False)
    for event in (
        Event(NETWORK, "app_default", "Created", done=True),
        STARTING,
        FAILED,
        STARTED,
    ):
        shown(event)
    head, network, web, database = _shown(out.getvalue())
    assert head == "[+] Running 3/3"
    assert re.fullmatch(r" ✔ Network app_default  Created  \d\.\ds", network)
    assert re.fullmatch(r" ✔ Container app-web-1  Started  \d\.\ds", web)
    assert re.fullmatch(r" ✘ Container app-db-1  Error  \d\.\ds", database)


def test_a_name_that_is_wider_than_the_terminal_is_cut() -> None:
    out = io.StringIO()
    Block(out, colour=False)(Event(CONTAINER, "x" * 200, "Started", done=True))
    assert all(len(line) <= 80 for line in _shown(out.getvalue()))


def test_after_a_block_comes_a_new_one() -> None:
    out = io.StringIO()
    shown = Block(out, colour=False)
    shown(STARTED)
    shown.close()
    out.truncate(0)
    out.seek(0)
    shown(STARTED)
    assert "\x1b[2A" not in out.getvalue()


def test_what_is_chosen() -> None:
    assert isinstance(view("plain", {}), Plain)
    assert isinstance(view("quiet", {}), Quiet)
    assert isinstance(view("tty", {"TERM": "xterm"}), Block)
