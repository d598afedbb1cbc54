"""lang.parser.examine: several errors of one recipe, each told once."""

from __future__ import annotations

import pytest

from lamina.lang.nodes import Instruction
from lamina.lang.parser import examine, parse
from lamina.lang.source import Source


def found(text: str) -> list[tuple[int, str]]:
    return [(e.span.line, e.message) for e in examine(Source("D", text)).errors]


def test_examine_goes_on_behind_an_error() -> None:
    text = "FROM a\nRUNN x\nENV A=b\nCOPY x\nUSER\nWORKDIR ${\nCMD x\n"
    examined = examine(Source("Dockerfile", text))
    assert [e.span.line for e in examined.errors] == [2, 4, 5, 6]
    assert examined.recipe is not None
    kept: tuple[Instruction, ...] = examined.recipe.stages[0].instructions
    assert [type(i).__name__ for i in kept] == ["Env", "Cmd"]


def test_a_recipe_without_errors() -> None:
    source = Source("Dockerfile", "FROM a\nRUN x\n")
    assert examine(source).errors == ()
    assert examine(source).recipe == parse(source)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("FRM a\nRUN x\nCOPY y z\n", [1]),
        ("FROM a\nFROM\nRUN x\nBAD\nFROM b AS c\nCOPY --from=9 a b\n", [2, 4]),
        ("RUN x\nRUN y\nFROM a\n", [1]),
        ("FROM a\nRUN <<E\nbad\nFROM b\n", [2]),
        ("FROM a\nRUN a\0b\nBAD\n", [2, 3]),
        ("# escape=x\nFROM a\nBAD\n", [1, 3]),
        ("# lamina: nothing\nFROM a\nBAD\n", [1, 3]),
        ("# escape=`\n# escape=`\nFROM a\nBAD", [2, 4]),
        ("FROM a\n" + "RUN x" * 20_000 + "\nBAD", [2, 3]),
        ("", [1]),
        ("# nothing\n", [1]),
        ("// syntax=some/frontend\nwhatever {\n}\n", [1]),
    ],
)
def test_one_mistake_is_one_error(text: str, lines: list[int]) -> None:
    assert [line for line, _ in found(text)] == lines
