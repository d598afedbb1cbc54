"""The part of Go's text/template that `--format` is used with.

{{.A.B}}  {{json .}}  {{index .M "k"}}  {{join .L ","}}  {{len .}}  {{upper .A}}
{{println .}}  a | b  {{if .A}} {{else}} {{end}}  {{range .L}} {{end}}
{{range $k, $v := .M}}  {{- and -}}
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lamina.errors import LaminaError

_ACTION = re.compile(r"(\s*)\{\{-\s|\{\{")
_CLOSE = re.compile(r"\s-\}\}\s*|\}\}")
_WORD = re.compile(
    r'\s*(?:("(?:[^"\\]|\\.)*"|`[^`]*`)|(:=|[|(),])|(\$?[\w.]*[\w.$]|\$)|(-?\d+))'
)
_MISSING: Any = object()


class BadTemplate(LaminaError):
    """A `--format` that cannot be understood."""

    def __init__(self, message: str) -> None:
        super().__init__(
            f"The format is wrong: {message}.",
            hint="It is a Go template, as in `{{.ID}} {{json .Config}}`.",
        )


def unescape(text: str) -> str:
    r"""`\t` and `\n` as people write them in a shell's quotes."""
    return text.replace("\\t", "\t").replace("\\n", "\n")


def render(template: str, data: object) -> str:
    """The text of `template` for `data`; raises BadTemplate."""
    pieces = _pieces(template)
    text, ended_by = _block(pieces, data, {"$": data}, True)
    if ended_by:
        raise BadTemplate(f"{{{{{ended_by}}}}} stands alone")
    return text


def _pieces(template: str) -> Iterator[tuple[str, str]]:
    """("text", ...) and ("action", ...) in turn."""
    position = 0
    while opening := _ACTION.search(template, position):
        yield "text", template[position : opening.start()]
        closing = _CLOSE.search(template, opening.end())
        if closing is None:
            raise BadTemplate("{{ is never closed")
        yield "action", template[opening.end() : closing.start()].strip()
        position = closing.end()
    yield "text", template[position:]


def _block(
    pieces: Iterator[tuple[str, str]], dot: object, names: dict[str, Any], live: bool
) -> tuple[str, str]:
    """The text up to the `end` or `else` that is this block's, and which it was."""
    out: list[str] = []
    for kind, text in pieces:
        if kind == "text":
            out.append(text)
            continue
        word, _, rest = text.partition(" ")
        if word in ("end", "else"):
            return "".join(out), text
        if word == "if":
            out.append(_if(pieces, rest, dot, names, live))
        elif word == "range":
            out.append(_range(pieces, rest, dot, names, live))
        elif live:
            out.append(_shown(_evaluate(text, dot, names)))
    return "".join(out), ""


def _if(
    pieces: Iterator[tuple[str, str]],
    condition: str,
    dot: object,
    names: dict[str, Any],
    live: bool,
) -> str:
    holds = live and _truth(_evaluate(condition, dot, names))
    text, ended_by = _block(pieces, dot, names, holds)
    out = text if holds else ""
    if ended_by.startswith("else if "):
        return out + _if(pieces, ended_by[8:], dot, names, live and not holds)
    if ended_by == "else":
        text, ended_by = _block(pieces, dot, names, live and not holds)
        out += text if live and not holds else ""
    if ended_by != "end":
        raise BadTemplate("{{if}} has no {{end}}")
    return out


def _range(
    pieces: Iterator[tuple[str, str]],
    header: str,
    dot: object,
    names: dict[str, Any],
    live: bool,
) -> str:
    variables, assigned, expression = header.rpartition(":=")
    found = _evaluate(expression, dot, names) if live else ()
    body = list(_body(pieces))
    out = []
    items = found.items() if isinstance(found, Mapping) else enumerate(found or ())
    for key, item in sorted(items, key=lambda pair: pair[0]):
        given = [v.strip() for v in variables.split(",")] if assigned else []
        values = (key, item) if len(given) == 2 else (item,)
        inner = {**names, **dict(zip(given, values, strict=False))}
        out.append(_block(iter(body), item, inner, True)[0])
    return "".join(out)


