"""What is wrong with a template is told in its terms, at its place."""

from __future__ import annotations

import pytest

from tests.lang.templates.rendering import wrong


@pytest.mark.parametrize(
    ("template", "message", "place", "hint"),
    [
        ("a {{ nmae }}", "Nothing is called 'nmae'.", "1:6", "Did you mean name?"),
        ("\n{% if nmae %}{% endif %}", "Nothing is called 'nmae'.", "2:7", "name"),
        ("{% if 0 %}{% elif q %}{% endif %}", "Nothing is called 'q'.", "1:19", "var"),
        ("{% for a in q %}{% endfor %}", "Nothing is called 'q'.", "1:13", "var q:str"),
        ("{{ q() }}", "Nothing is called 'q'.", "1:4", ""),
        ("{{ service.prot }}", "A mapping has no 'prot'.", "1:12", "mean port?"),
        ("{{ 'a' | uper }}", "No filter named 'uper'.", "1:10", "Did you mean upper?"),
        ("{% if 1 is od %}{% endif %}", "No test named 'od'", "1:12", "mean odd?"),
        ("\nRUN {{.ID}}", "Unexpected '.'.", "2:7", "{% raw %}"),
        ("RUN printf '{%s}'", "Encountered unknown tag 's'.", "1:15", "{% raw %}"),
        ("{% if 1 %}", "Unexpected end of template.", "1:9", ""),
        ("{{ 'a }}", 'Unexpected char "\'" at 3.', "1:1", ""),
        ("{%# a", "Missing end of comment tag.", "1:1", ""),
        ("{{ 1 + 'a' }}", "A number and a text have no +.", "", ""),
        ("{{ 1 / 0 }}", "Division by zero.", "1:1", ""),
        ("{{ none }}", "There is nothing to print: the value is none.", "", "default"),
        ("{{ [1] }}", "A list is no text.", "1:1", "join"),
        ("{{ {} }}", "A mapping is no text.", "1:1", "tojson"),
        ("{% macro m() %}{% endmacro %}{{ m }}", "'m' is no text.", "1:30", "m(...)"),
        ("{{ fail('No ' ~ name) }}", "No it.", "1:1", ""),
        ("{% include 'q' %}", "There is no file 'q' to include.", "1:1", "folder"),
        ("{% autoescape 1 %}{% endautoescape %}", "There is no autoescape", "1:4", ""),
        ("{% macro m(a) %}{{ a }}{% endmacro %}{{ m() }}", "Parameter 'a'", "1:20", ""),
        ("{{ ''.__class__ }}", "A template cannot use '__class__' of a text.", "", ""),
        ("{{ 'a'.format(1) }}", "A template cannot use 'format' of a text.", "", ""),
        ("{{ [].append(1) }}", "A template cannot use 'append' of a list.", "", ""),
        ("{{ (1).to_bytes(9) }}", "A template cannot use 'to_bytes'", "", ""),
        ("{{ range.__globals__ }}", "A template cannot use '__globals__'", "", ""),
        ("{{ self.__init__ }}", "A template cannot use '__init__'", "", ""),
        ("{% set x = 1 %}{% set x.y = 2 %}", "Cannot assign attribute", "1:16", ""),
    ],
)
def test_what_is_wrong(template: str, message: str, place: str, hint: str) -> None:
    error = wrong(template, name="it.", service={"port": 1})
    assert error.message.startswith(message)
    assert error.place.removeprefix("Recipe:").startswith(place)
    assert hint in error.hint


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("1[0]", "A number has no 0."),
        ("[1, 2][5]", "The list has 2 items, and none with the number 5."),
        ("'abc'[7]", "A text has no 7."),
        ("{'a': 1}[7]", "A mapping has no 7."),
        ("'a'.upper.x", "A function has no 'x'."),
        ("range.x", "A function has no 'x'."),
        ("'a' + 1", "A text and a number have no +; texts are joined by ~."),
        ("none + 1", "None and a number have no +."),
        ("1 < 'a'", "A number and a text cannot be compared."),
        ("[3, 'a'] | sort | join", "A text and a number cannot be compared."),
        ("range('a')", "A whole number has to be here, not a text."),
        ("range()", "This call of range() has too few arguments."),
        ("range(1, 2, 3, 4)", "This call of range() has too many arguments."),
        ("-'a'", "A text has no sign."),
        ("1 | length", "A number has no length."),
        ("1()", "A number cannot be called."),
        ("1 in 2", "A number is no list."),
        ("dict(1)", "A number is no list."),
        ("[1] | sum(attribute='x')", "A number has no items."),
        ("'a' * 'b'", "A text cannot say how many times."),
        ("'%d' | format('x')", "A number has to be here, not a text."),
        ("'a'.split(1)", "A text has to be here, not a number."),
        ("'a'.index('b')", "That text is not in it."),
        ("'a' | replace('b')", "This call of replace() lacks 'new'."),
        ("'a' | upper(x=1)", "This call of upper() knows no 'x'."),
        ("'a' | indent('x', 1, 2, 3)", "This call of indent() has too many arguments."),
    ],
)
def test_errors_do_not_speak_python(expression: str, message: str) -> None:
    assert wrong("{{ " + expression + " }}").message == message


@pytest.mark.parametrize(
    ("template", "place"),
    [
        ("a\n" + "{% for a in [1] %}\n" * 25 + "{% endfor %}\n" * 25, "Recipe:26:1"),
        ("a\nb {{ 1 }} {{ " + "(" * 3_000 + "1" + ")" * 3_000 + " }}", "Recipe:2:11"),
        ("a\n{{ " + "1 + " * 5_000 + "1 }}\n{{ 2 }}", "Recipe:2:1"),
    ],
)
def test_what_is_nested_too_deeply_is_shown(template: str, place: str) -> None:
    found = wrong(template)
    assert found.message == "The template is nested too deeply."
    assert found.place == place


def test_an_included_file_that_is_nested_too_deeply() -> None:
    found = wrong("a\n{% include 'b' %}", {"b": "x\n{{ " + "(" * 3_000 + " }}"})
    assert found.place.startswith("b:2:") and "included at Recipe:2" in found.excerpt


def test_the_name_of_a_file_is_told_as_it_is() -> None:
    found = wrong("{{ 1 }}" * 10_001)
    assert found.message == "The file Recipe has 10,001 times {{ or {%."


def test_an_error_names_loops_and_files() -> None:
    files = {
        "a/b.j2": "ENV A\n{% for n in 'xy' %}\nENV {{ n }} {{ nothing }}\n{% endfor %}"
    }
    error = wrong("FROM a\n{% include 'a/b.j2' %}\n", files)
    assert error.place == "a/b.j2:3:16"
    assert error.excerpt.splitlines() == [
        "    1 |     ENV A",
        "    2 |     {% for n in 'xy' %}",
        "    3 | >>> ENV {{ n }} {{ nothing }}",
        "                           ^^^^^^^",
        "    4 |     {% endfor %}",
        "      = in the loop of line 2: n='x'",
        "      = included at Recipe:2",
    ]


def test_an_error_of_syntax_in_a_file_names_who_includes_it() -> None:
    error = wrong("FROM a\n{% include 'b' %}\n", {"b": "\n{{ 1 1 }}"})
    assert error.place == "b:2:6"
    assert error.excerpt.endswith("      = included at Recipe:2")
