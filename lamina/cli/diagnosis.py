"""What is wrong with a text that an editor holds: errors and findings, at the places
that the user wrote."""

from __future__ import annotations

import os

from lamina.errors import LaminaError
from lamina.lang.parser import examine
from lamina.lang.rules import RULES, check
from lamina.lang.source import RecipeError, Span
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.builder.recipe import RecipeInputs
    from lamina.lang.nodes import Finding

# What the code of an error is that no rule has found.
SYNTAX = "syntax"
# Rendered text can say the same thing wrong a million times.
MOST = 1000


@value
class Problem:
    """One thing that is wrong in the recipe's own text, from `start` up to `end`.

    `code` is the rule's name, or `syntax`; `level` error, warning or note; `hint` how
    to get on, `chain` how a template came to it, both "" or more lines.
    """

    code: str
    level: str
    message: str
    hint: str
    chain: tuple[str, ...]
    start: int
    end: int


def diagnose(inputs: RecipeInputs) -> tuple[Problem, ...]:
    """All errors, and the findings about what could be read, in order of place."""
    from lamina.builder.recipe import read_source

    try:
        source = read_source(inputs)
    except RecipeError as error:
        return (_error(error),)
    except LaminaError as error:
        return (Problem(SYNTAX, "error", error.message, error.hint, (), 0, 0),)
    examined = examine(source)
    found = [_error(error) for error in examined.errors]
    if examined.recipe is not None:
        found += map(_finding, check(examined.recipe))
    # A loop's turns all say the same.
    once = {(p.start, p.end, p.code, p.message): p for p in reversed(found)}
    ordered = sorted(once.values(), key=lambda problem: (problem.start, problem.end))
    return tuple(ordered[:MOST])


def _error(error: RecipeError) -> Problem:
    return _problem(SYNTAX, "error", error.message, error.hint, error.span)


def _finding(finding: Finding) -> Problem:
    return _problem(
        finding.rule, finding.level, finding.message, finding.hint, finding.span
    )


def _problem(code: str, level: str, message: str, hint: str, span: Span) -> Problem:
    place = span.in_recipe
    chain = [str(frame) for frame in span.chain]
    if span.written.source.name != place.source.name:
        chain.insert(0, f"at {span}")
    return Problem(code, level, message, hint, tuple(chain), place.start, place.end)


def documentation(code: str) -> str:
    """The address of what the docs say of a rule; "" where they are not installed."""
    if not any(rule.name == code for rule in RULES):
        return ""
    here = os.path.realpath(os.path.dirname(__file__))
    path = os.path.join(os.path.dirname(os.path.dirname(here)), "docs", "checks.md")
    return f"file://{path}#{code.lower()}" if os.path.exists(path) else ""
