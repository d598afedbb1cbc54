"""What can go wrong between a recipe and its image."""

from __future__ import annotations

from lamina.errors import LaminaError
from lamina.lang.source import RecipeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.lang.source import Span


class InvalidInstruction(RecipeError):
    """An instruction that says something impossible once its words are expanded."""


class UnknownBase(RecipeError):
    """A base that is nowhere: says where it was looked for."""


class FindingError(RecipeError):
    """A check of the recipe that found an error."""


class StepFailed(LaminaError):
    """A step whose command failed: its last output, and its place in the recipe."""


class StepsFailed(LaminaError):
    """Several steps failed, in a build that went on after the first."""


class SolveAgain(LaminaError):
    """What a step was to stand on is not as it was; solved once more, it may be."""


class LayersLost(SolveAgain):
    """What a shared cache promised and does not give; their steps have to run."""


class SourceChanged(SolveAgain):
    """A file that is another, or gone, since a key was made of it."""


class Stopped(LaminaError):
    """What was under way when the build ended, and ended with it."""


class InvalidOption(LaminaError):
    """A build option that cannot be met."""


class InvalidPattern(LaminaError):
    """A pattern of `.dockerignore` or `--exclude` that is not well-formed."""


class InvalidMode(LaminaError):
    """A `--chmod` that is neither octal nor a list of changes."""


class MissingSource(LaminaError):
    """A file that COPY or ADD names and that is not there."""


class OutsideContext(LaminaError):
    """A source that lies outside the build context."""


class CopyConflict(LaminaError):
    """A file where a directory is, a directory where a file is."""


class CopyFailed(LaminaError):
    """Files that could not be read, or could not be given their owner or mode."""


class DownloadFailed(LaminaError):
    """An address of ADD that gave no file, or not the one with the checksum."""


class AgentFailed(LaminaError):
    """An ssh agent or a key that a step cannot be lent."""


class BootstrapFailed(LaminaError):
    """A distribution's packages could not be made into a base image."""


def together(errors: list[LaminaError]) -> LaminaError:
    """One error for all: the only one as it is."""
    if len(errors) == 1:
        return errors[0]
    parts = []
    for error in errors:
        lines = [error.message, f"  at {error.place}", error.excerpt]
        parts += lines if error.place else [error.message, error.excerpt]
        if error.hint:
            parts.append(f"  hint: {error.hint}")
    text = "\n".join(part for part in parts if part)
    return StepsFailed(f"{len(errors)} steps failed.", excerpt=text)


def placed(error: LaminaError, span: Span | None) -> LaminaError:
    """The same error with the place in the recipe that caused it, unless it has one."""
    if not error.place and span is not None:
        from lamina.lang.source import excerpt

        error.place = str(span)
        parts = (error.excerpt, excerpt(span))
        error.excerpt = "\n".join(part for part in parts if part)
    return error