def _body(pieces: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The pieces up to the `end` of this range, with all blocks inside."""
    depth = 1
    for kind, text in pieces:
        if kind == "action":
            word = text.partition(" ")[0]
            depth += word in ("if", "range")
            depth -= word == "end"
            if not depth:
                return
        yield kind, text
    raise BadTemplate("{{range}} has no {{end}}")


def _evaluate(expression: str, dot: object, names: Mapping[str, Any]) -> Any:
    """A pipeline: each command's result is the last argument of the next."""
    words = _words(expression)
    found: Any = _MISSING
    command: list[Any] = []
    for word in [*words, "|"]:
        if word != "|":
            command.append(word)
            continue
        if not command:
            raise BadTemplate(f"{expression!r} is no expression")
        found = _call(command, found, dot, names)
        command = []
    return found


def _words(expression: str) -> list[str]:
    words: list[str] = []
    position = 0
    expression = expression.strip()
    while position < len(expression):
        found = _WORD.match(expression, position)
        if found is None or found.end() == position:
            raise BadTemplate(f"{expression[position:][:40]!r} cannot be read")
        words.append(found.group(0).strip())
        position = found.end()
    if "(" in words:
        raise BadTemplate("parentheses are not supported, write a pipeline")
    return words


def _call(command: list[str], piped: Any, dot: object, names: Mapping[str, Any]) -> Any:
    head, *rest = command
    arguments = [_operand(word, dot, names) for word in rest]
    if piped is not _MISSING:
        arguments.append(piped)
    function = _FUNCTIONS.get(head)
    if function is None:
        if arguments:
            raise BadTemplate(f"there is no function {head!r}")
        return _operand(head, dot, names)
    try:
        return function(*arguments)
    except (TypeError, LookupError, ValueError, AttributeError) as error:
        raise BadTemplate(f"{head}: {error}") from error


def _operand(word: str, dot: object, names: Mapping[str, Any]) -> Any:
    if word[0] == '"':
        return json.loads(word)
    if word[0] == "`":
        return word[1:-1]
    if word.lstrip("-").isdigit():
        return int(word)
    if word in ("true", "false"):
        return word == "true"
    start, _, path = word.partition(".")
    if start and start not in names:
        raise BadTemplate(f"there is no function {word!r}")
    found: Any = names[start] if start else dot
    for name in filter(None, path.split(".")):
        found = _field(found, name)
    return found


def _field(holder: Any, name: str) -> Any:
    if not isinstance(holder, Mapping):
        raise BadTemplate(f"there is no field .{name} in {_shown(holder)[:40]!r}")
    if name not in holder:
        raise BadTemplate(f"there is no field .{name}")
    return holder[name]


def _truth(found: Any) -> bool:
    return bool(found)


def _shown(found: Any) -> str:
    """As Go prints a value."""
    if found is None:
        return "<no value>"
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, Mapping):
        pairs = (f"{k}:{_shown(v)}" for k, v in sorted(found.items()))
        return f"map[{' '.join(pairs)}]"
    if isinstance(found, list | tuple):
        return f"[{' '.join(map(_shown, found))}]"
    return str(found)


def _index(holder: Any, *keys: Any) -> Any:
    for key in keys:
        holder = holder.get(key) if isinstance(holder, Mapping) else holder[key]
    return holder


def _json(found: Any) -> str:
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"), default=dict)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "json": _json,
    "index": _index,
    "join": lambda parts, separator: separator.join(map(_shown, parts)),
    "split": lambda text, separator: text.split(separator),
    "len": len,
    "upper": lambda text: text.upper(),
    "lower": lambda text: text.lower(),
    "title": lambda text: text.title(),
    "println": lambda *found: " ".join(map(_shown, found)) + "\n",
    "printf": lambda form, *found: form.replace("%v", "%s") % found,
    "print": lambda *found: "".join(map(_shown, found)),
    "eq": lambda first, *rest: first in rest,
    "ne": lambda first, second: first != second,
    "not": lambda found: not found,
    "slice": lambda text, *bounds: text[slice(*bounds)],
}
