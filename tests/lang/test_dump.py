"""Trees as text: BuildKit's dump, and JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from lamina.lang.dump import as_json, quote, sexpr
from lamina.lang.parser import parse
from lamina.lang.source import RecipeError, Source
from tests.lang.strategies import recipes
from tests.lang.test_fuzz import RECIPES


def dump(*lines: str, name: str = "Dockerfile") -> list[str]:
    text = "".join(f"{line}\n" for line in lines)
    return sexpr(Source(name, text)).splitlines()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("FROM debian AS x", '(from "debian" "AS" "x")'),
        ("from --platform=$P  debian", '(from ["--platform=$P"] "debian")'),
        ("RUN echo  a", '(run "echo  a")'),
        ('RUN [ "a" , "b c" ]', '(run "a" "b c")'),
        ("RUN ['a']", "(run \"['a']\")"),
        ("RUN", "(run)"),
        ("CMD []", "(cmd)"),
        ('RUN --a=b --n="c d" x', '(run ["--a=b" "--n=c d"] "x")'),
        ("RUN --x -- --y", '(run ["--x"] "--y")'),
        ("ENV A b  c", '(env "A" "b  c" "")'),
        ("ENV A=b B='c d' C=", '(env "A" "b" "=" "B" "\'c d\'" "=" "C" "" "=")'),
        ('LABEL "a b" c', '(label "\\"a" "b\\" c" "")'),
        ("ARG A B=c", '(arg "A" "B=c")'),
        ("COPY a  b c/", '(copy "a" "b" "c/")'),
        ('ADD ["a b", "c"]', '(add "a b" "c")'),
        ("EXPOSE 80 443/tcp", '(expose "80" "443/tcp")'),
        ("WORKDIR /a  b", '(workdir "/a  b")'),
        ("HEALTHCHECK", "(healthcheck)"),
        ("HEALTHCHECK CMD", '(healthcheck "CMD")'),
        (
            "HEALTHCHECK --retries=3 CMD a  b",
            '(healthcheck ["--retries=3"] "CMD" "a  b")',
        ),
        ('HEALTHCHECK CMD ["a", "b"]', '(healthcheck "CMD" "a" "b")'),
        ("HEALTHCHECK CONNECT TCP 7000", '(healthcheck "CONNECT" "TCP 7000")'),
        ("ONBUILD RUN --network=none x", '(onbuild (run ["--network=none"] "x"))'),
        ('ONBUILD CMD ["a"]', '(onbuild (cmd "a"))'),
        ("ONBUILD", "(onbuild)"),
        ("NOTHING like it", '(nothing "")'),
        ("TEST x", '(test "")'),
    ],
)
def test_instructions(line: str, expected: str) -> None:
    assert dump(line) == [expected]


def test_lines_that_go_on_and_heredocs() -> None:
    assert dump(
        "FROM a",
        "RUN echo hello\\",
        "  world\\",
        "# not this",
        "",
        "  goodnight  \\",
        "  moon",
        "COPY <<A <<-'B' /x/",
        "RUN no",
        "A",
        "B",
    ) == [
        '(from "a")',
        '(run "echo hello  world  goodnight    moon")',
        '(copy "<<A" "<<-\'B\'" "/x/")',
    ]


def test_lamina_instructions_are_known_in_a_recipe() -> None:
    assert dump("FROM a", "UNSET ENV A", 'TEST ["x", "y"]', name="Recipe") == [
        '(from "a")',
        '(unset "ENV" "A")',
        '(test "x" "y")',
    ]


def test_the_other_escape() -> None:
    assert dump("# escape=`", "FROM a", "RUN dir c:\\ `", "  /s") == [
        '(from "a")',
        '(run "dir c:\\\\   /s")',
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ünï 한 😀", '"ünï 한 😀"'),
        ('"\\', '"\\"\\\\"'),
        ("\t\r\v\x00\x1f\x7f", '"\\t\\r\\v\\x00\\x1f\\x7f"'),
        ("\u00a0\u00ad\u2028\U000e0001", '"\\u00a0\\u00ad\\u2028\\U000e0001"'),
    ],
)
def test_quotes_are_those_of_go(text: str, expected: str) -> None:
    assert quote(text) == expected


@pytest.mark.parametrize("line", ["ENV A", "ENV a=b c", "CMD [1]", "RUN <<E", "# x"])
def test_what_has_no_dump(line: str) -> None:
    with pytest.raises(RecipeError):
        dump(line)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(recipes())
def test_each_instruction_of_a_recipe_is_a_line(text: str) -> None:
    recipe = parse(Source("Dockerfile", text))
    stages = ([stage.base, *stage.instructions] for stage in recipe.stages)
    nodes = [*recipe.global_args, *(node for stage in stages for node in stage)]
    lines = sexpr(Source("Dockerfile", text)).splitlines()
    assert len(lines) == len(nodes)
    json.dumps(as_json(recipe))


@settings(max_examples=100, deadline=None)
@given(RECIPES)
def test_a_text_has_a_dump_or_an_error(text: str) -> None:
    try:
        assert sexpr(Source("Dockerfile", text)).endswith(")\n")
    except RecipeError as error:
        assert error.message


def test_triggers_in_triggers() -> None:
    assert dump("ONBUILD --a ONBUILD RUN x") == [
        '(onbuild ["--a"] (onbuild (run "x")))'
    ]
    (line,) = dump("ONBUILD " * 8_000 + "RUN x")
    assert line == "(onbuild " * 8_000 + '(run "x")' + ")" * 8_000


def test_json() -> None:
    tree = as_json(
        parse(Source("Dockerfile", "ARG A\nFROM b AS c\nRUN x\nENV K=${A:-v}\n"))
    )
    assert tree["escape"] == "\\"
    assert tree["dialect"] == {"extended": False, "compat": False}
    (stage,) = tree["stages"]
    assert stage["base"]["image"]["text"] == "b"
    run, env = stage["instructions"]
    assert run["type"] == "Run"
    assert run["command"] == {"type": "ShellForm", "text": "x", "span": at(3, 5, 6)}
    assert run["span"] == at(3, 1, 6)
    (pair,) = env["pairs"]
    assert pair["span"] == at(4, 5, 14)
    assert stage["span"] == {**at(2, 1, 14), "end_line": 4}
    assert pair["value"]["parts"] == [
        {
            "name": "A",
            "operator": ":-",
            "argument": ["v"],
            "replacement": [],
            "quoted": False,
            "span": at(4, 7, 14),
        }
    ]


def at(line: int, column: int, end_column: int) -> dict[str, Any]:
    """A place on one line, as JSON has it."""
    place = {"line": line, "column": column, "end_line": line, "end_column": end_column}
    return {"file": "Dockerfile", **place}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(recipes())
def test_places_in_json_are_those_of_spans(text: str) -> None:
    recipe = parse(Source("Dockerfile", text))
    tree = as_json(recipe)
    for stage, shown in zip(recipe.stages, tree["stages"], strict=True):
        assert shown["base"]["span"] == stage.base.span.place.__dict__
        for node, inner in zip(stage.instructions, shown["instructions"], strict=True):
            assert inner["span"] == node.span.place.__dict__
