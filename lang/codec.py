"""Parsed recipes and grammar tables as JSON, for a ParseCache.

A node is a list that starts with the number of its class, a tuple one that starts
with 0; a Span is two numbers, in its node's list or a list of its own. A recipe is
lines: a checksum, its head (global ARGs, directives), then one for each stage, which is
read when it is first asked for. Reading runs nothing of what it reads, and what does
not fit is None, as if it had never been cached.
"""

from __future__ import annotations

import json
import os
from zlib import crc32

from lamina import __version__
from lamina.lang import nodes, words
from lamina.lang.recipe import Directive, Recipe, Stage
from lamina.lang.source import Source, Span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lamina.lang.dialect import Dialect

TUPLE = 0
# The numbers of classes in one version's cache; keys of the cache name the version.
CLASSES: tuple[type, ...] = (
    words.Word,
    words.Substitution,
    words.Pair,
    words.Heredoc,
    words.ExecForm,
    words.ShellForm,
    words.Mount,
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
    Directive,
)
NUMBERS = {cls: number for number, cls in enumerate(CLASSES, 1)}
SPAN = len(CLASSES) + 1
# A class, its fields, and which of them are spans of its own.
SHAPES = tuple(
    (
        cls,
        tuple(cls.__annotations__),
        tuple(
            n for n, kind in enumerate(cls.__annotations__.values()) if kind == "Span"
        ),
    )
    for cls in CLASSES
)
_write = json.JSONEncoder(separators=(",", ":")).encode


def cache_key(kind: str, text: str) -> str:
    """The key of what this version of the language makes of `text`."""
    try:
        # The module `hashlib` loads OpenSSL, in 3 ms.
        from _blake2 import blake2b
    except ImportError:
        from hashlib import blake2b
    edited = blake2b("\0".join((_edition(), text)).encode(), digest_size=32)
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
                if entry.name.endswith((".py", ".lark", ".json"))
            )
        _editions.append("\0".join((__version__, *stamps)))
    return _editions[0]


def encode(recipe: Recipe) -> bytes:
    """The recipe without its source and dialect, which `decode` is given again."""
    head = (recipe.escape, recipe.global_args, recipe.directives)
    stages = ((stage.base, *stage.instructions) for stage in recipe.stages)
    lines = "\n".join(_write(_plain(part)) for part in (head, *stages)).encode()
    return b"%08x\n%b" % (crc32(lines), lines)


def _plain(node: Any) -> Any:
    kind = type(node)
    if kind is tuple:
        return [TUPLE, *map(_plain, node)]
    if kind is Span:
        return [SPAN, node.start, node.end]
    number = NUMBERS.get(kind)
    if number is None:
        return node
    plain: list[Any] = [number]
    spans = SHAPES[number - 1][2]
    for place, given in enumerate(node.__dict__.values()):
        if place in spans:
            plain += (given.start, given.end)
        elif given is None or type(given) is str:
            plain.append(given)
        else:
            plain.append(_plain(given))
    return plain


def decode(data: bytes, source: Source, dialect: Dialect) -> Recipe | None:
    """The recipe that `encode` wrote, all its spans in `source`; None for others."""
    checksum, _, lines = data.partition(b"\n")
    if checksum != b"%08x" % crc32(lines):
        return None
    head, *stages = lines.split(b"\n")
    decoder = _Decoder(source)
    try:
        escape, global_args, directives = decoder.node(json.loads(head))
    except (ValueError, TypeError, IndexError, RecursionError):
        return None
    return Recipe(
        source,
        escape,
        global_args,
        tuple(
            Stage.later(index, _Encoded(decoder, line))
            for index, line in enumerate(stages)
        ),
        directives,
        dialect,
    )


class _Encoded:
    """A stage as `encode` wrote it."""

    __slots__ = ("_decoder", "_line", "_plain")

    def __init__(self, decoder: _Decoder, line: bytes) -> None:
        self._decoder = decoder
        self._line = line
        self._plain: list[Any] = []

    def base(self) -> Any:
        return self._decoder.node(self._read()[1])

    def instructions(self) -> tuple[Any, ...]:
        return tuple(map(self._decoder.node, self._read()[2:]))

    def _read(self) -> list[Any]:
        if not self._plain:
            self._plain = json.loads(self._line)
        return self._plain


class _Decoder:
    """Fills nodes without their constructors: a cached build waits for this."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def node(self, plain: list[Any]) -> Any:
        node = self.node
        given = [node(item) if type(item) is list else item for item in plain]
        number = given[0]
        if number == TUPLE:
            return tuple(given[1:])
        if number == SPAN:
            return self.span(given[1], given[2])
        cls, fields, spans = SHAPES[number - 1]
        del given[0]
        for place in spans:
            given[place : place + 2] = (self.span(given[place], given[place + 1]),)
        if len(given) != len(fields):
            raise ValueError(number)
        made = object.__new__(cls)
        made.__dict__.update(zip(fields, given))  # noqa: B905 (strict costs a fifth)
        return made

    def span(self, start: int, end: int) -> Span:
        made = object.__new__(Span)
        made.__dict__.update(source=self.source, start=start, end=end)
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
