"""From a flat list of instructions to stages, and the names between them."""

from __future__ import annotations

from bisect import bisect_left

from lamina.lang.nodes import Arg, Copy, From, Instruction, Run, Stage
from lamina.lang.source import RecipeError, Source, Span
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def assemble(
    source: Source, instructions: Iterable[Instruction | From]
) -> tuple[tuple[Arg, ...], tuple[Stage, ...]]:
    """The global ARGs and the stages, whose references to each other are checked."""
    global_args: list[Arg] = []
    stages: list[tuple[From, list[Instruction]]] = []
    for instruction in instructions:
        if isinstance(instruction, From):
            stages.append((instruction, []))
        elif stages:
            stages[-1][1].append(instruction)
        elif isinstance(instruction, Arg):
            global_args.append(instruction)
        else:
            raise RecipeError(
                "Only ARG can stand before the first FROM.",
                instruction.span,
                hint="Start with the base: FROM debian:bookworm, or FROM scratch.",
            )
    if not stages:
        raise RecipeError(
            "The recipe builds nothing." if global_args else "The recipe is empty.",
            Span(source, 0, 0),
            hint="Start with the base: FROM debian:bookworm, or FROM scratch.",
        )
    built = tuple(
        Stage(index, base, tuple(inner)) for index, (base, inner) in enumerate(stages)
    )
    names = stage_names(built)
    for stage in built:
        _check_references(names, stage)
    return tuple(global_args), built


@value
class StageNames:
    """Stages by name. Names match in any case; of two, the nearest one counts."""

    stages: tuple[Stage, ...]
    places: dict[str, list[int]]

    def before(self, name: str, index: int) -> Stage | None:
        """The nearest stage of that name with a number below `index`."""
        places = self.places.get(name.lower(), [])
        found = bisect_left(places, index)
        return self.stages[places[found - 1]] if found else None

    def source(self, name: str, index: int) -> Stage | None:
        """What `COPY --from=name` in stage `index` means: a name, else a number."""
        found = self.before(name, index)
        if found is None and name.isascii() and name.isdigit() and len(name) < 9:
            found = self.stages[int(name)] if int(name) < index else None
        return found

    def last(self, name: str) -> Stage | None:
        """The last stage of that name in the file: what `--target` means."""
        return self.before(name, len(self.stages))


def stage_names(stages: tuple[Stage, ...]) -> StageNames:
    """The index of `stages` by name."""
    places: dict[str, list[int]] = {}
    for stage in stages:
        if stage.base.name is not None:
            places.setdefault(stage.base.name, []).append(stage.index)
    return StageNames(stages, places)


def _check_references(names: StageNames, stage: Stage) -> None:
    """Refuse `--from` and `from=` that name this stage or a later one."""
    for instruction in stage.instructions:
        if isinstance(instruction, Copy) and instruction.from_ is not None:
            name, span = instruction.from_, instruction.span
            _check_name(names, stage, name, span)
            number = name.isascii() and name.isdigit()
            if number and names.source(name, stage.index) is None:
                raise RecipeError(
                    f"There is no stage number {name} before this one.",
                    _narrow(span, "--from="),
                    hint="Stages count from 0; better name them with AS.",
                )
        elif isinstance(instruction, Run):
            for mount in instruction.mounts:
                for key, word in mount.fields:
                    if key == "from" and word is not None:
                        _check_name(names, stage, word.text, word.span)


def _check_name(names: StageNames, stage: Stage, name: str, span: Span) -> None:
    if names.before(name, stage.index) is not None:
        return
    later = names.last(name)
    if later is None:
        return
    span = _narrow(span, "--from=")
    if later is stage:
        raise RecipeError(
            f"Stage {name} cannot take files from itself.",
            span,
            hint=f"If the image {name} is meant, write docker.io/library/{name}.",
        )
    raise RecipeError(
        f"Stage {name} comes after the place that needs it.",
        span,
        hint=f"Move it up (it starts on line {later.base.span.line}), or, if the image "
        f"{name} is meant, write docker.io/library/{name}.",
    )


def _narrow(span: Span, prefix: str) -> Span:
    """The word of `span` that starts with `prefix`, if there is one."""
    start = span.text.find(prefix)
    if start < 0:
        return span
    end = start + len(span.text[start:].split(None, 1)[0])
    return replace(span, start=span.start + start, end=span.start + end)
