"""Tracer: where a template is while it is rendered, told by the calls that
`lang.templates.template` puts into it."""

from __future__ import annotations

import re
from bisect import bisect_right

from lamina.lang.source import Frame, Piece, Source, Span
from lamina.lang.templates.budget import DEEPEST, TooMuch
from lamina.lang.templates.filters import concat, printed
from lamina.lang.templates.traced import Traced, placed, runs_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from lamina.lang.templates.budget import Budget

    Render = Callable[..., Iterator[str]]


_WORD = re.compile(r"\w+|\S")


class Text:
    """A template's source, and where each `{{ }}` and `{% %}` of it begins and ends.
    What stands before `start` is not the template's."""

    def __init__(self, source: Source, start: int = 0) -> None:
        self.source = source
        self.start = start
        self.starts: list[int] = []
        self.ends: list[int] = []

    def around(self, offset: int) -> tuple[int, int]:
        """The `{{ }}` or `{% %}` at or before `offset`."""
        found = bisect_right(self.starts, offset) - 1
        if found < 0:
            return offset, offset
        start = self.starts[found]
        return start, self.ends[found] if found < len(self.ends) else start + 2


class Tracer:
    """The frame that is being rendered, and the place in it.

    Templates are known by the name they were loaded under, the recipe's is None. A
    frame that an exception leaves stays, so that it tells where that happened.
    """

    def __init__(self, budget: Budget, root: Frame) -> None:
        self.budget = budget
        self.root = root
        self.texts: dict[str | None, Text] = {}
        self.frame: Frame | None = None
        self.offset = 0
        self._template: str | None = None
        self._cause = ""
        self._extends: dict[int, int] = {}
        # The template and the place that each open frame was entered from.
        self._outer: list[tuple[str | None, int]] = []

    def here(self) -> Span:
        """The `{{ }}` or `{% %}` that is being evaluated, as a span that knows how
        the template got there."""
        start, end = self.texts[self._template].around(self.offset)
        return _through(self.frame or self.root, start, end)

    def unread(self, template: str | None, line: int, offset: int | None) -> Span:
        """The same of a place in a template that cannot be compiled: a word at
        `offset`, or one of its lines, from 1."""
        text = self.texts[template]
        if offset is None:
            start = text.start
            for _ in range(line - 1):
                start = text.source.text.find("\n", start) + 1
            end = start + len(text.source.text[start:].partition("\n")[0])
        else:
            found = _WORD.match(text.source.text, offset)
            start, end = offset, found.end() if found else offset + 1
        if self.frame is None:
            return Span(text.source, start, end)
        around = self.texts[self._template].around(self.offset)
        cause = self._cause or "extended"
        frame = Frame(cause, text.source, "", (), self.frame, *around)
        return _through(frame, start, end)

    # What templates call. `offset` is always a place in their own text.

    def at(self, offset: int) -> None:
        """A statement begins."""
        self.budget.spend()
        self.offset = offset
        self._cause = ""

    def data(self, offset: int, text: str) -> Traced:
        """Text that stands in the template as it is."""
        assert self.frame is not None
        self.budget.text(len(text))
        literal = self.frame.source.text.startswith(text, offset)
        return placed(text, (self.frame, offset, offset + len(text), literal))

    def emit(self, offset: int, given: Any) -> Traced:
        """What an expression gave; text from a macro keeps its own origin."""
        assert self.frame is not None
        text = printed(given)
        self.budget.text(len(text))
        self.budget.spend(len(runs_of(text)))
        start, end = self.texts[self._template].around(offset)
        return placed(text, (self.frame, start, end, False))

    def concat(self, *given: Any) -> str:
        """`a ~ b`."""
        text = concat(given)
        self.budget.text(len(text))
        return text

    def weigh(self, given: Any) -> Any:
        return self.budget.weigh(given)

    def loop(self, offset: int, names: Sequence[str], values: Sequence[Any]) -> None:
        """A turn of a loop begins."""
        given = tuple(zip(names, values, strict=True))
        self._enter("loop", self._template, offset, values=given)

    def body(self, template: str | None, kind: str, name: str) -> None:
        """The body of a macro, call block or block begins."""
        self._enter(kind, template, self.offset, name)

    def leave(self) -> None:
        """What was entered last ends."""
        assert self.frame is not None
        self.frame = self.frame.parent
        self._template, self.offset = self._outer.pop()

    def cause(self, cause: str, offset: int) -> None:
        """The next template to be rendered is included, imported or extended here."""
        if cause == "extended":
            self._extends[id(self.frame)] = offset
        else:
            self._cause = cause
            self.offset = offset

    def template(self, name: str | None, render: Render) -> Render:
        """A template's whole body, in a frame of its own."""

        def traced(context: Any) -> Iterator[str]:
            if self.frame is None:
                self._outer.append((None, 0))
                self.frame = self.root
            elif self._cause:
                self._enter(self._cause, name, self.offset)
            else:
                self._enter("extended", name, self._extends[id(self.frame)])
            yield from render(context)
            self.leave()

        return traced

    def _enter(
        self,
        kind: str,
        template: str | None,
        offset: int,
        name: str = "",
        values: tuple[tuple[str, object], ...] = (),
    ) -> None:
        self._cause = ""
        self.budget.spend(6)
        if len(self._outer) >= DEEPEST:
            raise TooMuch(
                f"More than {DEEPEST} templates, macros and loops are in each other."
            )
        start, end = self.texts[self._template].around(offset)
        self._outer.append((self._template, self.offset))
        source = self.texts[template].source
        self.frame = Frame(kind, source, name, values, self.frame, start, end)
        self._template = template


def _through(frame: Frame, start: int, end: int) -> Span:
    """A span of a frame's template that is seen through the frame."""
    text = frame.source.text
    piece = Piece(0, frame, 0, len(text), True)
    return Span(Source(frame.source.name, text, (piece,)), start, end)
