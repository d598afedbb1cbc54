"""From a flat list of instructions to stages, and the names between them."""

from __future__ import annotations

from bisect import bisect_left

from lamina.lang import quirks
from lamina.lang.dialect import DOCKERFILE, Dialect
from lamina.lang.nodes import Arg, Copy, From, Instruction, Run
from lamina.lang.recipe import Stage
from lamina.lang.source import RecipeError, Source, Span
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lamina.lang.words import Word


def assemble(
    instructions: Iterable[Instruction | From],
    report: Callable[[RecipeError], None],
) -> tuple[tuple[Arg, ...], tuple[Stage, ...]]:
    """The global ARGs and the stages; what belongs to neither is reported."""
    global_args: list[Arg] = []
    stages: list[tuple[From, list[Instruction]]] = []
    told = False
    for instruction in instructions:
        if isinstance(instruction, From):
            stages.append((instruction, []))
        elif stages:
            stages[-1][1].append(instruction)
        elif isinstance(instruction, Arg):
            global_args.append(instruction)
        elif not told:
            told = True  # of the first; it is one mistake
            report(
                RecipeError(
                    "Only ARG can stand before the first FROM.",
                    instruction.span,
                    hint="Start with the base: FROM debian:bookworm, or FROM scratch.",
                )
            )
    built = tuple(
        Stage(index, base, tuple(inner)) for index, (base, inner) in enumerate(stages)
    )
    return tuple(global_args), built


def nothing_built(source: Source, global_args: tuple[Arg, ...]) -> RecipeError:
    """What is wrong with a recipe without a stage."""
    return RecipeError(
        "The recipe builds nothing." if global_args else "The recipe is empty.",
        Span(source, 0, 0),
        hint="Start with the base: FROM debian:bookworm, or FROM scratch.",
    )


@value
class StageNames:
    """Stages by name. Names match in any case; of two, the nearest one counts."""

    stages: tuple[Stage, ...]
    places: dict[str, list[int]]
    dialect: Dialect = DOCKERFILE

    def base(self, name: str, index: int) -> Stage | None:
        """The stage that `FROM name` of stage `index` means; None for an image."""
        if self.dialect.keeps(quirks.FROM_CASE) and name != name.lower():
            return None
        return self.before(name, index)

    def before(self, name: str, index: int) -> Stage | None:
        """The nearest stage of that name with a number below `index`."""
        places = self.places.get(name.lower(), [])
        found = bisect_left(places, index)
        return self.stages[places[found - 1]] if found else None

    def source(self, name: str, index: int) -> Stage | None:
        """What `COPY --from=name` in stage `index` means: a name, else a number."""
        found = self.before(name, index)
        if found is not None and self.dialect.keeps(quirks.LAST_STAGE):
            found = self.last(name)
            return found if found is not None and found.index < index else None
        if found is None and name.isascii() and name.isdigit() and len(name) < 9:
            found = self.stages[int(name)] if int(name) < index else None
        return found

    def last(self, name: str) -> Stage | None:
        """The last stage of that name in the file: what `--target` means."""
        return self.before(name, len(self.stages))


def stage_names(stages: tuple[Stage, ...], dialect: Dialect = DOCKERFILE) -> StageNames:
    """The index of `stages` by name."""
    places: dict[str, list[int]] = {}
    for stage in stages:
        if stage.base.name is not None:
            places.setdefault(stage.base.name, []).append(stage.index)
    return StageNames(stages, places, dialect)


def check_references(
    stages: tuple[Stage, ...],
    dialect: Dialect,
    report: Callable[[RecipeError], None],
) -> None:
    """Report `--from` and `from=` that name their own stage or a later one."""
    names = stage_names(stages, dialect)
    for stage in stages:
        for instruction in stage.instructions:
            for error in _wrong_references(names, stage, instruction):
                report(error)


def _wrong_references(
    names: StageNames, stage: Stage, instruction: Instruction
) -> Iterator[RecipeError]:
    if isinstance(instruction, Copy) and instruction.from_ is not None:
        word = instruction.from_
        if word.parts is not None:
            return  # only known when it is expanded
        yield from _wrong_name(names, stage, word)
        name = word.text
        number = name.isascii() and name.isdigit()
        if number and names.source(name, stage.index) is None:
            yield RecipeError(
                f"There is no stage number {name} before this one.",
                word.span,
                hint="Stages count from 0; better name them with AS.",
            )
    elif isinstance(instruction, Run):
        for mount in instruction.mounts:
            for key, given in mount.fields:
                if key == "from" and given is not None:
                    yield from _wrong_name(names, stage, given)


def _wrong_name(names: StageNames, stage: Stage, word: Word) -> Iterator[RecipeError]:
    name = word.text
    if names.source(name, stage.index) is not None:
        return
    later = names.last(name)
    if later is None:
        return
    if later is stage:
        yield RecipeError(
            f"Stage {name} cannot take files from itself.",
            word.span,
            hint=f"If the image {name} is meant, write docker.io/library/{name}.",
        )
        return
    yield RecipeError(
        f"Stage {name} comes after the place that needs it.",
        word.span,
        hint=f"Move it up (it starts on line {later.base.span.line}), or, if the image "
        f"{name} is meant, write docker.io/library/{name}.",
    )
