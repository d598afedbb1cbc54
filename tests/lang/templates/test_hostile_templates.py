"""Templates that would take memory or time without end, or reach for Python."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.lang.source import RecipeError
from lamina.lang.templates.render import lines
from tests.lang.templates.rendering import rendered, wrong

# What would take memory or time without end


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'a' * 10 ** 10 }}",
        "{{ 10 ** (10 ** 10) }}",
        "{{ [1] * 10 ** 10 }}",
        "{{ 'a' | indent(10 ** 9) }}{{ 'a' | indent(10 ** 9, true) }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '%*d' | format(1000000000, 1) }}",
        "{{ [1] | batch(10 ** 9, 'x') | list }}",
        "{{ [1] | slice(10 ** 9) | list }}",
        "{{ 1 | round(-10 ** 9) }}",
        "{{ [1] | tojson(10 ** 9) }}",
        "{% for i in range(10 ** 9) %}{% endfor %}",
        "{% for i in range(10 ** 5) %}{% for j in range(10 ** 5) %}{% endfor %}"
        "{% endfor %}",
        "{% for i in range(10 ** 5) %}{% if range(10 ** 5) | list %}{% endif %}"
        "{% endfor %}",
        "{% for i in range(10 ** 5) %}{{ 'a' * 10000 }}{% endfor %}",
        "{% set n = namespace(a='x') %}{% for i in range(99) %}"
        "{% set n.a = n.a ~ n.a %}{% endfor %}",
        "{% set n = namespace(a='x') %}{% for i in range(99) %}"
        "{% set n.a %}{{ n.a }}{{ n.a }}{% endset %}{% endfor %}",
        "{% set n = namespace(a='x') %}{% for i in range(99) %}"
        "{% set n.a = [n.a, n.a] | join %}{% endfor %}",
        "{% set n = namespace(a='x') %}{% for i in range(99) %}"
        "{% set n.a = n.a.replace('x', 'xx') %}{% endfor %}",
        "{% set n = namespace(a=2) %}{% for i in range(99) %}"
        "{% set n.a = n.a * n.a %}{% endfor %}",
        "{% set n = namespace(a=[1]) %}{% for i in range(99) %}"
        "{% set n.a = [n.a, n.a] %}{% endfor %}",
        "{% macro m(a) %}{{ m([a, a]) }}{% endmacro %}{{ m(1) }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% include 'self' %}",
        "{% for a in [[]] recursive %}{{ loop([[]]) }}{% endfor %}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{% if 1 %}" * 5000 + "{% endif %}" * 5000,
        "{{ 1 }}" * 30000,
    ],
)
def test_hostile_templates_end(template: str) -> None:
    error = wrong(template, {"self": "{% include 'self' %}"})
    assert error.message.endswith(".")


# Whatever the text, it ends in a Source or a RecipeError

WORDS = (
    *("{{", "}}", "{%", "%}", "{%#", "#%}", "{% raw %}", "{% endraw %}", "\n", "'a'"),
    *("if", "endif", "for", "in", "endfor", "set", "endset", "macro", "endmacro"),
    *("call", "endcall", "filter", "block", "endblock", "extends", "include"),
    *("a", "m", "1", "=", "==", "is", "not", "defined", "|", "~", "+", "%", "**"),
    *("(", ")", "[", "]", "{", "}", ".", ",", ":", "upper", "join", "loop", "self"),
)


@given(st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join))
def test_anything_ends_well(template: str) -> None:
    try:
        source = rendered(template, {"a": "{{ m }}"}, a=[1], m={"a": "x"})
    except RecipeError as error:
        assert error.place and error.message.endswith((".", "?", "!"))
        return
    for line, span in lines(source):
        assert line in source.text and str(span)


@pytest.mark.parametrize(
    "expression",
    [
        "''['__cla' ~ 'ss__'].__mro__",
        "self._TemplateReference__context.environment",
        "cycler.__init__.__globals__.os.popen('id')",
        "joiner.__init__.__globals__",
        "namespace.__init__.__globals__",
        "fail.__globals__",
        "range.__self__.left",
        "dict.mro()",
        "dict.__base__.__subclasses__()",
        "m.__call__.__globals__",
        "m._func.__globals__",
        "loop.__init__",
        "[x] | map(attribute='__class__') | list | join",
        "[{'a': x}] | groupby('a.__class__') | first | join",
        "('%s' | format).__class__",
        "x.format.__self__.__class__",
        "'{0.__class__}'.format(x)",
        "'{0.__class__}'.format_map({'0': x})",
        "x.translate({97: 'b' * 9})",
        "x.encode().decode()",
        "x.center(9)",
        "x.expandtabs(9)",
        "{'a': 1}.update({'b': 2})",
        "[3, 1].sort()",
        "(1).__add__(1)",
        "environment",
        "context",
        "lipsum.__globals__",
        "self.__dict__",
        "caller",
    ],
)
def test_nothing_of_python_is_reached(expression: str) -> None:
    macro = "{% macro m(a) %}{{ caller }}{% endmacro %}"
    for x in ("{% for x in 'a' %}{{ loop.index }}", "{% set x = 'a' %}{% if 1 %}"):
        end = "{% endfor %}" if "for" in x else "{% endif %}"
        said = wrong(f"{macro}{x}{{{{ {expression} }}}}{end}")
        assert "0x" not in said.message
