"""Recipes and what they mean: recipes/NAME/result.txt, broken/NAME/message.txt.

After a change that is meant, `python tests/lang/test_golden.py` writes them anew; then
read the difference.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

from lamina.lang.nodes import Heredoc, Recipe, Word
from lamina.lang.parser import parse
from lamina.lang.rules import check
from lamina.lang.source import RecipeError, Span, decode

HERE = os.path.dirname(os.path.abspath(__file__))
NOTHING = (None, (), "", 0, False)


def show(node: Any) -> str:
    """A node in one line, without what is not given; a word as text and place."""
    if isinstance(node, Word):
        parts = "" if node.parts is None else f"={show(node.parts)}"
        return f"{node.text!r}{parts}@{node.span.line}:{node.span.column}"
    if isinstance(node, tuple):
        return f"[{', '.join(map(show, node))}]"
    if not hasattr(node, "__fields__"):
        return repr(node)
    if isinstance(node, Span):
        return f"{node.line}:{node.column}-{node.end - node.start}"
    name = "<<" if isinstance(node, Heredoc) else type(node).__name__
    fields = ", ".join(
        f"{key}={show(given)}"
        for key, given in node.__dict__.items()
        if key != "span" and (given not in NOTHING or (given == () and key == "args"))
    )
    return f"{name}({fields})"


def describe(recipe: Recipe) -> str:
    lines = [f"escape {recipe.escape}"] if recipe.escape != "\\" else []
    lines += [
        f"{d.span.line} # {d.name}{' (heading)' * d.heading} {d.value}"
        for d in recipe.directives
    ]
    for arg in recipe.global_args:
        lines.append(f"{arg.span.line} {show(arg)}")
    for stage in recipe.stages:
        for node in (stage.base, *stage.instructions):
            last = node.span.source.line_of(node.span.end)
            lines.append(f"{node.span.line}-{last} {show(node)}")
    for found in check(recipe):
        place = f"{found.span.line}:{found.span.column}"
        hint = f" | {found.hint}" if found.hint else ""
        lines.append(f"{found.level} {place} {found.rule}: {found.message}{hint}")
    return "".join(f"{line}\n" for line in lines)


def outcome(folder: str, name: str) -> str:
    with open(os.path.join(HERE, folder, name, "Dockerfile"), "rb") as file:
        data = file.read()
    if folder == "recipes":
        return describe(parse(decode("Dockerfile", data)))
    with pytest.raises(RecipeError) as caught:
        parse(decode("Dockerfile", data))
    error = caught.value
    hint = f"hint: {error.hint}\n" if error.hint else ""
    return f"{error.place}: {error.message}\n{error.excerpt}\n{hint}"


def golden(folder: str, name: str) -> str:
    file = {"recipes": "result.txt", "broken": "message.txt"}[folder]
    return os.path.join(HERE, folder, name, file)


CASES = [
    (folder, name)
    for folder in ("recipes", "broken")
    for name in sorted(os.listdir(os.path.join(HERE, folder)))
]


@pytest.mark.parametrize(("folder", "name"), CASES)
def test_golden(folder: str, name: str) -> None:
    with open(golden(folder, name), encoding="utf-8") as file:
        assert outcome(folder, name) == file.read()


def rewrite() -> None:
    for folder, name in CASES:
        with open(golden(folder, name), "w", encoding="utf-8") as file:
            file.write(outcome(folder, name))


if __name__ == "__main__":
    rewrite()
