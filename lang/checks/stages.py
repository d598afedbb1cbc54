"""Checks of stages and of the names that refer to them."""

from __future__ import annotations

from lamina.lang import nodes
from lamina.lang.checks.reading import sources
from lamina.lang.checks.rule import Found
from lamina.lang.suggest import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.lang.checks.reading import Reading

RESERVED = ("context", "scratch")


def duplicate_stage_name(reading: Reading) -> Iterator[Found]:
    """Of two stages with one name, a reference means the nearest before it."""
    for stage in reading.stages:
        name = stage.base.name
        if name and reading.names.before(name, stage.index) is not None:
            yield Found(
                f'Duplicate stage name "{name}", stage names should be unique',
                stage.base.alias or stage.base.span,
                "A later --from means the nearest one above it.",
            )


def reserved_stage_name(reading: Reading) -> Iterator[Found]:
    """`scratch` and `context` mean something else in FROM and --from."""
    for stage in reading.stages:
        if stage.base.name in RESERVED and stage.base.alias is not None:
            yield Found(
                "Stage name should not use the same name as reserved stage "
                f'"{stage.base.name}"',
                stage.base.alias,
            )


def stage_defined_later(reading: Reading) -> Iterator[Found]:
    """Ours. FROM sees only the stages above it; below, the name is an image's."""
    for stage in reading.stages:
        name = stage.base.image.text
        if reading.names.base(name, stage.index) is None:
            later = reading.names.last(name)
            if later is not None and later is not stage:
                yield Found(
                    f"'{name}' is taken for an image: the stage of that name starts "
                    f"only on line {later.base.span.line}",
                    stage.base.image.span,
                    "Move that stage up.",
                )


def unknown_copy_from(reading: Reading) -> Iterator[Found]:
    """A `--from` without a tag or a path that is no stage is a misspelt one."""
    known = [stage.base.name for stage in reading.stages if stage.base.name]
    for stage in reading.stages:
        for word in sources(stage):
            name = word.text
            if word.parts is not None or any(sign in name for sign in ":/@$"):
                continue
            if name == "scratch" or name.lower() in RESERVED:
                continue
            if reading.names.source(name, stage.index) is None and (
                reading.surroundings.base(name) is None
            ):
                yield Found(
                    f"'{name}' is no stage above, so the image of that name is meant",
                    word.span,
                    (did_you_mean(name, known) if len(known) < 500 else "")
                    or f"If an image is meant, write its tag: {name}:TAG.",
                )


def multiple_instructions_disallowed(reading: Reading) -> Iterator[Found]:
    """Of several CMD, ENTRYPOINT or HEALTHCHECK in a stage the last one counts."""
    for stage in reading.stages:
        for kind in (nodes.Cmd, nodes.Entrypoint, nodes.Healthcheck):
            found = [i for i in stage.instructions if isinstance(i, kind)]
            for instruction in found[:-1]:
                yield Found(
                    f"Multiple {kind.__name__.upper()} instructions should not be used "
                    "in the same stage because only the last one will be used",
                    instruction.span,
                    "Take it out; the last one counts.",
                )
