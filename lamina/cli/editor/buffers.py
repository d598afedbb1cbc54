"""The texts that an editor has open. What it holds counts, never the file on disk."""

from __future__ import annotations

import os
from urllib.parse import unquote, urlsplit

from lamina.lang.assist.positions import Positions, positions
from lamina.lang.assist.reading import Reading, read
from lamina.values import value


@value
class Buffer:
    """One text at one time. `name` is the file's, `path` where it lies, "" where it is
    no file; `folder` is what a template may include from."""

    uri: str
    name: str
    path: str
    version: int
    positions: Positions
    readings: list[Reading]

    @property
    def text(self) -> str:
        return self.positions.text

    @property
    def folder(self) -> str:
        return os.path.dirname(self.path)

    def reading(self) -> Reading:
        """The text, read; once."""
        if not self.readings:
            self.readings.append(read(self.name, self.text))
        return self.readings[0]


def opened(uri: str, text: str, version: int, unit: str) -> Buffer:
    """A text that was just opened; `unit` is what its characters are counted in."""
    parts = urlsplit(uri)
    path = unquote(parts.path)
    where = path if parts.scheme == "file" else ""
    name = path.rsplit("/", 1)[-1]
    return Buffer(uri, name, where, version, positions(_whole(text), unit), [])


def edited(
    buffer: Buffer, text: str, place: tuple[int, int, int, int] | None = None
) -> Buffer:
    """The buffer with `text` instead of what is between two positions, or of all."""
    old = buffer.positions
    if place is not None:
        start, end = old.offset(*place[:2]), old.offset(*place[2:])
        text = old.text[:start] + text + old.text[max(start, end) :]
    made = positions(_whole(text), old.unit)
    return Buffer(buffer.uri, buffer.name, buffer.path, buffer.version, made, [])


def _whole(text: str) -> str:
    """The text without halves of UTF-16 pairs, which JSON can hold and UTF-8 can't."""
    if text.isascii():
        return text
    units = text.encode("utf-16-le", errors="surrogatepass")
    return units.decode("utf-16-le", errors="replace")
