"""Recipes as people write them: each is parsed, checked and formatted.

files.txt has a line for each: its stages, its instructions, and how often each check
finds something. `python -m tests.lang.test_files` writes it anew.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from lamina.lang.checks.checking import EVERYTHING, check
from lamina.lang.formatting.format import format_source
from lamina.lang.parser import parse
from lamina.lang.recipe import Recipe
from lamina.lang.source import Source, decode
from tests.lang.shown import outside, show

HERE = os.path.dirname(os.path.abspath(__file__))
FILES = os.path.join(HERE, "files")
GOLDEN = os.path.join(HERE, "files.txt")
NAMES = sorted(os.listdir(FILES))


def read(name: str) -> Source:
    with open(os.path.join(FILES, name), "rb") as file:
        return decode(name, file.read())


def summary(name: str) -> str:
    recipe = parse(read(name))
    found = Counter(finding.rule for finding in check(recipe, options=EVERYTHING))
    rules = [f"{rule} {count}" for rule, count in sorted(found.items())]
    count = sum(len(stage.instructions) for stage in recipe.stages)
    stages = len(recipe.stages)
    return f"{name}: {stages} stages, {count} instructions; {', '.join(rules)}\n"


def tree(recipe: Recipe) -> list[str]:
    """The nodes without their places."""
    stages = ((stage.base, *stage.instructions) for stage in recipe.stages)
    nodes = (*recipe.global_args, *(node for stage in stages for node in stage))
    return [show(node, places=False) for node in nodes]


def test_they_are_forty() -> None:
    assert len(NAMES) >= 40


@pytest.mark.parametrize("name", NAMES)
def test_what_is_in_it(name: str) -> None:
    with open(GOLDEN, encoding="utf-8") as file:
        lines = {line.partition(":")[0]: line for line in file}
    assert summary(name) == lines[name]


@pytest.mark.parametrize("name", NAMES)
def test_every_node_lies_in_its_instruction(name: str) -> None:
    assert outside(parse(read(name))) == []


@pytest.mark.parametrize("name", NAMES)
def test_formatting_changes_no_node(name: str) -> None:
    source = read(name)
    formatted = Source(name, format_source(source))
    assert tree(parse(formatted)) == tree(parse(source))
    assert format_source(formatted) == formatted.text


def rewrite() -> None:
    with open(GOLDEN, "w", encoding="utf-8") as file:
        file.writelines(map(summary, NAMES))


if __name__ == "__main__":
    rewrite()
