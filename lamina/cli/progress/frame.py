"""The lines of the live view. This module is rich's one door.

It is imported when a step has run for a while: what is quick is told without rich.
"""

from __future__ import annotations

import io

from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.text import Text

from lamina.cli.formats.tables import human_size, one_line
from lamina.cli.progress.state import SHOWN_LINES
from lamina.cli.progress.style import seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.progress.state import Moving, Running, State
    from lamina.cli.progress.style import Style

_WIDEST_BAR = 30


class Frame:
    """Draws a State in the style of one terminal."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self._console = Console(
            file=io.StringIO(),
            force_terminal=True,
            legacy_windows=False,
            color_system="standard" if style.colour else None,
            highlight=False,
            markup=False,
            emoji=False,
        )

    def lines(
        self, state: State, size: tuple[int, int], now: float
    ) -> list[tuple[str, int]]:
        """What fits on a terminal of `size` (columns, rows): text, columns taken.

        One row stays free for the cursor. All that goes on has its line before any
        step has a second one.
        """
        width, height = size
        room = max(1, height - 1)
        heads = len(state.running) + len(state.transfers)
        foot = self._foot(state, width, now)
        if heads > room - 1:
            hidden = heads - (room - 1)
            foot = self._text((f"{self._style.signs.cut} {hidden} more  ", "dim"), foot)
        each = (room - 1 - heads) // max(1, len(state.running))
        each = max(0, min(SHOWN_LINES, each))
        rows: list[Text] = []
        for what, moving in state.transfers.items():
            rows.append(self._transfer(one_line(what), moving, width, now))
        for running in sorted(state.running.values(), key=lambda r: r.began):
            rows.append(self._head(running, now))
            rows += [
                self._text(("           " + line.expandtabs(4), "dim"))
                for line in (running.tail[-each:] if each else ())
            ]
        rows = [*rows[: room - 1], foot]
        return [self._rendered(row, width) for row in rows]

    def _head(self, running: Running, now: float) -> Text:
        took = seconds(now - running.began)
        return self._text(
            (f" {self._style.signs.running} ", "cyan"),
            (f"{took:>7}  ", ""),
            (running.name, "bold"),
        )

    def _transfer(self, name: str, moving: Moving, width: int, now: float) -> Text:
        amount = human_size(moving.done)
        if moving.waits:
            amount = f"waiting {seconds(now - moving.began)}"
        if moving.total:
            amount += f" / {human_size(moving.total)}"
        head = self._text((f" {self._style.signs.transfer} ", "cyan"), (name, ""))
        if not moving.total or width < 40:
            return self._text(head, (f"  {amount}", "dim"))
        head.truncate(width // 2, overflow="crop")
        head.append("  ")
        bar = self._bar(moving, min(_WIDEST_BAR, width - head.cell_len - 22))
        return self._text(head, bar, (f"  {amount}", "dim"))

    def _bar(self, moving: Moving, width: int) -> Text:
        part = min(1.0, moving.done / moving.total)
        full, empty = self._style.signs.bar
        if not self._style.colour or full == "#":
            filled = int(part * width)
            return Text(full * filled + empty * (width - filled))
        bar = ProgressBar(total=1.0, completed=part, width=width)
        options = self._console.options.update(width=width)
        found = Text()
        for segment in Segment.strip_links(self._console.render(bar, options)):
            found.append(segment.text.rstrip("\n"), segment.style)
        return found

    def _foot(self, state: State, width: int, now: float) -> Text:
        done = state.ran + state.cached
        parts = [f"{done} of {state.planned} steps"] if state.planned else []
        if state.cached:
            parts.append(f"{state.cached} cached")
        if len(state.running) > 1:
            parts.append(f"{len(state.running)} running")
        parts.append(seconds(now - state.began))
        while len(parts) > 1 and len("   " + ", ".join(parts)) > width:
            parts.pop(0)
        return self._text(("   " + ", ".join(parts), "dim"))

    def _text(self, *parts: tuple[str, str] | Text) -> Text:
        """Text in styles, or in none where there are no colours."""
        kept = [
            part if self._style.colour or isinstance(part, Text) else part[0]
            for part in parts
        ]
        return Text.assemble(*kept, no_wrap=True, overflow="crop")

    def _rendered(self, row: Text, width: int) -> tuple[str, int]:
        if row.cell_len > width:
            row.truncate(max(0, width - 1), overflow="crop")
            row.append(self._style.signs.cut)
        self._console.width = width
        with self._console.capture() as captured:
            self._console.print(row, end="", soft_wrap=True)
        return captured.get(), row.cell_len
