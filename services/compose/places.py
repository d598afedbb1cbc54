"""Where in its files a value of the canonical tree was written."""

from __future__ import annotations

from lamina.errors import visible
from lamina.services.errors import ComposeError
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# Keys and indexes from the root of the tree: ("services", "web", "ports", 0).
Path = tuple["str | int", ...]

# What an excerpt shows of a line.
WIDEST = 160


@value
class Place:
    """A line and a column, from 1, of a file; `text` is that line."""

    file: str
    line: int
    column: int
    text: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    @property
    def excerpt(self) -> str:
        """The line, and `^` under the column."""
        at = self.column - 1
        start = max(0, at - WIDEST // 2) if len(self.text) > WIDEST else 0
        shown = visible(self.text[start : start + WIDEST]).rstrip()
        if not shown:
            return ""
        blanks = "".join("\t" if c == "\t" else " " for c in shown[: at - start])
        return f"{self.line:5} | >>> {shown}\n{' ' * 12}{blanks}^"


@value
class Places:
    """The places of paths in a tree.

    What was made up (a default, a part of a short form) has the place of the nearest
    value around it.
    """

    known: Mapping[Path, Place]

    def find(self, *path: str | int) -> Place | None:
        """Where the value at the path was written."""
        for length in range(len(path), -1, -1):
            found = self.known.get(path[:length])
            if found is not None:
                return found
        return None

    def error(self, message: str, *path: str | int, hint: str = "") -> ComposeError:
        """A ComposeError at the path's place, ready to be raised."""
        return error_at(self.find(*path), message, hint=hint)


def error_at(place: Place | None, message: str, *, hint: str = "") -> ComposeError:
    """A ComposeError at a place, ready to be raised."""
    if place is None:
        return ComposeError(message, hint=hint)
    return ComposeError(message, hint=hint, place=str(place), excerpt=place.excerpt)
