"""What is wrong with a text that an editor holds: errors and findings, at the places
that the user wrote."""

from __future__ import annotations

import json
import os

from lamina.builder.recipe import RecipeInputs, ValuesFile, read_source
from lamina.errors import LaminaError
from lamina.lang.declarations import UnknownVariable, declarations
from lamina.lang.dialect import Dialect, dialect_of
from lamina.lang.parser import examine
from lamina.lang.render import is_template
from lamina.lang.rules import RULES, check
from lamina.lang.source import RecipeError, Source, Span
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.lang.declarations import Variable
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
    """All errors, and the findings about what could be read, in order of place.

    `settings` and `values` are for every recipe that an editor opens, so a recipe
    takes what it declares, and a sample where it gets nothing.
    """
    written = Source(inputs.name, inputs.data.decode())
    try:
        source = _rendered(written, inputs)
    except RecipeError as error:
        return (_error(written, error),)
    except LaminaError as error:
        return (Problem(SYNTAX, "error", error.message, error.hint, (), 0, 0),)
    examined = examine(source, _dialect(source, inputs.compat))
    found = [_error(written, error) for error in examined.errors]
    if examined.recipe is not None:
        found += [_finding(written, it) for it in check(examined.recipe)]
    # A loop's turns all say the same.
    once = {(p.start, p.end, p.code, p.message): p for p in reversed(found)}
    ordered = sorted(once.values(), key=lambda problem: (problem.start, problem.end))
    return tuple(ordered[:MOST])


def _dialect(source: Source, compat: bool) -> Dialect | None:
    try:
        return dialect_of(source.name, source.text, compat)
    except RecipeError:
        return None  # `examine` tells


def _rendered(written: Source, inputs: RecipeInputs) -> Source:
    if not is_template(written.name, written.text):
        return read_source(replace(inputs, settings=(), values=()))
    variables = declarations(written)
    known = {variable.name for variable in variables}
    samples = ValuesFile("samples.json", json.dumps(_samples(variables)).encode())
    settings = tuple(s for s in inputs.settings if s.partition("=")[0] in known)
    given = replace(inputs, settings=settings, values=(samples, *inputs.values))
    try:
        return read_source(given)
    except UnknownVariable:
        return read_source(replace(given, values=(samples,)))


def _samples(variables: tuple[Variable, ...]) -> dict[str, object]:
    """A value for each variable that has no default, so that its recipe can be read:
    later ones replace it."""
    plain: dict[str, object] = {"int": 1, "bool": False, "list": []}
    return {
        variable.name: variable.members[0]
        if variable.members
        else plain.get(variable.kind, variable.name)
        for variable in variables
        if variable.default is None
    }


def _error(written: Source, error: RecipeError) -> Problem:
    return _problem(written, SYNTAX, "error", error, error.span)


def _finding(written: Source, finding: Finding) -> Problem:
    return _problem(written, finding.rule, finding.level, finding, finding.span)


def _problem(
    written: Source, code: str, level: str, said: RecipeError | Finding, span: Span
) -> Problem:
    place = span.in_recipe
    chain = [str(frame) for frame in span.chain]
    if span.written.source.name != place.source.name:
        chain.insert(0, f"at {span}")
    start, end = (_offset(written, place.source, it) for it in (place.start, place.end))
    return Problem(code, level, said.message, said.hint, tuple(chain), start, end)


def _offset(written: Source, source: Source, offset: int) -> int:
    """A place of `source` in the text that was written, which differs from it in the
    ends of lines at most."""
    if "\r" not in written.text or source.text == written.text:
        return offset
    head = source.text[:offset]
    at = 0
    for _ in range(head.count("\n")):
        at = written.text.find("\n", at) + 1
    return at + len(head) - head.rfind("\n") - 1


def documentation(code: str) -> str:
    """The address of what the docs say of a rule; "" where they are not installed."""
    if not any(rule.name == code for rule in RULES):
        return ""
    here = os.path.realpath(os.path.dirname(__file__))
    path = os.path.join(os.path.dirname(os.path.dirname(here)), "docs", "checks.md")
    return f"file://{path}#{code.lower()}" if os.path.exists(path) else ""
