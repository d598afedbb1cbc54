"""The layout of templates: what is between tags, proven by rendering."""

from __future__ import annotations

import pytest

from lamina.lang.formatting.format import format_source
from lamina.lang.formatting.format_template import NotFormatted
from lamina.lang.source import RecipeError, Source
from lamina.lang.templates.declarations import Given
from lamina.lang.templates.render import render

HEAD = "# lamina: template=jinja2\n"


def formatted(text: str, **values: str) -> str:
    given = [Given("--set", name, value) for name, value in values.items()]
    return format_source(
        Source("Dockerfile", text), render=lambda source: render(source, given)
    )


def after(*lines: str) -> list[str]:
    text = formatted(HEAD + "FROM a\n" + "".join(f"{line}\n" for line in lines))
    assert formatted(text) == text
    return text.removeprefix(f"{HEAD}FROM a\n").splitlines()


def test_lines_of_tags_stay() -> None:
    assert after(
        "{% for n in [1, 2]   %}",
        "  env   A=1   B=2",
        "   {% if n == 1   %}",
        "copy   a   b",
        "{% endif %}",
        "{% endfor %}",
    ) == [
        "{% for n in [1, 2]   %}",
        "ENV A=1 B=2",
        "   {% if n == 1   %}",
        "COPY a b",
        "{% endif %}",
        "{% endfor %}",
    ]


def test_a_tag_is_a_piece_of_a_word() -> None:
    assert after(
        "{% set n = 'x  y' %}",
        'env   A="{{ n }}"    B=b{{ 1 + 1 }}c',
        "copy   {% if n %}a{% endif %}   b   {{ '/c' }}/",
        "run   echo   {{ n }}",
    ) == [
        "{% set n = 'x  y' %}",
        'ENV A="{{ n }}" B=b{{ 1 + 1 }}c',
        "COPY {% if n %}a{% endif %} b {{ '/c' }}/",
        "RUN echo   {{ n }}",
    ]


def test_tags_within_an_instruction() -> None:
    lines = [
        "RUN install  \\",
        "{% for d in ['a', 'b'] %}",
        "     {{ d }}   \\",
        "{% endfor %}",
        "  --now",
    ]
    assert after(*lines) == lines


def test_text_that_may_end_up_anywhere_stays() -> None:
    lines = [
        "{% macro copies(x) %}",
        "copy   {{ x }}   /y",
        "{% endmacro %}",
        "{% set text %}",
        "user   {{ 1 }}",
        "{% endset %}",
        "{% raw %}user   me{% endraw %}",
        "{{ copies('a') }}",
        "{% if false %}what   is  this{% endif %}",
        '{%# a "comment   #%}',
    ]
    assert after(*lines) == lines


def test_what_a_value_may_change_stays() -> None:
    assert after("env  A   {{ 'b' }}", "label  a   {{ 1 }}  c") == [
        "ENV A {{ 'b' }}",
        "LABEL a {{ 1 }}  c",
    ]


def test_what_cannot_be_read_without_its_values_stays() -> None:
    assert after(
        "healthcheck   --interval={{ 1 }}s    cmd   x",
        "{{ 'USER' }}   me",
        "user    me",
    ) == [
        "healthcheck   --interval={{ 1 }}s    cmd   x",
        "{{ 'USER' }}   me",
        "USER me",
    ]


def test_a_blank_line_before_a_stage_stands_behind_the_end_of_a_loop() -> None:
    text = (
        f"{HEAD}{{% for n in [1, 2] %}}\nfrom   a\n{{% endfor %}}\n# the last\n"
        "from   b\n"
    )
    assert formatted(text) == (
        f"{HEAD}{{% for n in [1, 2] %}}\nFROM a\n{{% endfor %}}\n\n# the last\nFROM b\n"
    )


def test_values() -> None:
    text = "# lamina: template=jinja2\n# lamina: var n:str\nfrom   {{ n }}\n"
    assert formatted(text, n="a").endswith("\nFROM {{ n }}\n")
    with pytest.raises(RecipeError, match="'n' has no value"):
        formatted(text)


def test_without_a_renderer_a_template_is_left_alone() -> None:
    text = f"{HEAD}from   a\n{{% set x = 1 %}}\n"
    with pytest.raises(NotFormatted):
        format_source(Source("Dockerfile", text))
    # One without a tag is its own rendering.
    assert format_source(Source("Recipe", "from   a\n")) == "FROM a\n"


def test_another_meaning_is_refused() -> None:
    """A renderer that looks at the text's length sees through every layout."""
    text = f"{HEAD}from   a\n{{% set x = 1 %}}\n"

    def by_length(source: Source) -> Source:
        return Source(source.name, f"FROM a\nUSER u{len(source.text)}\n")

    with pytest.raises(NotFormatted, match="would change what this template gives"):
        format_source(Source("Dockerfile", text), render=by_length)


@pytest.mark.parametrize(
    "lines",
    [
        # Were it false, the second line would belong to the first.
        ("RUN a{% if true %}", "copy  b  c{% endif %}"),
        ("RUN a \\", "{% if true %}", "  b", "{% endif %}", "copy  b  c"),
        ("{% if true %}", "RUN a \\", "{% else %}", "RUN b \\", "{% endif %}", "  c"),
    ],
)
def test_blocks_that_cut_an_instruction(lines: tuple[str, ...]) -> None:
    with pytest.raises(NotFormatted, match="begins or ends within an instruction"):
        after(*lines)


def test_what_is_no_recipe_between_its_tags() -> None:
    with pytest.raises(NotFormatted, match="No line `E` ends this heredoc"):
        after("RUN <<E", "x", "{{ 'E' }}")


def test_line_ends() -> None:
    text = f"{HEAD}from   a\n{{% if 1 %}}\nuser   b\n{{% endif %}}\n"
    assert formatted(text.replace("\n", "\r\n")) == formatted(text)
