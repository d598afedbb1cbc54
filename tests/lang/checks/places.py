"""Where a rule finds something, for tests that read like examples."""

from __future__ import annotations

from lamina.lang.checks.checking import CheckOptions, check
from lamina.lang.checks.finding import Finding
from lamina.lang.checks.surroundings import UNKNOWN, Surroundings
from lamina.lang.dialect import dialect_of
from lamina.lang.parser import parse
from lamina.lang.source import Source


def findings(
    rule: str,
    text: str,
    surroundings: Surroundings = UNKNOWN,
    compat: bool = False,
) -> tuple[Finding, ...]:
    """What one rule says of a text; `compat` reads it as BuildKit does."""
    options = CheckOptions(only=(rule,), least="note")
    dialect = dialect_of("Dockerfile", text, compat)
    recipe = parse(Source("Dockerfile", text), dialect=dialect)
    return check(recipe, surroundings, options)


def places(
    rule: str,
    text: str,
    surroundings: Surroundings = UNKNOWN,
    compat: bool = False,
) -> list[str]:
    """Where it says something: `line:column text`, the text that is underlined."""
    return [
        f"{found.span.line}:{found.span.column} {found.span.text}"
        for found in findings(rule, text, surroundings, compat)
    ]
