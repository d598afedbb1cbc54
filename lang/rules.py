"""The checks of a recipe: what builds, but is probably not what was meant."""

from __future__ import annotations

from lamina.lang.nodes import Finding, Recipe


def check(recipe: Recipe) -> tuple[Finding, ...]:
    """All findings about a recipe, in the order of its lines."""
    findings: list[Finding] = []
    return tuple(sorted(findings, key=lambda found: found.span.start))
