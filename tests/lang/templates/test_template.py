"""What templates give."""

from __future__ import annotations

import pytest

from tests.lang.templates.rendering import FILES, text, wrong


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ("FROM a\n{% if x %}\nRUN 1\n{% endif %}\nRUN 2\n", "FROM a\nRUN 2\n"),
        ("{% for n in 'ab' %}\n  RUN {{ n }}\n{% endfor %}\n", "  RUN a\n  RUN b\n"),
        ("{% if x %}1{% elif not x %}2{% else %}3{% endif %}", "2"),
        ("{% if x %}1{% elif x %}2{% elif 1 %}3{% else %}4{% endif %}", "3"),
        ("a {%# no\nmatter #%}b", "a b"),
        ("{%#- all -#%}  a", "a"),
        ("{% raw %}{{.ID}} {%x%}{% endraw %}", "{{.ID}} {%x%}"),
        ("{% set a %}\nx {{ 1 }}\n{% endset %}{{ a }}{{ a | trim }}", "x 1\nx 1"),
        ("{% filter upper %}a{{ 'b' }}{% endfilter %}", "AB"),
        ("{% with a = 1 %}{{ a }}{% endwith %}", "1"),
        ("{{ true }} {{ 1.5 }} {{ 'a' ~ false ~ 1 }}", "true 1.5 afalse1"),
        ("{{ [1, 'a b', true] | quote }}", "1 'a b' true"),
        ("""CMD {{ ["a'b", "<c>"] | tojson }}""", """CMD ["a'b", "<c>"]"""),
        ("{{ ['a', true] | join(',') }}", "a,true"),
        ("{{ [{'a': 1}, {'a': 2}] | sum('a') }}", "3"),
        ("{{ [{'a': 'x'}, {'a': 'y'}] | map(attribute='a') | join }}", "xy"),
        ("{{ '%s-%02d' | format('a', 3) }} {{ '%s' % 'b' }}", "a-03 b"),
        ("{{ 'a\nb\n\nc' | indent(2) }}", "a\n  b\n\n  c"),
        ("{{ 'a-b'.replace('-', '+') }} {{ '-'.join(['a', 'b']) }}", "a+b a-b"),
        ("{% for a, b in {'x': 1}.items() %}{{ a }}={{ b }}{% endfor %}", "x=1"),
        ("{{ {'items': 1}.items }}", "1"),
        ("{% for a in [3, 1] | sort if a > 1 %}{{ loop.index }}{% endfor %}", "1"),
        ("{% for a in [] %}{% else %}none{% endfor %}", "none"),
        ("{{ x | default('d') }}{{ y | default('d') }}", "falsed"),
        ("{% macro m(a, b='B') %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}", "1B"),
        (
            "{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}x{% endcall %}",
            "<x>",
        ),
        ("{% include 'none' ignore missing %}a", "a"),
    ],
)
def test_what_templates_give(template: str, result: str) -> None:
    assert text(template, x=False) == result


@pytest.mark.parametrize(
    "shell",
    [
        "RUN echo ${#x} ${x%%#*} ${x%.c} $((1+2)) $x{a}\n",
        "RUN curl -w '%{http_code}' && date +%F{} && awk '{print $1}' {# x #}\n",
        "RUN find . -exec rm {} + && echo {a,b} '}}' %} #%}\n",
    ],
)
def test_the_shell_is_left_alone(shell: str) -> None:
    assert text(shell + "{{ 1 }}") == shell + "1"


def test_files() -> None:
    assert text(
        "{% extends 'base.j2' %}\n{% from 'apt.j2' import apt %}\n"
        "{% block body %}\n{{ apt('git') }}{{ super() }}{% include 'env.j2' %}\n"
        "{% endblock %}\n",
        FILES,
        version="1",
    ) == ("FROM a\nRUN apt-get install git\nRUN base\nENV A=1\nENV Z=1\nCMD x\n")


def test_values_are_known_in_imported_files_too() -> None:
    files = {"m.j2": "{% macro m() %}{{ version }}{% endmacro %}"}
    assert text("{% import 'm.j2' as m %}{{ m.m() }}", files, version="1") == "1"


def test_nothing_depends_on_chance_or_place() -> None:
    for name in ("random", "pprint", "escape", "safe", "attr", "xmlattr"):
        assert f"No filter named {name!r}" in wrong(f"{{{{ 1 | {name} }}}}").message
    assert "Nothing is called 'lipsum'" in wrong("{{ lipsum() }}").message
    for function in ("range", "dict", "namespace", "fail"):
        assert "is no text" in wrong(f"{{{{ {function} }}}}").message
        assert "is no text" in wrong(f"{{{{ {function} | upper }}}}").message
        assert "is no text" in wrong(f"{{{{ {function} ~ '' }}}}").message
        assert "is no text" in wrong(f"{{{{ '%s' % {function} }}}}").message
