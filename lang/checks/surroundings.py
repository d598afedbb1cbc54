"""Surroundings: what checks want to know that does not stand in the recipe."""

from __future__ import annotations

from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lamina.lang.checks.script import Script


@value
class BaseFacts:
    """What an image brings to the stage that stands on it, its triggers included.
    `platform` is os/arch."""

    variables: frozenset[str]
    shell: tuple[str, ...]
    working_dir: str
    platform: str
    # All that the name is there for, when that is more.
    platforms: tuple[str, ...] = ()


@value
class ScriptFinding:
    """What an examiner of shell scripts says of characters `start` to `end`."""

    code: str
    level: str
    message: str
    start: int
    end: int


def _no_facts(_name: str) -> None:
    """Of no image anything is known."""


def _some_name(name: str) -> bool:
    """Any name may be an image's, but the empty one."""
    return bool(name)


def _not_ignored(_path: str) -> str:
    return ""


def nothing_said(scripts: Iterable[Script]) -> Iterable[tuple[ScriptFinding, ...]]:
    """What there is to say of scripts where no examiner is installed."""
    return (() for _ in scripts)


@value
class Surroundings:
    """What is around a recipe. The defaults know nothing, and rules then keep still.

    `base` tells of an image by its name, None when it is not there; `is_image_name`
    whether a name could be one; `ignored` which `.dockerignore` pattern hides a path,
    "" for none; `examine` goes through shell scripts. `platform` is what is built for,
    "" when that is not known; `build_args` are those of the command line.
    """

    base: Callable[[str], BaseFacts | None] = _no_facts
    is_image_name: Callable[[str], bool] = _some_name
    ignored: Callable[[str], str] = _not_ignored
    examine: Callable[[tuple[Script, ...]], Iterable[tuple[ScriptFinding, ...]]] = (
        nothing_said
    )
    platform: str = ""


UNKNOWN = Surroundings()
