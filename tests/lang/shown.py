"""Nodes, findings and errors as the lines of a golden."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lamina.lang.checks.finding import Finding
from lamina.lang.recipe import Recipe
from lamina.lang.source import RecipeError, Span
from lamina.lang.words import (
    ExecForm,
    Heredoc,
    Mount,
    Pair,
    Parts,
    ShellForm,
    Substitution,
    Word,
)
from lamina.values import replace

# The nodes within an instruction, whose places are shown too.
INNER = (ExecForm, Heredoc, Mount, Pair, ShellForm, Substitution)
# What is not given is left out.
NOTHING = (None, (), "", 0, False)


def show(node: Any, places: bool = True) -> str:
    """A node in one line, without what is not given; a word as text and place.

    Without `places`, only what it means: a word as what its quotes and escapes make of
    it.
    """
    if isinstance(node, Word):
        if not places:
            return show(node.parts or (node.text,), places)
        parts = "" if node.parts is None else f"={show(node.parts)}"
        return f"{node.text!r}{parts}@{node.span.line}:{node.span.column}"
    if isinstance(node, Pair) and not places:
        key, value = (show(_value(word), places) for word in (node.key, node.value))
        return f"{key}={value}"
    if isinstance(node, tuple):
        return f"[{', '.join(show(inner, places) for inner in node)}]"
    if not hasattr(node, "__fields__"):
        return repr(node)
    if isinstance(node, Span):
        return f"{node.line}:{node.column}-{node.end - node.start}" if places else ""
    name = "<<" if isinstance(node, Heredoc) else type(node).__name__
    fields = ", ".join(
        f"{key}={show(given, places)}"
        for key, given in node.__dict__.items()
        if key != "span" and (given not in NOTHING or (given == () and key == "args"))
    )
    place = f"@{show(node.span)}" if places and isinstance(node, INNER) else ""
    return f"{name}({fields}){place}"


def _value(word: Word) -> Parts:
    """ENV and LABEL split nothing, so that how a variable is quoted says nothing."""
    return tuple(
        part if isinstance(part, str) else replace(part, quoted=False)
        for part in word.parts or (word.text,)
    )


def outside(recipe: Recipe) -> list[str]:
    """The nodes whose span is not within that of what holds them: their stage, their
    instruction, their heredoc's lines."""
    found: list[str] = []
    for arg in recipe.global_args:
        found += _outside(arg, arg.span)
    for stage in recipe.stages:
        for node in (stage.base, *stage.instructions):
            if not _within(node.span, stage.span):
                found.append(f"{node!r} in {stage.span!r}")
            found += _outside(node, node.span)
    return found


def _outside(node: Any, around: Span) -> Iterator[str]:
    if isinstance(node, tuple):
        for inner in node:
            yield from _outside(inner, around)
    elif isinstance(node, Span):
        if not _within(node, around):
            yield f"{node!r} in {around!r}"
    elif hasattr(node, "__fields__"):
        if not _within(node.span, around):
            yield f"{node!r} in {around!r}"
        lines = node.lines if isinstance(node, Heredoc) else None
        for name, inner in node.__dict__.items():
            if lines is None or name == "parts":
                yield from _outside(inner, lines or node.span)


def _within(inner: Span, outer: Span) -> bool:
    return outer.start <= inner.start <= inner.end <= outer.end


def show_recipe(recipe: Recipe) -> str:
    """The escape character, directives and instructions, with the lines they span."""
    lines = [f"escape {recipe.escape}"] if recipe.escape != "\\" else []
    lines += [
        f"{d.span.line} # {d.name}{' (heading)' * d.heading} {d.value}"
        for d in recipe.directives
    ]
    for arg in recipe.global_args:
        lines.append(f"{arg.span.line} {show(arg)}")
    for stage in recipe.stages:
        for node in (stage.base, *stage.instructions):
            end = node.span.end
            last = replace(node.span, start=max(node.span.start, end - 1)).line
            lines.append(f"{node.span.line}-{last} {show(node)}")
    return "".join(f"{line}\n" for line in lines)


def show_findings(findings: tuple[Finding, ...]) -> str:
    lines = []
    for found in findings:
        place = f"{found.span.line}:{found.span.column}"
        hint = f" | {found.hint}" if found.hint else ""
        lines.append(f"{found.level} {place} {found.rule}: {found.message}{hint}\n")
    return "".join(lines)


def show_error(error: RecipeError) -> str:
    hint = f"hint: {error.hint}\n" if error.hint else ""
    return f"{error.place}: {error.message}\n{error.excerpt}\n{hint}"
