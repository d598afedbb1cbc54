"""Variables of a recipe: what their lines say, and which values fit."""

from __future__ import annotations

from typing import Any

import pytest

from lamina.lang.source import RecipeError, Source
from lamina.lang.templates.declarations import (
    Given,
    UnknownVariable,
    bind,
    declarations,
)

LINES = """\
# lamina: var python:str = 3.12 "which Python"
# lamina: var jobs:int = 2
# lamina: var debug:bool = false
# lamina: var extras:list = [git, "a, b"] 'more packages'
# lamina: var flavor:enum(slim, "full one") = slim
# lamina: var web.port:int
FROM a
# lamina: var too:late
"""


def declared(line: str) -> Any:
    return declarations(Source("Recipe", f"# lamina: var {line}\nFROM a\n"))


def test_the_lines_of_the_heading() -> None:
    found = declarations(Source("Recipe", LINES))
    assert [(v.name, v.type, v.default, v.description) for v in found] == [
        ("python", "str", "3.12", "which Python"),
        ("jobs", "int", 2, ""),
        ("debug", "bool", False, ""),
        ("extras", "list", ["git", "a, b"], "more packages"),
        ("flavor", "enum(slim, full one)", "slim", ""),
        ("web.port", "int", None, ""),
    ]
    assert str(found[5].place) == "Recipe:6:15"


@pytest.mark.parametrize(
    ("line", "message", "column"),
    [
        ("x", "A variable is a name, a type", 15),
        ("x:", "A variable is a name, a type", 16),
        ("x:str = a b", "A variable is a name, a type", 25),
        ('x:str = "a', 'This " is never closed.', 23),
        ("1x:str", "A variable is a name", 15),
        ("_x:str", "A variable is a name", 15),
        ("x:string", "There is no type 'string'.", 17),
        ("x:enum", "enum takes its members", 17),
        ("x:str(a)", "enum takes its members", 17),
        ("x:int = a", "The default is 'a', but 'x' is declared as int.", 15),
        ("x:bool = yes", "The default is 'yes', but", 15),
        ("x:enum(a) = b", "The default is 'b', but", 15),
        ("x:list = a", "The default of a list stands in brackets.", 15),
        ("x:str = [a]", "The default is a list, but", 15),
        ("for:str", "'for' means something else", 15),
        ("range.x:str", "'range.x' means something else", 15),
    ],
)
def test_lines_that_cannot_be(line: str, message: str, column: int) -> None:
    with pytest.raises(RecipeError) as caught:
        declared(line)
    assert caught.value.message.startswith(message)
    assert caught.value.place == f"Recipe:1:{column}"


@pytest.mark.parametrize("other", ["a", "a.b", "a.b.c"])
def test_names_stand_beside_each_other(other: str) -> None:
    with pytest.raises(RecipeError, match=r"twice|is in the other"):
        declarations(
            Source("Recipe", f"# lamina: var a.b:str\n# lamina: var {other}:str\n")
        )


def bound(*given: Given) -> dict[str, Any]:
    return bind(declarations(Source("Recipe", LINES)), (PORT, *given))


def option(name: str, text: str) -> Given:
    return Given(f"--set {name}", name, text)


def file(values: dict[str, Any]) -> Given:
    return Given("v.toml", "", None, values)


PORT = option("web.port", "80")


def test_defaults() -> None:
    assert bound() == {
        "python": "3.12",
        "jobs": 2,
        "debug": False,
        "extras": ["git", "a, b"],
        "flavor": "slim",
        "web": {"port": 80},
    }


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        (option("python", "3.13"), "python", "3.13"),
        (option("python", ""), "python", ""),
        (option("jobs", "-4"), "jobs", -4),
        (option("debug", "true"), "debug", True),
        (option("extras", "a,b c"), "extras", ["a", "b c"]),
        (option("extras", ""), "extras", []),
        (option("extras", '["a,b", 1]'), "extras", ["a,b", 1]),
        (option("flavor", "full one"), "flavor", "full one"),
        (file({"python": "3"}), "python", "3"),
        (file({"web": {"port": 1}}), "web", {"port": 1}),
        (file({"extras": [{"a": [True]}]}), "extras", [{"a": [True]}]),
    ],
)
def test_values_that_fit(given: Given, name: str, value: Any) -> None:
    assert bound(given)[name] == value


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        (option("jobs", "x"), "--set jobs gives 'x', but 'jobs' is declared as", ""),
        (option("jobs", "٣"), "--set jobs gives '٣', but", ""),
        (option("jobs", "1.5"), "--set jobs gives '1.5', but", ""),
        (option("debug", "yes"), "--set debug gives 'yes', but", "true or false"),
        (option("flavor", "slimm"), "--set flavor gives", "Did you mean slim?"),
        (option("extras", "[1.5]"), "--set extras gives a list with 1.5", "quotes"),
        (option("extras", "[x"), "--set extras gives '[x', but", "JSON"),
        (file({"python": 3.1}), "v.toml gives 3.1, but 'python' is", "quotes"),
        (file({"python": None}), "v.toml gives null, but", ""),
        (file({"jobs": True}), "v.toml gives true, but", ""),
        (file({"jobs": "1"}), "v.toml gives the text '1', but", ""),
        (file({"debug": 1}), "v.toml gives 1, but", ""),
        (file({"extras": {}}), "v.toml gives a table, but", ""),
        (file({"extras": [[3.1]]}), "v.toml gives a list with 3.1, but", "quotes"),
    ],
)
def test_values_that_do_not_fit(given: Given, message: str, hint: str) -> None:
    with pytest.raises(RecipeError) as caught:
        bound(given)
    assert caught.value.message.startswith(message)
    assert hint in caught.value.hint
    assert caught.value.span.text == given.name or given.by == "v.toml"


@pytest.mark.parametrize(
    ("given", "name", "hint"),
    [
        (option("pyhton", "3"), "pyhton", "Did you mean python?"),
        (option("web", "3"), "web", "It declares"),
        (option("web.prot", "3"), "web.prot", "Did you mean web.port?"),
        (file({"web": {"prot": 1}}), "web.prot", "Did you mean web.port?"),
        (file({"web": {}}), "web", "It declares"),
        (file({"zzz": 1}), "zzz", "It declares python, jobs,"),
    ],
)
def test_values_without_a_declaration(given: Given, name: str, hint: str) -> None:
    with pytest.raises(UnknownVariable) as caught:
        bound(given)
    assert f"gives {name!r}, which the recipe does not declare" in str(caught.value)
    assert hint in caught.value.hint


def test_a_value_that_is_missing() -> None:
    with pytest.raises(RecipeError) as caught:
        bind(declarations(Source("Recipe", LINES)), ())
    assert caught.value.message == "The variable 'web.port' has no value."
    assert caught.value.place == "Recipe:6:15"


def test_the_later_one_counts() -> None:
    given = file({"jobs": 3}), option("jobs", "4"), option("jobs", "5")
    assert bound(*given)["jobs"] == 5
