"""Parsed recipes and grammar tables as JSON, for a ParseCache.

A node is a list that starts with the number of its class, a tuple one that starts
with 0; a Span is two numbers in its node's list. A recipe is lines: a checksum, what
every reader needs (the FROMs, global ARGs, directives), then the instructions of one
stage each, which are decoded when they are first asked for. Reading runs nothing of
what it reads, and what does not fit is None, as if it had never been cached.
"""

from __future__ import annotations

import json
import os
from functools import partial
from zlib import crc32

from lamina import __version__
from lamina.lang import nodes
from lamina.lang.source import Source, Span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lamina.lang.dialect import Dialect

TUPLE = 0
# The numbers of classes in one version's cache; keys of the cache name the version.
CLASSES: tuple[type, ...] = (
    nodes.Word,
    nodes.Substitution,
    nodes.Pair,
    nodes.Heredoc,
    nodes.ExecForm,
    nodes.ShellForm,
    nodes.Mount,
    nodes.From,
    nodes.Arg,
    nodes.Env,
    nodes.Label,
    nodes.Run,
    nodes.Copy,
    nodes.Workdir,
    nodes.User,
    nodes.StopSignal,
    nodes.Cmd,
    nodes.Entrypoint,
    nodes.Shell,
    nodes.Expose,
    nodes.Volume,
    nodes.Healthcheck,
    nodes.Onbuild,
    nodes.Maintainer,
    nodes.Unset,
    nodes.Directive,
    Span,
)
NUMBERS = {cls: number for number, cls in enumerate(CLASSES, 1)}
# A class, its fields, and which of them is the span.
SHAPES = tuple(
    (cls, tuple(cls.__annotations__), [*cls.__annotations__, "span"].index("span"))
    for cls in CLASSES
)


def cache_key(kind: str, text: str) -> str:
    """The key of what this version of the language makes of `text`."""
    from hashlib import sha256

    edited = sha256("\0".join((_edition(), text)).encode())
    return f"{kind}-{edited.hexdigest()}"


_editions: list[str] = []


def _edition() -> str:
    """Lamina's version, and when its files were written, where they can be edited: a
    parser that is being worked on must not be given what the old one found."""
    if not _editions:
        here = os.path.dirname(__file__)
        with os.scandir(here) as entries:
            stamps = sorted(
                f"{entry.name}:{entry.stat().st_mtime_ns}"
                for entry in entries
                if entry.name.endswith((".py", ".lark"))
            )
        _editions.append("\0".join((__version__, *stamps)))
    return _editions[0]


def encode(recipe: nodes.Recipe) -> bytes:
    """The recipe without its source and dialect, which `decode` is given again."""
    bases = tuple(stage.base for stage in recipe.stages)
    head = (recipe.escape, recipe.global_args, recipe.directives, bases)
    parts = (head, *(stage.instructions for stage in recipe.stages))
    lines = b"\n".join(
        json.dumps(_plain(part), separators=(",", ":")).encode() for part in parts
    )
    return b"%08x\n%b" % (crc32(lines), lines)


def _plain(node: Any) -> Any:
    if isinstance(node, tuple):
        return [TUPLE, *map(_plain, node)]
    number = NUMBERS.get(type(node))
    if number is None:
        return node
    plain: list[Any] = [number]
    for name, given in node.__dict__.items():
        if name == "span":
            plain += (given.start, given.end)
        else:
            plain.append(None if name == "source" else _plain(given))
    return plain


def decode(data: bytes, source: Source, dialect: Dialect) -> nodes.Recipe | None:
    """The recipe that `encode` wrote, all its spans in `source`; None for others."""
    checksum, _, lines = data.partition(b"\n")
    if checksum != b"%08x" % crc32(lines):
        return None
    head, *stages = lines.split(b"\n")
    decoder = _Decoder(source)
    try:
        escape, global_args, directives, bases = decoder.decode(head)
        if len(bases) != len(stages):
            return None
    except (ValueError, TypeError, IndexError, RecursionError):
        return None
    return nodes.Recipe(
        source,
        escape,
        global_args,
        tuple(
            nodes.Stage.later(index, base, partial(decoder.decode, stages[index]))
            for index, base in enumerate(bases)
        ),
        directives,
        dialect,
    )


class _Decoder:
    """Fills nodes without their constructors: a cached build waits for this."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def decode(self, line: bytes) -> Any:
        return self.node(json.loads(line))

    def node(self, plain: list[Any]) -> Any:
        node = self.node
        given = [node(item) if type(item) is list else item for item in plain]
        number = given[0]
        if number == TUPLE:
            return tuple(given[1:])
        cls, fields, span = SHAPES[number - 1]
        if span < len(fields):
            place = object.__new__(Span)
            place.__dict__.update(
                source=self.source, start=given[span + 1], end=given[span + 2]
            )
            given[span + 1 : span + 3] = (place,)
        elif fields[0] == "source":
            given[1] = self.source
        if len(given) != len(fields) + 1:
            raise ValueError(number)
        made = object.__new__(cls)
        made.__dict__.update(zip(fields, given[1:], strict=True))
        return made


def encode_tables(tables: Any) -> bytes:
    """A grammar's tables; JSON has no keys that are numbers, so a dict is pairs."""
    return json.dumps(_without_keys(tables), separators=(",", ":")).encode()


def _without_keys(node: Any) -> Any:
    if isinstance(node, dict):
        if all(type(key) is str for key in node):
            return {key: _without_keys(inner) for key, inner in node.items()}
        pairs = [[key, _without_keys(inner)] for key, inner in node.items()]
        return {"": pairs}
    if isinstance(node, list | tuple | set | frozenset):
        return [_without_keys(inner) for inner in node]
    return node


def decode_tables(data: bytes) -> Any:
    """The tables that `encode_tables` wrote; None for anything else."""
    try:
        return json.loads(data, object_hook=_with_keys)
    except ValueError:
        return None


def _with_keys(node: dict[str, Any]) -> dict[Any, Any]:
    pairs = node.get("")
    return node if pairs is None else dict(pairs)
