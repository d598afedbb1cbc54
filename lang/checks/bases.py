"""Checks of FROM: the image, its tag, its platform."""

from __future__ import annotations

from lamina.lang.checks.reading import SCHEMES
from lamina.lang.checks.rule import Found
from lamina.lang.suggest import did_you_mean
from lamina.lang.variables import AUTOMATIC, plain_variables, variables, words
from lamina.lang.words import Substitution

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.lang.checks.reading import Reading
    from lamina.lang.recipe import Stage

# Other names for architectures, in the platform's normal form.
_ARCHITECTURES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64"}
# Beyond so many names a suggestion is a guess, and takes its time.
_MOST_NAMES = 500


def undefined_arg_in_from(reading: Reading) -> Iterator[Found]:
    """FROM sees only the ARGs before the first FROM, and the automatic ones."""
    declared = {name for arg in reading.recipe.global_args for name, _ in arg.args}
    known = declared | AUTOMATIC
    for stage in reading.stages:
        for word in words(stage.base):
            for name in plain_variables(word.parts):
                if name not in known:
                    near = did_you_mean(name, known) if len(known) < _MOST_NAMES else ""
                    yield Found(
                        f"FROM argument '{name}' is not declared",
                        word.span,
                        near or f"Write ARG {name} before the first FROM.",
                    )


def invalid_default_arg_in_from(reading: Reading) -> Iterator[Found]:
    """Who builds without --build-arg should get a base, too."""
    for stage in reading.stages:
        word = stage.base.image
        if word.parts is None:
            continue
        name = reading.with_defaults(word)
        if name is None or name.startswith(SCHEMES):
            continue
        if not name or not reading.surroundings.is_image_name(name):
            used = sorted({part.name for part in variables(word.parts)})
            yield Found(
                f"Default value for ARG {word.text} results in empty or invalid base "
                "image name",
                word.span,
                f"Give it one: ARG {used[0]}=VALUE before the first FROM."
                if used
                else "",
            )


def invalid_base_image_platform(reading: Reading) -> Iterator[Found]:
    """The image of that name in the store is for another machine."""
    for stage in reading.stages:
        name = reading.image(stage)
        if name is None or name == "scratch" or reading.parent(stage) is not None:
            continue
        wanted = reading.surroundings.platform
        if stage.base.platform is not None:
            wanted = reading.expanded(stage.base.platform) or wanted
        facts = reading.surroundings.base(name) if wanted else None
        if facts is None:
            continue
        there = map(_machine, facts.platforms or (facts.platform,))
        if _machine(wanted) not in there:
            yield Found(
                f'Base image {name} was pulled with platform "{facts.platform}", '
                f'expected "{wanted}" for current build',
                stage.base.image.span,
                f"Load the image again for {wanted}.",
            )


def _machine(platform: str) -> tuple[str, str]:
    """The operating system and the architecture: all that has to match."""
    system, slash, rest = platform.lower().partition("/")
    if not slash:
        # An architecture alone is one of Linux.
        system, rest = "linux", system
    architecture = rest.partition("/")[0]
    return system, _ARCHITECTURES.get(architecture, architecture)


def redundant_target_platform(reading: Reading) -> Iterator[Found]:
    """`--platform=$TARGETPLATFORM` is the default."""
    for stage in reading.stages:
        platform = stage.base.platform
        if platform is None or platform.parts is None or len(platform.parts) != 1:
            continue
        (part,) = platform.parts
        if isinstance(part, Substitution) and (part.name, part.operator) == (
            "TARGETPLATFORM",
            "",
        ):
            yield Found(
                f"Setting platform to predefined {platform.text} in FROM is redundant "
                "as this is the default behavior",
                platform.span,
                "Leave --platform out.",
            )


def from_platform_flag_const_disallowed(reading: Reading) -> Iterator[Found]:
    """A constant platform makes a recipe for one machine, unless the stage says so."""
    for stage in reading.stages:
        platform = stage.base.platform
        if platform is None or platform.parts is not None:
            continue
        system, architecture = _machine(platform.text)
        name = stage.base.name or ""
        if system and not any(p and p in name for p in (system, architecture)):
            yield Found(
                f'FROM --platform flag should not use constant value "{platform.text}"',
                platform.span,
                "Leave it out and build with --platform; or, if this stage is for one "
                f"machine only, say so in its name: AS NAME-{architecture or system}.",
            )


def untagged_base(reading: Reading) -> Iterator[Found]:
    """Without a tag `latest` is meant, which is another image every month."""
    for stage, name in _images(reading):
        if ":" not in name.rpartition("/")[2] and "@" not in name:
            tag = (
                f"Write FROM {name}:TAG, or {name}@sha256:... for the very same bytes."
            )
            yield Found(
                f"The base {name} has no tag, so each build may get another one",
                stage.base.image.span,
                f"{_other_stage(reading, stage, name)} {tag}".lstrip(),
            )


def _other_stage(reading: Reading, stage: Stage, name: str) -> str:
    """Whether a base is perhaps a stage whose name is misspelt."""
    names = [other for other in reading.names.places if other != stage.base.name]
    # It is an image's name first of all.
    near = did_you_mean(name, names, 0.75) if len(names) < _MOST_NAMES else ""
    return near.replace("mean", "mean the stage", 1)


def latest_base(reading: Reading) -> Iterator[Found]:
    """`latest` names whatever was pushed last."""
    for stage, name in _images(reading):
        if name.endswith(":latest"):
            yield Found(
                f"The base {name} is another image whenever its authors push one",
                stage.base.image.span,
                "Write the tag of a version.",
            )


def _images(reading: Reading) -> Iterator[tuple[Stage, str]]:
    """The stages that stand on images whatever a variable's value is, and these by
    name."""
    for stage in reading.stages:
        name = reading.image(stage)
        if not name or name == "scratch" or name.startswith(SCHEMES):
            continue
        if reading.parent(stage) is None and not reading.may_be_stage(stage):
            yield stage, name
