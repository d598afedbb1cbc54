"""`RUN --mount=`: from fields as written to a RunMount of the graph.

dockerfile.md 1.7; BuildKit's instructions/commands_runmount.go.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from lamina.builder.errors import InvalidInstruction
from lamina.builder.graph import RunMount

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.builder.plan import Scope
    from lamina.builder.stage import StageState
    from lamina.lang.nodes import Mount
    from lamina.lang.source import Span

_COMMON = frozenset({"type", "target", "dst", "destination"})
_FIELDS: Mapping[str, frozenset[str]] = {
    "bind": _COMMON | {"source", "src", "from", "ro", "readonly", "rw", "readwrite"},
    "cache": _COMMON
    | {"id", "sharing", "from", "source", "src", "mode", "uid", "gid"}
    | {"ro", "readonly", "rw", "readwrite"},
    "tmpfs": _COMMON | {"size"},
    "secret": _COMMON
    | {"id", "source", "src", "required", "mode", "uid", "gid", "env"},
    "ssh": _COMMON | {"id", "required", "mode", "uid", "gid"},
}
_SHARING = ("shared", "private", "locked")


def plan_mount(mount: Mount, state: StageState, scope: Scope) -> RunMount:
    """The mount with its words expanded; raises InvalidInstruction."""
    fields: dict[str, str] = {}
    for key, word in mount.fields:
        name = key.lower()
        literal = name == "from" or word is None
        text = (word.text if word is not None else "") if literal else None
        given = state.expand(word, scope.escape) if text is None and word else text
        fields[name] = given or ""
    kind = fields.get("type", "bind")
    if kind not in _FIELDS:
        raise InvalidInstruction(
            f"There is no mount type {kind!r}.",
            mount.span,
            hint="The types are bind, cache, tmpfs, secret and ssh.",
        )
    for name in fields:
        if name not in _FIELDS[kind]:
            raise InvalidInstruction(
                f"A {kind} mount has no {name!r}.",
                mount.span,
                hint=f"It takes {', '.join(sorted(_FIELDS[kind]))}.",
            )
    return _planned(kind, fields, mount.span, state, scope)


def _planned(
    kind: str, fields: dict[str, str], span: Span, state: StageState, scope: Scope
) -> RunMount:
    source = fields.get("source", fields.get("src", ""))
    identity = fields.get("id", source if kind == "secret" else "")
    target = _target(kind, fields, identity, span, state)
    origin = -1
    if "from" in fields:
        origin = scope.origin(fields["from"], state, span)
    elif kind == "cache":
        origin = -2
    sharing = fields.get("sharing", "shared")
    if sharing not in _SHARING:
        raise InvalidInstruction(
            f"A cache cannot be shared as {sharing!r}.",
            span,
            hint="sharing is shared, private or locked.",
        )
    default_mode = {"cache": 0o755, "secret": 0o400, "ssh": 0o600}.get(kind, 0)
    return RunMount(
        kind=kind,
        target=target,
        source=source,
        origin=origin,
        writable=_writable(kind, fields, span),
        id=identity or target,
        sharing=sharing,
        size=_size(fields.get("size", "0"), span),
        mode=_number(fields.get("mode", ""), 8, span)
        if "mode" in fields
        else default_mode,
        uid=_number(fields.get("uid", "0"), 10, span),
        gid=_number(fields.get("gid", "0"), 10, span),
        required=_boolean(fields.get("required", "false"), span),
        env=fields.get("env", ""),
    )


def _target(
    kind: str, fields: dict[str, str], identity: str, span: Span, state: StageState
) -> str:
    given = fields.get("target", fields.get("dst", fields.get("destination", "")))
    if not given:
        if kind == "secret" and identity:
            return (
                "" if "env" in fields else f"/run/secrets/{identity.rsplit('/', 1)[-1]}"
            )
        if kind == "ssh":
            return "/run/lamina/ssh_agent.sock"
        raise InvalidInstruction(
            f"A {kind} mount needs a target.",
            span,
            hint="Say where it appears: `target=/path`.",
        )
    path = posixpath.normpath(posixpath.join(state.config.working_dir or "/", given))
    if path == "/":
        raise InvalidInstruction("A mount cannot replace `/`.", span)
    return path


def _writable(kind: str, fields: dict[str, str], span: Span) -> bool:
    writable = kind == "cache"
    for name in ("rw", "readwrite"):
        if name in fields:
            writable = _boolean(fields[name], span)
    for name in ("ro", "readonly"):
        if name in fields:
            writable = not _boolean(fields[name], span)
    return writable


def _boolean(text: str, span: Span) -> bool:
    if text.lower() in ("", "true", "1"):
        return True
    if text.lower() in ("false", "0"):
        return False
    raise InvalidInstruction(f"{text!r} is neither true nor false.", span)


def _number(text: str, base: int, span: Span) -> int:
    try:
        return int(text, base)
    except ValueError:
        kind = "an octal mode" if base == 8 else "a number"
        raise InvalidInstruction(f"{text!r} is not {kind}.", span) from None


def _size(text: str, span: Span) -> int:
    """Bytes, with Docker's suffixes b, k, m, g."""
    digits = text.lower().removesuffix("b")
    scale = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}.get(digits[-1:], 1)
    return _number(digits.rstrip("kmg"), 10, span) * scale
