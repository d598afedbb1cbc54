"""Whatever stands in a text, and wherever the cursor is, there is an answer."""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.builder.inputs.recipe import RecipeInputs
from lamina.cli.editor.diagnosis import Doctor
from lamina.cli.settings import settings_from
from lamina.lang.assist.completion import complete
from lamina.lang.assist.fixes import fixes
from lamina.lang.assist.hover import hover
from lamina.lang.assist.names import definition, references
from lamina.lang.assist.reading import read
from lamina.lang.assist.symbols import folds, symbols
from lamina.lang.source import Span

HERE = os.path.dirname(os.path.dirname(__file__))
RECIPES = tuple(
    os.path.join(folder, name)
    for folder, _, files in sorted(os.walk(HERE))
    for name in sorted(files)
    if name in ("Dockerfile", "Recipe", "Containerfile") or name.endswith(".recipe")
)
NAMES = ("Dockerfile", "Recipe")
DOCTOR = Doctor(settings_from({}, "/nonexistent"))


def ask_everything(name: str, text: str, offset: int) -> None:
    """Every question that an editor has, about one place of a text."""
    for offer in complete(name, text, offset):
        assert 0 <= offer.typed <= offset
        assert offer.label
    reading = read(name, text)
    said = hover(reading, offset)
    assert said is None or said.place.start <= offset <= said.place.end
    made = definition(reading, offset)
    found = references(reading, offset)
    assert made is None or made.start in [place.start for place in found]
    for symbol in symbols(reading):
        assert symbol.place.end <= len(text)
    for place in folds(reading):
        assert 0 <= place.start <= place.end <= len(text)


def check_everything(name: str, text: str) -> None:
    """What is wrong in a text stands in it, and so does what mends it."""
    reading = read(name, text)
    for problem in DOCTOR.diagnose(RecipeInputs(name, text.encode())):
        assert 0 <= problem.start <= problem.end <= len(text)
        place = Span(reading.source, problem.start, problem.end)
        for fix in fixes(reading, problem.code, problem.hint, place):
            assert 0 <= fix.start <= fix.end <= len(text)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.split("/")[-2])
def test_prefixes_of_recipes(path: str) -> None:
    with open(path, newline="", errors="replace") as file:
        recipe = file.read()
    chance = random.Random(recipe)
    for _ in range(6):
        text = recipe[: chance.randint(0, len(recipe))]
        name = chance.choice(NAMES)
        ask_everything(name, text, len(text))
        ask_everything(name, text, chance.randint(0, len(text)))
        check_everything(name, text)


PIECES = st.sampled_from(
    [
        *("FROM ", "RUN ", "COPY ", "ARG ", "ENV ", "ONBUILD ", "UNSET ", "TEST "),
        *("a", "b AS c", "--from=", "--mount=", "type=", ",", "=", "$", "${", "}"),
        *("<<E", "<<-'F'", "E", "F", "\n", "\n", "\n", " \\\n", "\\", '"', "'", "["),
        *("# ", "# check=skip=", "# lamina: ", "var x:str", "{{", "}}", "{%", "%}"),
        *(" ", "\t", "\r\n", "\x0c", "\ue000", "\N{GRINNING FACE}", "\0", "x", "0"),
    ]
)


@given(st.lists(PIECES, max_size=30).map("".join), st.data())
def test_texts_of_pieces(text: str, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(NAMES))
    offset = data.draw(st.integers(0, len(text)))
    ask_everything(name, text, offset)
    check_everything(name, text)


@pytest.mark.parametrize(
    "text",
    [
        "FROM a\nRUN " + "\\\n" * 50_000,
        "FROM a\nENV A=" + "${A:-" * 2_000,
        "{{" * 200_000,
        "{%" * 200_000,
        "FROM a\n" + "RUN <<E\n" * 10_000,
        "FROM a\nRUN " + "$A" * 5_000 + "\n" + "ENV A=$A\n" * 300,
        "# x\n" * 50_000,
        "FROM a AS a\n" * 500,
        "FROM a\nRUN --mount=" + "," * 60_000,
    ],
    ids=lambda text: text[:20],
)
def test_hostile_texts(text: str) -> None:
    for name in NAMES:
        ask_everything(name, text, len(text) - 1)
