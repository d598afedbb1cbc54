"""Text that knows, character by character, where it came from, while it is put
together: what a template's pieces are until they are one Source."""

from __future__ import annotations

from lamina.lang.source import Frame, Piece, Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, SupportsIndex

    # How many characters; the frame, the place in its template, and whether they stand
    # there like this. None for text that nothing is known of yet.
    Origin = tuple[Frame, int, int, bool]
    Run = tuple[int, Origin | None]


class Traced(str):
    """A str with its origins, which survive being joined, added, cut and stripped.

    Whatever else is done to it gives a plain str: where that is printed is then all
    that can be said of it.
    """

    __slots__ = ("runs",)
    runs: tuple[Run, ...]

    @classmethod
    def of(cls, text: str, runs: Iterable[Run]) -> Traced:
        """`text` whose characters have these origins, in order."""
        made = cls(text)
        made.runs = tuple(runs)
        return made

    def __str__(self) -> str:
        return self

    def __add__(self, other: str) -> str:
        return join((self, other)) if isinstance(other, str) else NotImplemented

    def __radd__(self, other: str) -> str:
        return join((other, self)) if isinstance(other, str) else NotImplemented

    def __getitem__(self, key: SupportsIndex | slice) -> str:
        text = super().__getitem__(key)
        if not isinstance(key, slice):
            return text
        start, stop, step = key.indices(len(self))
        return self._cut(text, start, stop) if step == 1 else text

    def strip(self, chars: str | None = None, /) -> str:
        return join((self.lstrip(chars),)).rstrip(chars)

    def lstrip(self, chars: str | None = None, /) -> str:
        text = super().lstrip(chars)
        return self._cut(text, len(self) - len(text), len(self))

    def rstrip(self, chars: str | None = None, /) -> str:
        text = super().rstrip(chars)
        return self._cut(text, 0, len(text))

    def splitlines(self, keepends: bool = False) -> list[str]:
        lines = []
        at = 0
        for line in super().splitlines(keepends=True):
            kept = line if keepends else line.splitlines()[0]
            lines.append(self._cut(kept, at, at + len(kept)))
            at += len(line)
        return lines

    def _cut(self, text: str, start: int, stop: int) -> str:
        return Traced.of(text, _part(runs_of(self), start, stop))


def runs_of(text: str) -> tuple[Run, ...]:
    """The runs of any text; one without an origin for a plain one."""
    runs: Any = getattr(text, "runs", None)
    if runs is not None:
        return tuple(runs)
    return ((len(text), None),) if text else ()


def join(texts: Iterable[str]) -> str:
    """The texts in one, which is Traced when any of them is."""
    parts = tuple(texts)
    if not any(isinstance(part, Traced) for part in parts):
        return "".join(parts)
    return Traced.of("".join(parts), (run for part in parts for run in runs_of(part)))


def placed(text: str, origin: Origin) -> Traced:
    """The text, with `origin` for what has none yet."""
    return Traced.of(text, ((size, known or origin) for size, known in runs_of(text)))


def to_source(name: str, texts: Iterable[str]) -> Source:
    """One Source of texts whose origins are all known."""
    parts = tuple(texts)
    pieces = []
    at = 0
    for part in parts:
        for size, origin in runs_of(part):
            assert origin is not None
            frame, start, end, literal = origin
            pieces.append(Piece(at, frame, start, end, literal))
            at += size
    return Source(name, "".join(parts), tuple(pieces))


def _part(runs: tuple[Run, ...], start: int, stop: int) -> list[Run]:
    """The runs of the characters from `start` up to `stop`."""
    found: list[Run] = []
    at = 0
    for size, origin in runs:
        first, last = max(start, at), min(stop, at + size)
        if first < last:
            found.append((last - first, _narrowed(origin, first - at, last - at)))
        at += size
    return found


def _narrowed(origin: Origin | None, first: int, last: int) -> Origin | None:
    if origin is None or not origin[3]:
        return origin
    frame, start, _, _ = origin
    return (frame, start + first, start + last, True)
