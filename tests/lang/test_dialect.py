"""Which dialect a file is written in."""

from __future__ import annotations

import pytest

from lamina.lang.dialect import Dialect, dialect_of, heading
from lamina.lang.source import RecipeError


@pytest.mark.parametrize(
    ("name", "extended"),
    [
        ("Recipe", True),
        ("a/b/Recipe", True),
        ("Recipe.web", True),
        ("web.recipe", True),
        ("Dockerfile", False),
        ("Dockerfile.recipes", False),
        ("Containerfile", False),
        ("Recipes", False),
        ("recipe", False),
        ("Recipe/Dockerfile", False),
        ("-", False),
    ],
)
def test_names(name: str, extended: bool) -> None:
    assert dialect_of(name, "FROM a\n") == Dialect(extended=extended)


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ("# lamina: extended\nFROM a", Dialect(True, False)),
        ("# lamina: scrub\nFROM a", Dialect(True, False)),
        ("#lamina:scrub\nFROM a", Dialect(True, False)),
        ("\ufeff# lamina: scrub\r\nFROM a", Dialect(True, False)),
        ("# syntax=x\n\n# text\n  # lamina: scrub\nFROM a", Dialect(True, False)),
        ("# lamina: compat=buildkit\nFROM a", Dialect(False, True)),
        ("# lamina: compat=buildkit\n# lamina: extended\n", Dialect(True, True)),
        ("# lamina: template=none\n# lamina: compat = buildkit", Dialect(True, True)),
        ('# lamina: var a:str = "b" "c"\nFROM a', Dialect(True, False)),
        ("FROM a\n# lamina: scrub\n", Dialect(False, False)),
        ("FROM a\n# lamina: nonsense\n", Dialect(False, False)),
        ("# laminate: x\nFROM a", Dialect(False, False)),
        ("", Dialect(False, False)),
    ],
)
def test_headings(text: str, dialect: Dialect) -> None:
    assert dialect_of("Dockerfile", text) == dialect


def test_the_option_is_as_good_as_the_line() -> None:
    assert dialect_of("Dockerfile", "FROM a", compat=True) == Dialect(False, True)


@pytest.mark.parametrize(
    ("line", "place", "hint"),
    [
        ("# lamina: scrup", "Dockerfile:2:11", "Did you mean scrub?"),
        ("# lamina: compat=docker", "Dockerfile:2:11", "compat=buildkit"),
        ("# lamina: compat", "Dockerfile:2:11", "compat=buildkit"),
        ("# lamina: template=jinja", "Dockerfile:2:11", "template=jinja2"),
        ("# lamina: scrub=yes", "Dockerfile:2:11", "`# lamina: scrub`"),
        ("# lamina:", "Dockerfile:2:10", "It knows extended"),
    ],
)
def test_a_line_that_says_nothing(line: str, place: str, hint: str) -> None:
    with pytest.raises(RecipeError) as caught:
        dialect_of("Dockerfile", f"# a\n{line}\nFROM a\n")
    assert caught.value.place == place
    assert hint in caught.value.hint


def test_where_a_setting_stands() -> None:
    text = "# a\n#  lamina:  compat = buildkit  \nFROM a"
    (found,) = heading(text)
    assert (found.name, found.value) == ("compat", "buildkit")
    assert text[found.start : found.end] == "compat = buildkit"
