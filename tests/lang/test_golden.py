"""Recipes and what they mean: a folder of goldens/ for each.

A folder holds a text as a `Dockerfile`, a `Recipe` or both, and what is made of it:
the nodes with their places (tree.txt), the checks' findings (findings.txt), or else
what is said of what is wrong (error.txt). `compat.txt` is there where
`--compat=buildkit` makes something else of it. Of a folder with both, each result
has the file's name before it: `Recipe.tree.txt`.

After a change that is meant, `python -m tests.lang.test_golden` writes all
results anew; then read the difference.
"""

from __future__ import annotations

import os

import pytest

from lamina.builder.inputs.recipe import RecipeInputs, read_recipe
from lamina.lang.checks.checking import EVERYTHING, check
from lamina.lang.source import RecipeError
from lamina.values import replace
from tests.lang.shown import show_error, show_findings, show_recipe

GOLDENS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "goldens")
NAMES = ("Dockerfile", "Recipe")
RESULTS = ("tree.txt", "findings.txt", "error.txt", "compat.txt")


def results(folder: str, name: str) -> dict[str, str]:
    """What is made of a file, by the name of the result."""
    with open(os.path.join(folder, name), "rb") as file:
        strict = RecipeInputs(name, file.read(), folder=folder)
    made, compat = read(strict), read(replace(strict, compat=True))
    if compat != made:
        made["compat.txt"] = "".join(compat.values())
    return {result: text for result, text in made.items() if text}


def read(inputs: RecipeInputs) -> dict[str, str]:
    try:
        recipe = read_recipe(inputs)
    except RecipeError as error:
        return {"error.txt": show_error(error)}
    return {
        "tree.txt": show_recipe(recipe),
        "findings.txt": show_findings(check(recipe, options=EVERYTHING)),
    }


def outcome(folder: str) -> dict[str, str]:
    """All results of a folder, by the name of the file that holds each."""
    names = [name for name in NAMES if name in os.listdir(folder)]
    made: dict[str, str] = {}
    for name in names:
        found = results(folder, name)
        prefix = f"{name}." if len(names) > 1 else ""
        made |= {prefix + result: text for result, text in found.items()}
    return made


def recorded(folder: str) -> dict[str, str]:
    made = {}
    for name in os.listdir(folder):
        if name.endswith(RESULTS):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                made[name] = file.read()
    return made


@pytest.mark.parametrize("name", sorted(os.listdir(GOLDENS)))
def test_golden(name: str) -> None:
    folder = os.path.join(GOLDENS, name)
    assert outcome(folder) == recorded(folder)


def rewrite() -> None:
    for name in sorted(os.listdir(GOLDENS)):
        folder = os.path.join(GOLDENS, name)
        for old in recorded(folder):
            os.unlink(os.path.join(folder, old))
        for result, text in outcome(folder).items():
            with open(os.path.join(folder, result), "w", encoding="utf-8") as file:
                file.write(text)


if __name__ == "__main__":
    rewrite()
