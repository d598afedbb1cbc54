"""From a flat list of instructions to stages, and the names between them."""

from __future__ import annotations

from lamina.lang.nodes import Arg, Copy, From, Instruction, Run, Stage
from lamina.lang.source import RecipeError, Source, Span
from lamina.values import replace

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
                "only ARG can stand before the first FROM",
                instruction.span,
                hint="Start with the base: FROM debian:bookworm, or FROM scratch.",
            )
    if not stages:
        raise RecipeError(
            "the recipe builds nothing" if global_args else "the recipe is empty",
            Span(source, 0, 0),
            hint="Start with the base: FROM debian:bookworm, or FROM scratch.",
        )
    built = tuple(
        Stage(index, base, tuple(inner)) for index, (base, inner) in enumerate(stages)
    )
    for stage in built:
        _check_references(built, stage)
    return tuple(global_args), built


def find_stage(
    stages: tuple[Stage, ...], name: str, before: int | None = None
) -> Stage | None:
    """The stage of that name, in any case: the nearest of those before stage number
    `before`, or the last in the file."""
    wanted = name.lower()
    for stage in reversed(stages[:before]):
        if stage.base.name == wanted:
            return stage
    return None


def find_source(
    stages: tuple[Stage, ...], name: str, before: int | None = None
) -> Stage | None:
    """What `COPY --from=name` means: a stage by its name or its number."""
    found = find_stage(stages, name, before)
    if found is None and name.isascii() and name.isdigit() and len(name) < 9:
        number = int(name)
        limit = len(stages) if before is None else before
        found = stages[number] if number < limit else None
    return found


def _check_references(stages: tuple[Stage, ...], stage: Stage) -> None:
    """Refuse `--from` and `from=` that name this stage or a later one."""
    for instruction in stage.instructions:
        if isinstance(instruction, Copy) and instruction.from_ is not None:
            _check_name(stages, stage, instruction.from_, instruction.span)
            if instruction.from_.isdigit() and not find_source(
                stages, instruction.from_, stage.index
            ):
                raise RecipeError(
                    f"there is no stage number {instruction.from_} before this one",
                    _narrow(instruction.span, "--from="),
                    hint="Stages count from 0; better give them names with AS.",
                )
        elif isinstance(instruction, Run):
            for mount in instruction.mounts:
                for key, word in mount.fields:
                    if key == "from" and word is not None:
                        _check_name(stages, stage, word.text, word.span)


def _check_name(stages: tuple[Stage, ...], stage: Stage, name: str, span: Span) -> None:
    if find_stage(stages, name, stage.index) is not None:
        return
    later = find_stage(stages, name)
    if later is None:
        return
    span = _narrow(span, "--from=")
    if later is stage:
        raise RecipeError(f"stage {name} cannot take files from itself", span)
    raise RecipeError(
        f"stage {name} comes after the place that needs it",
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
