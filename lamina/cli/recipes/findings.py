"""Findings as text, as BuildKit's JSON, as SARIF and as GitHub's commands."""

from __future__ import annotations

import sys

from lamina import __version__
from lamina.errors import visible
from lamina.lang.checks.rules import link, rule_of
from lamina.lang.source import excerpt
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from lamina.builder.checking.recipe_checks import Checkup
    from lamina.lang.source import Frame, Source, Span

# The rule of what cannot be read.
SYNTAX = "Syntax"
# Nobody reads more, and each needs its lines to be found in the text.
MOST = 1000
_COLOURS = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "note": "\x1b[1;36m"}
_PLAIN, _BOLD, _DIM = "\x1b[0m", "\x1b[1m", "\x1b[2m"


@value
class Said:
    """One thing to be told; `link` is where it is explained, "" for errors and for our
    own rules. `chain` is how a template came to it, the nearest cause first."""

    rule: str
    level: str
    message: str
    hint: str
    span: Span
    link: str

    @property
    def more(self) -> str:
        """Where more is said about it."""
        if self.rule == SYNTAX or self.link:
            return self.link
        return f"`lamina check --explain {self.rule}`"

    @property
    def chain(self) -> tuple[Frame, ...]:
        return self.span.chain


def show(checkup: Checkup, name: str, style: str, colour: bool = False) -> None:
    """Print what was found in the recipe `name` on stdout."""
    said = _said(checkup)
    if style == "text":
        text = "".join(_text(said, name, colour))
    elif style == "github":
        text = "".join(_command(one) for one in said[:MOST])
    else:
        import json

        found = _sarif(said) if style == "sarif" else _json(said)
        text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    sys.stdout.write(text)


def _said(checkup: Checkup) -> list[Said]:
    found = [
        Said(SYNTAX, "error", error.message, error.hint, error.span, "")
        for error in checkup.errors
    ]
    found += [
        Said(f.rule, f.level, f.message, f.hint, f.span, link(f.rule))
        for f in checkup.findings
    ]
    return sorted(found, key=lambda one: one.span.start)


# Text


def _text(said: Sequence[Said], name: str, colour: bool) -> Iterator[str]:
    for one in said[:MOST]:
        message, place = visible(one.message), visible(str(one.span))
        head = f"{one.level}: {message}"
        lines = excerpt(one.span)
        if colour:
            paint = _COLOURS[one.level]
            head = f"{paint}{one.level}{_PLAIN}{_BOLD}: {message}{_PLAIN}"
            lines = _painted(lines, paint)
        rule = "" if one.rule == SYNTAX else f" ({one.rule})"
        yield f"{place}: {head}{rule}\n{lines}\n"
        if one.hint:
            yield f"  hint: {visible(one.hint)}\n"
        if one.more:
            see = f"see {one.more}"
            yield f"  {_DIM}{see}{_PLAIN}\n" if colour else f"  {see}\n"
        yield "\n"
    if len(said) > MOST:
        yield f"... and {len(said) - MOST} more\n"
    yield f"{visible(name)}: {summary([one.level for one in said])}\n"


def _painted(lines: str, paint: str) -> str:
    """The excerpt with its marks in colour."""
    painted = []
    for line in lines.split("\n"):
        head, bar, rest = line.partition(" | >>> ")
        if line.strip("^ \t") == "" and "^" in line:
            painted.append(f"{paint}{line}{_PLAIN}")
        elif bar:
            painted.append(f"{_DIM}{head}{_PLAIN} | {paint}>>>{_PLAIN} {rest}")
        else:
            painted.append(line)
    return "\n".join(painted)


def summary(levels: Sequence[str]) -> str:
    """`1 error, 2 warnings, 3 notes`, or that there is nothing."""
    counts = [(levels.count(level), level) for level in ("error", "warning", "note")]
    parts = [
        f"{count} {level}{'s' if count > 1 else ''}" for count, level in counts if count
    ]
    return ", ".join(parts) or "nothing found"


# JSON: BuildKit's shape (frontend/subrequests/lint), with `level`, `hint` and `errors`


