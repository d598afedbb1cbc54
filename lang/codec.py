"""Parsed recipes and grammar tables as JSON, for a ParseCache.

Nothing here runs what it reads: a node is a list that starts with the number of its
class, a tuple one that starts with 0. What does not fit is None, as if never cached.
"""

from __future__ import annotations

import json

from lamina.lang import nodes
from lamina.lang.source import Source, Span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TUPLE = 0
SPAN = 1
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
    nodes.Stage,
    nodes.Directive,
    nodes.Recipe,
)
NUMBERS = {cls: number for number, cls in enumerate(CLASSES, 2)}


def encode(recipe: nodes.Recipe) -> bytes:
    """The recipe without its source, which `decode` is given again."""
    return json.dumps(_plain(recipe), separators=(",", ":")).encode()


def _plain(node: Any) -> Any:
    if isinstance(node, tuple):
        return [TUPLE, *map(_plain, node)]
    if isinstance(node, Span):
        return [SPAN, node.start, node.end]
    if isinstance(node, Source):
        return None
    number = NUMBERS.get(type(node))
    if number is None:
        return node
    return [number, *map(_plain, node.__dict__.values())]


def decode(data: bytes, source: Source) -> nodes.Recipe | None:
    """The recipe that `encode` wrote, all its spans in `source`; None for others."""
    try:
        recipe = _Decoder(source).node(json.loads(data))
    except (ValueError, TypeError, IndexError, RecursionError):
        return None
    if not isinstance(recipe, nodes.Recipe):
        return None
    object.__setattr__(recipe, "__dict__", recipe.__dict__ | {"source": source})
    return recipe


class _Decoder:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.fields = [(), (), *(tuple(c.__annotations__) for c in CLASSES)]

    def node(self, plain: Any) -> Any:
        if type(plain) is not list:
            return plain
        number, *rest = plain
        if number == SPAN:
            return Span(self.source, *rest)
        node = self.node
        given = [node(r) if type(r) is list else r for r in rest]
        if number == TUPLE:
            return tuple(given)
        return CLASSES[number - 2](*given)


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
