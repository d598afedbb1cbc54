"""`--format`: a Go template, as docker takes it, or one of Jinja2.

Both have `{{ }}`. It is Jinja's when it has a statement or comment of it, or when an
action begins with a name that is no function of Go's and nothing in it begins with a
dot: `{{ id }}` and `{{ names | upper }}`, but `{{.ID}}` and `{{json .}}`.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lamina.cli.gotemplate.functions import Function

    # What a format gives for a row or a document.
    Render = Callable[[object], str]

_ACTION = re.compile(r"\{\{-?((?:\"(?:[^\"\\]|\\.)*\"|`[^`]*`|.)*?)\}\}", re.DOTALL)
_GO = re.compile(r"(?:^|[\s(|,=])(?:\.|\$)")
_NAME = re.compile(r"[^\W\d]\w*")
_BRANCHES = ("if", "else", "end", "range", "with", "break", "continue")
_KEYWORDS = (*_BRANCHES, "define", "block", "template", "nil", "true", "false")
_TEXT = re.compile(r"\{\{.*?\}\}|\\[tn]", re.DOTALL)


def compiled(template: str, functions: Mapping[str, Function] | None = None) -> Render:
    """What renders `template`; raises BadSyntax, and when called BadTemplate.

    `functions` are those of a Go template, by default docker's.
    """
    if is_jinja(template):
        from lamina.cli.formats.jinja import compiled as jinja

        return jinja(template)
    from lamina.cli.gotemplate.evaluation import evaluate
    from lamina.cli.gotemplate.functions import FUNCTIONS
    from lamina.cli.gotemplate.parser import parse

    known = FUNCTIONS if functions is None else functions
    tree = parse(template, known)
    return lambda data: evaluate(tree, data, known)


def render(template: str, data: object) -> str:
    """The text of `template` for `data`; raises BadTemplate."""
    return compiled(template)(data)


def is_jinja(template: str) -> bool:
    """Whether a template is Jinja2's."""
    actions = [found.strip() for found in _ACTION.findall(template)]
    if any(_GO.search(action) for action in actions):
        return False
    if "{%" in template or "{#" in template:
        return True
    from lamina.cli.gotemplate.functions import FUNCTIONS

    names = [found[0] for action in actions if (found := _NAME.match(action))]
    return any(name not in FUNCTIONS and name not in _KEYWORDS for name in names)


def unescape(text: str) -> str:
    r"""`\t` and `\n` as people write them in a shell's quotes, outside of `{{ }}`."""
    return _TEXT.sub(lambda found: _ESCAPES.get(found[0], found[0]), text)


_ESCAPES = {"\\t": "\t", "\\n": "\n"}