def _json(said: Sequence[Said]) -> dict[str, Any]:
    import base64

    sources = _sources(said)
    places = {source.name: number for number, source in enumerate(sources)}
    found: dict[str, Any] = {
        "warnings": [
            {
                "ruleName": one.rule,
                "description": rule_of(one.rule).what,
                **({"url": one.link} if one.link else {}),
                "detail": one.message,
                "location": _location(one.span, places),
                "level": one.level,
                **_more(one),
            }
            for one in said
            if one.rule != SYNTAX
        ],
        "sources": [
            {
                "filename": source.name,
                "language": "Dockerfile",
                "data": base64.b64encode(source.text.encode()).decode(),
            }
            for source in sources
        ],
    }
    errors = [
        {
            "message": one.message,
            "location": _location(one.span, places),
            **_more(one),
        }
        for one in said
        if one.rule == SYNTAX
    ]
    if errors:
        first = {key: errors[0][key] for key in ("message", "location")}
        found |= {"buildError": first, "errors": errors}
    return found


def _more(one: Said) -> dict[str, Any]:
    """The hint, and how a template came to it, where there are such."""
    found: dict[str, Any] = {"hint": one.hint} if one.hint else {}
    if one.chain:
        found["chain"] = [str(frame) for frame in one.chain]
    return found


def _sources(said: Sequence[Said]) -> list[Source]:
    """The files that something is said of, each once."""
    return list(
        {one.span.written.source.name: one.span.written.source for one in said}.values()
    )


def _location(span: Span, places: dict[str, int]) -> dict[str, Any]:
    """Lines count from 1, `character` from 0, as in BuildKit's protocol."""
    place = span.place
    return {
        "sourceIndex": places[place.file],
        "ranges": [
            {
                "start": {"line": place.line, "character": place.column - 1},
                "end": {"line": place.end_line, "character": place.end_column - 1},
            }
        ],
    }


# SARIF 2.1.0, docs.oasis-open.org/sarif/sarif/v2.1.0


def _sarif(said: Sequence[Said]) -> dict[str, Any]:
    names = sorted({one.rule for one in said})
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "lamina",
                        "semanticVersion": __version__,
                        "rules": [_rule(name) for name in names],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(one, names.index(one.rule)) for one in said],
            }
        ],
    }


def _rule(name: str) -> dict[str, Any]:
    if name == SYNTAX:
        what = {"text": "What cannot be read"}
        return {
            "id": name,
            "shortDescription": what,
            "defaultConfiguration": {"level": "error"},
        }
    from lamina.lang.checks.explained import as_text, explanation, reasons

    rule, where = rule_of(name), link(name)
    found: dict[str, Any] = {
        "id": name,
        "shortDescription": {"text": rule.what},
        "fullDescription": {"text": reasons(rule.name)},
        "help": {"text": as_text(rule.name), "markdown": explanation(rule.name)},
        "defaultConfiguration": {"level": rule.level},
    }
    if where:
        found["helpUri"] = where
    return found


def _result(one: Said, index: int) -> dict[str, Any]:
    hint = f" {one.hint}" if one.hint else ""
    stop = "" if one.message.endswith(".") else "."
    return {
        "ruleId": one.rule,
        "ruleIndex": index,
        "level": one.level,
        "message": {"text": f"{one.message}{stop}{hint}"},
        "locations": [_physical(one.span)],
        **({"relatedLocations": list(map(_cause, one.chain))} if one.chain else {}),
    }


def _cause(frame: Frame) -> dict[str, Any]:
    """The place in a template that brought something about, and how."""
    return {**_physical(frame.caused), "message": {"text": str(frame)}}


def _physical(span: Span) -> dict[str, Any]:
    from urllib.parse import quote

    place = span.place
    region = {
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.end_line,
        "endColumn": place.end_column,
    }
    artifact = {"uri": quote(place.file)}
    return {"physicalLocation": {"artifactLocation": artifact, "region": region}}


# GitHub's workflow commands, docs.github.com/actions, "Workflow commands"


def _command(one: Said) -> str:
    place = one.span.place
    fields = {
        "file": place.file,
        "line": str(place.line),
        "endLine": str(place.end_line),
        "col": str(place.column),
        "endColumn": str(place.end_column),
        "title": one.rule,
    }
    given = ",".join(f"{key}={_escaped(it, ':,')}" for key, it in fields.items())
    level = "notice" if one.level == "note" else one.level
    lines = (one.message, one.hint, *map(str, one.chain))
    message = "\n".join(filter(None, lines))
    return f"::{level} {given}::{_escaped(message)}\n"


def _escaped(text: str, more: str = "") -> str:
    for sign in f"%\r\n{more}":
        text = text.replace(sign, f"%{ord(sign):02X}")
    return text
