"""Which files are templates, and where their heading ends."""

from __future__ import annotations

import pytest

from lamina.lang.source import RecipeError, Source, Span, excerpt
from lamina.lang.templates.declarations import Given, UnknownVariable
from lamina.lang.templates.render import is_template, render


@pytest.mark.parametrize(
    ("name", "heading", "yes"),
    [
        ("Recipe", "", True),
        ("a/Recipe.web", "", True),
        ("web.recipe", "", True),
        ("Dockerfile", "", False),
        ("-", "", False),
        ("Dockerfile", "# lamina: scrub\n", False),
        ("Dockerfile", "# about\n\n# lamina: template=jinja2\n", True),
        ("Dockerfile", "FROM a\n# lamina: template=jinja2\n", False),
        ("Recipe", "# lamina: template=none\n", False),
        ("-", "# lamina: template=jinja2\n", True),
    ],
)
def test_which_files_are_templates(name: str, heading: str, yes: bool) -> None:
    assert is_template(name, heading + "FROM a\n") is yes
    source = Source(name, heading + "RUN {{ 1 }}\n")
    assert ("RUN 1" in render(source).text) is yes


def test_a_dockerfile_takes_no_values() -> None:
    given = (Given("--set a", "a", "1"),)
    with pytest.raises(UnknownVariable, match="Dockerfile is no template"):
        render(Source("Dockerfile", "FROM a\n"), given)
    with pytest.raises(RecipeError, match="is no template"):
        render(Source("Dockerfile", "# lamina: var a:str = b\nFROM a\n"))


def test_a_heading_that_means_nothing() -> None:
    with pytest.raises(RecipeError, match="knows no 'vra'") as caught:
        render(Source("Recipe", "# lamina: vra x:int\nFROM {{ x }}\n"))
    assert caught.value.hint == "Did you mean var?"


def test_windows_lines() -> None:
    source = render(
        Source("Recipe", "FROM a\r\n{% if 1 %}\r\nRUN {{ 1 }}\r\n{% endif %}")
    )
    assert source.text == "FROM a\nRUN 1\n"
    assert str(Span(source, 7, 8)) == "Recipe:3:1"


# Spans of what was rendered

LOOP = """\
FROM a
{% for n in ["x", "y"] %}
RUN make {{ n }} && instal
{% endfor %}
ENV \\
{% for n in "pq" %}
  {{ n }}=1 \\
{% endfor %}
  Z=1
"""


def span_of(source: Source, text: str, nth: int = 1) -> Span:
    at = -1
    for _ in range(nth):
        at = source.text.index(text, at + 1)
    return Span(source, at, at + len(text))


def test_a_word_in_a_loop() -> None:
    source = render(Source("Recipe", LOOP))
    span = span_of(source, "instal", 2)
    assert (str(span), span.line, span.column) == ("Recipe:3:21", 3, 21)
    assert (span.place.end_line, span.place.end_column) == (3, 27)
    assert span.written.text == "instal"
    assert excerpt(span).splitlines() == [
        "    1 |     FROM a",
        '    2 |     {% for n in ["x", "y"] %}',
        "    3 | >>> RUN make {{ n }} && instal",
        "                                ^^^^^^",
        "    4 |     {% endfor %}",
        "    5 |     ENV \\",
        "      = in the loop of line 2: n='y'",
        "      = rendered: RUN make y && instal",
    ]


def test_what_an_expression_gave() -> None:
    source = render(Source("Recipe", LOOP))
    assert span_of(source, "y &").written.text == "{{ n }} &"
    assert span_of(source, "y").written.text == "{{ n }}"


def test_an_instruction_around_a_loop() -> None:
    source = render(Source("Recipe", LOOP))
    span = span_of(source, "ENV \\\n  p=1 \\\n  q=1 \\\n  Z=1")
    assert span.written.text == LOOP[LOOP.index("ENV") :].rstrip()
    assert span.chain == ()


def test_from_one_turn_to_the_next() -> None:
    source = render(Source("Recipe", LOOP))
    span = span_of(source, "1 \\\n  q")
    assert span.written.text == '{% for n in "pq" %}'


def test_ends() -> None:
    source = render(Source("Recipe", "FROM {{ 1 }}"))
    assert str(Span(source, 6, 6)) == "Recipe:1:13"
    assert str(Span(source, 0, 0)) == "Recipe:1:1"
    assert Span(source, 0, 6).written.text == "FROM {{ 1 }}"
    empty = render(Source("Recipe", "{% if 0 %}{% endif %}"))
    assert str(Span(empty, 0, 0)) == "Recipe:1:1"


def test_in_the_recipe_itself() -> None:
    def load(name: str) -> Source:
        return Source(name, "{% macro m() %}\nRUN x\n{% endmacro %}\n{{ m() }}")

    source = render(Source("Recipe", "FROM a\n{% include 'p' %}\n"), (), load)
    span = span_of(source, "x")
    assert str(span) == "p:2:5"
    assert span.in_recipe.text == "{% include 'p' %}"
    assert str(span.in_recipe) == "Recipe:2:1"
    assert [str(frame) for frame in span.chain] == [
        "in the macro m, called at p:4",
        "included at Recipe:2",
    ]
    plain = Span(Source("Recipe", "FROM a"), 5, 6)
    assert plain.in_recipe is plain and plain.written is plain
