"""What a step writes, cut into lines as it comes.

Bytes arrive in pieces that end anywhere: within a character, within an escape
sequence, or never at the end of a line.
"""

from __future__ import annotations

from lamina.builder.ops.output import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.builder.events import CacheWritten

# What a program writes without ever ending a line is cut here.
_LONGEST = 1 << 14


def _readable_lines(lines: list[bytes]) -> list[str]:
    """Each line by itself, but what needs no care, as most do not, all at once."""
    text = b"\n".join(lines).decode(errors="replace")
    if lines and text.replace("\n", "").isprintable():
        return text.split("\n")
    return [printable(line) for line in lines]


def readable(text: str) -> str:
    """A name or a note from a recipe, as text that cannot steer a terminal."""
    return text if text.isprintable() else printable(text.encode(errors="replace"))


def cache_line(event: CacheWritten) -> str:
    """A cache that was written for others, in one line."""
    from lamina.cli.formats.tables import human_size

    new = f"{human_size(event.sent)} new" if event.sent else "nothing new"
    steps = f"{event.steps} step" + "s" * (event.steps != 1)
    layers = f"{event.layers} layer" + "s" * (event.layers != 1)
    return readable(f"cache to {event.place}: {steps}, {layers}, {new}")


class Lines:
    """The lines of one step; `rest` is the one that has not ended."""

    def __init__(self) -> None:
        self._rest = b""

    def add(self, data: bytes) -> list[str]:
        """The lines that `data` ends, as text that cannot steer a terminal."""
        return _readable_lines(self.ended(data))

    def last(self, data: bytes, number: int) -> list[str]:
        """As `add`, but only the last lines, and none that is empty."""
        found: list[str] = []
        for line in reversed(self.ended(data)):
            text = printable(line)
            if text.strip():
                found.append(text)
                if len(found) == number:
                    break
        return found[::-1]

    def ended(self, data: bytes) -> list[bytes]:
        """The lines that `data` ends, as they came."""
        *whole, rest = (self._rest + data).split(b"\n")
        while len(rest) > _LONGEST:
            whole.append(rest[:_LONGEST])
            rest = rest[_LONGEST:]
        # Of a progress bar that draws itself over and over, only the last one counts.
        before, returned, after = rest.rpartition(b"\r")
        if returned and after:
            rest = after
        elif returned:
            rest = before.rpartition(b"\r")[2] + b"\r"
        self._rest = rest
        return whole

    @property
    def rest(self) -> str:
        """The line that has begun, as far as it is known."""
        return printable(self._rest)

    def end(self) -> list[str]:
        """The last line, where the step did not end it itself."""
        rest, self._rest = self._rest, b""
        return [printable(rest)] if rest else []
