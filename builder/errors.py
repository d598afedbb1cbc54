"""What can go wrong between a recipe and its image."""

from __future__ import annotations

from lamina.errors import LaminaError
from lamina.lang.source import RecipeError


class InvalidInstruction(RecipeError):
    """An instruction that says something impossible once its words are expanded."""


class UnknownStage(RecipeError):
    """A stage that no FROM names, or a `--from` that nothing provides."""


class UnknownBase(RecipeError):
    """A base that is nowhere: says where it was looked for."""


class FindingError(RecipeError):
    """A check of the recipe that found an error."""


class StepFailed(LaminaError):
    """A step whose command failed: its last output, and its place in the recipe."""


class InvalidOption(LaminaError):
    """A build option that cannot be met."""


class BootstrapFailed(LaminaError):
    """A distribution's packages could not be made into a base image."""
