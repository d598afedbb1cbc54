"""Templates: what they give, where each line came from, what is wrong in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.lang.source import RecipeError, Source, unix_lines
from lamina.lang.templates.render import DELIMITERS, lines, render
from lamina.lang.templates.template import render_template

NOTHING: Mapping[str, Any] = {}


def rendered(text: str, files: Mapping[str, str] = NOTHING, **values: Any) -> Source:
    def load(name: str) -> Source | None:
        return Source(name, files[name]) if name in files else None

    return render_template(unix_lines(Source("Recipe", text)), 0, values, load)


def text(template: str, files: Mapping[str, str] = NOTHING, **values: Any) -> str:
    return rendered(template, files, **values).text


def origins(template: str, files: Mapping[str, str] = NOTHING, **values: Any) -> str:
    """Each line with its place and how it came about."""
    shown = []
    for line, span in lines(rendered(template, files, **values)):
        shown.append(" | ".join([line, str(span), *map(str, span.chain)]))
    return "\n".join(shown)


def wrong(
    template: str, files: Mapping[str, str] = NOTHING, **values: Any
) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        rendered(template, files, **values)
    return caught.value


# What templates give


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


FILES = {
    "apt.j2": "{% macro apt(p) %}\nRUN apt-get install {{ p }}\n{% endmacro %}\n",
    "env.j2": "ENV A={{ version }}\n{% for z in [1] %}\nENV Z={{ z }}\n{% endfor %}\n",
    "base.j2": "FROM a\n{% block body %}\nRUN base\n{% endblock %}\nCMD x\n",
}


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


# Where lines came from


def test_origins_in_loops() -> None:
    template = "FROM a\n{% for n in [1, 2] %}\n  RUN {{ n }}\nRUN x\n{% endfor %}\nEND"
    assert origins(template).splitlines() == [
        "FROM a | Recipe:1:1",
        "  RUN 1 | Recipe:3:3 | in the loop of line 2: n=1",
        "RUN x | Recipe:4:1 | in the loop of line 2: n=1",
        "  RUN 2 | Recipe:3:3 | in the loop of line 2: n=2",
        "RUN x | Recipe:4:1 | in the loop of line 2: n=2",
        "END | Recipe:6:1",
    ]


def test_origins_in_files_and_macros() -> None:
    template = (
        "{% from 'apt.j2' import apt %}\n{% for p in ['git'] %}\n{{ apt(p) }}"
        "{% endfor %}\n{% include 'env.j2' %}\n"
    )
    assert origins(template, FILES, version="{{ 1 }}").splitlines() == [
        "RUN apt-get install git | apt.j2:2:1 | in the macro apt, called at Recipe:3"
        " | in the loop of line 2: p='git'",
        "ENV A={{ 1 }} | env.j2:1:1 | included at Recipe:4",
        "ENV Z=1 | env.j2:3:1 | in the loop of line 2: z=1 | included at Recipe:4",
    ]


def test_origins_in_blocks_and_parents() -> None:
    template = "{% extends 'base.j2' %}\n{% block body %}\nRUN mine\n{% endblock %}\n"
    assert origins(template, FILES).splitlines() == [
        "FROM a | base.j2:1:1 | extended at Recipe:1",
        "RUN mine | Recipe:3:1 | in the block body, placed at base.j2:2"
        " | extended at Recipe:1",
        "CMD x | base.j2:5:1 | extended at Recipe:1",
    ]


def test_origins_in_call_blocks_and_kept_text() -> None:
    template = (
        "{% macro m() %}\nRUN 1\n{{ caller() }}{% endmacro %}\n"
        "{% set kept %}\nRUN kept\n{% endset %}\n"
        "{% call m() %}\nRUN 2\n{% endcall %}\n{{ kept | trim }}\n{{ kept + 'RUN 3' }}"
    )
    assert origins(template).splitlines() == [
        "RUN 1 | Recipe:2:1 | in the macro m, called at Recipe:7",
        "RUN 2 | Recipe:8:1 | in a call block, called at Recipe:3"
        " | in the macro m, called at Recipe:7",
        "RUN kept | Recipe:5:1",
        "RUN kept | Recipe:5:1",
        "RUN 3 | Recipe:11:1",
    ]


def test_a_file_that_is_included_twice_tells_of_both_places() -> None:
    template = "{% include 'a' without context %}\n{% include 'a' without context %}\n"
    assert origins(template, {"a": "RUN x\n"}).splitlines() == [
        "RUN x | a:1:1 | included at Recipe:1",
        "RUN x | a:1:1 | included at Recipe:2",
    ]


BODY = st.lists(
    st.sampled_from(
        [
            "RUN x\n",
            "{{ 1 }}\n",
            "  {{ 'a\\nb' }}\n",
            "{% if 1 %}\nRUN y\n{% endif %}\n",
            "{% set a = 1 %}\n",
            "{%# no #%}\n",
            "{% raw %}\n{{.}}\n{% endraw %}\n",
            "\n",
            "ü{{ 'ü' }}",
            " \t{%- if 1 -%} \n z {%+ endif +%}\n",
        ]
    ),
    max_size=12,
).map("".join)


@given(BODY)
def test_origins_are_total_and_in_order(template: str) -> None:
    source = rendered(template)
    at = 0
    ends = [*(piece.at for piece in source.origins[1:]), len(source.text)]
    for piece, end in zip(source.origins, ends if source.origins else [], strict=True):
        assert piece.at == at < end
        if piece.literal:
            assert template[piece.start : piece.end] == source.text[at:end]
        at = end
    assert at == len(source.text)
    places = [span.line for _, span in lines(source)]
    assert places == sorted(places)


@given(
    st.text(alphabet="{}%#abc ${\r\n\t-'\"ü\ufeff\0", max_size=60).filter(
        lambda text: not any(sign in text for sign in DELIMITERS)
    )
)
def test_text_without_delimiters_is_what_it_was(text: str) -> None:
    source = Source("Recipe", text)
    assert render(source) is source
    if not text.endswith("{"):
        assert rendered(text + "{{ 1 }}").text == unix_lines(source).text + "1"


def test_the_heading_is_not_rendered() -> None:
    template = '# lamina: var x:str = "{{ y }}"\n\n# {{ 1 }}\nFROM {{ x }}\n'
    source = render(Source("Recipe", template))
    assert source.text == template.replace("{{ x }}", "{{ y }}").replace("{{ 1 }}", "1")
    assert [span.line for _, span in lines(source)] == [1, 2, 3, 4]


# What is wrong in them


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
