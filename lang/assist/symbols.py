"""The shape of a recipe: its stages and instructions, and what can be folded."""

from __future__ import annotations

from lamina.lang.assist.scope import StageName, stage_names
from lamina.lang.source import Span
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.lang.assist.reading import Reading, Written

LONGEST = 80


@value
class Symbol:
    """A stage with its instructions, or an instruction. `place` is all of it, `name`
    its name, which stands at `named`."""

    name: str
    detail: str
    kind: str
    place: Span
    named: Span
    inner: tuple[Symbol, ...] = ()


def symbols(reading: Reading) -> tuple[Symbol, ...]:
    """ARGs above the first FROM, then the stages."""
    lines: dict[int, list[Symbol]] = {}
    for line in reading.lines:
        if line.keyword != "FROM":
            lines.setdefault(line.stage, []).append(_instruction(reading, line))
    stages = (
        _stage(reading, stage, tuple(lines.get(stage.index, ())))
        for stage in stage_names(reading)
    )
    return (*lines.get(-1, ()), *stages)


def _instruction(reading: Reading, line: Written) -> Symbol:
    rest = " ".join(line.text[len(line.keyword) :].split())
    detail = rest if len(rest) <= LONGEST else f"{rest[: LONGEST - 3]}..."
    place = Span(reading.source, line.start, line.end)
    named = Span(reading.source, line.start, line.start + len(line.keyword))
    return Symbol(line.keyword, detail, "instruction", place, named)


def _stage(reading: Reading, stage: StageName, inner: tuple[Symbol, ...]) -> Symbol:
    line = stage.line
    end = inner[-1].place.end if inner else line.end
    base = "" if stage.base is None else reading.written(stage.base.span)
    return Symbol(
        stage.name or str(stage.index),
        base,
        "stage",
        Span(reading.source, line.start, end),
        stage.place,
        inner,
    )


def folds(reading: Reading) -> Iterator[Span]:
    """What an editor may fold: stages, instructions of several lines, heredocs."""
    for symbol in symbols(reading):
        yield symbol.place
        for inner in symbol.inner:
            yield inner.place
