"""Where each line of a rendered template came from."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lamina.lang.source import Source, unix_lines
from lamina.lang.templates.render import DELIMITERS, lines, render
from tests.lang.templates.rendering import FILES, origins, rendered


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
