"""Templates as tests render them: what they give, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from lamina.lang.source import RecipeError, Source, unix_lines
from lamina.lang.templates.render import lines
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


FILES = {
    "apt.j2": "{% macro apt(p) %}\nRUN apt-get install {{ p }}\n{% endmacro %}\n",
    "env.j2": "ENV A={{ version }}\n{% for z in [1] %}\nENV Z={{ z }}\n{% endfor %}\n",
    "base.j2": "FROM a\n{% block body %}\nRUN base\n{% endblock %}\nCMD x\n",
}
