"""Kinds of values that have a short form and a long one."""

from __future__ import annotations

import re

from lamina.services.compose.kinds import (
    duration,
    each,
    flag,
    integer,
    invalid,
    named,
    pairs,
    path_kind,
    read,
    table,
    text,
)
from lamina.services.compose.nodes import NO_KEYS, Node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from lamina.services.compose.kinds import Context, Kind


def made_of(node: Node, found: Any) -> Node:
    """A tree of plain values as Nodes, all at the place of the short form."""
    if isinstance(found, dict):
        found = {key: made_of(node, item) for key, item in found.items()}
    elif isinstance(found, list):
        found = [made_of(node, item) for item in found]
    return Node(found, node.source, node.line, node.column, "", NO_KEYS, "")


def long_or(short: Kind, long: Kind) -> Kind:
    """A mapping, or a short form of it."""

    def inner(node: Node, path: str, context: Context) -> Node:
        kind = long if type(node.value) is dict else short
        return kind(node, path, context)

    return inner


def keyed(node: Node, path: str, context: Context, kind: Kind, made: Any) -> Node:
    """A mapping by name, of which a list of names is the short form."""
    if type(node.value) is not list:
        return named(kind)(node, path, context)
    found = {}
    keys = {}
    for at, item in enumerate(node.value):
        text(item, f"{path}[{at}]", context)
        found[item.value] = made_of(item, made)
        keys[item.value] = item.line, item.column
    return Node(found, node.source, node.line, node.column, node.tag, keys)


def names_or(kind: Kind, made: Any = None) -> Kind:
    """A mapping by name, or a list of names, each of which stands for `made`."""
    return lambda node, path, context: keyed(node, path, context, kind, made)


def short_text(key: str, kind: Kind = text) -> Kind:
    """What stands for a mapping of this one key."""

    def inner(node: Node, path: str, context: Context) -> Node:
        return node.like({key: kind(node, path, context)})

    return inner


def health_test(node: Node, path: str, context: Context) -> Node:
    """A command for the shell, or a list that begins with NONE, CMD or CMD-SHELL."""
    if type(node.value) is str:
        return node.like([node.like("CMD-SHELL"), node.like(node.value)])
    found = each(text)(node, path, context)
    words = [item.value for item in found.value]
    if words and words[0] not in ("NONE", "CMD", "CMD-SHELL"):
        hint = f"To run it without a shell: {['CMD', *words]}".replace("'", '"')
        said = "a list begins with CMD, CMD-SHELL or NONE."
        raise invalid(found.value[0], path, said, hint)
    return found


def ulimit(node: Node, path: str, context: Context) -> Node:
    """A number for both limits, or one for each."""
    bound = integer(-1)
    if type(node.value) is not dict:
        return bound(node, path, context)
    found = table(lambda: {"soft": bound, "hard": bound})(node, path, context)
    for key in ("soft", "hard"):
        if lacks(found, key):
            raise node.error(f"`{path}` has no `{key}` limit.")
    return found


def external(node: Node, path: str, context: Context) -> Node:
    """True or false; the mapping with a name in it is of old."""
    if type(node.value) is dict:
        return table(lambda: {"name": text})(node, path, context)
    return flag(node, path, context)


def with_external_name(keys: Kind) -> Kind:
    """`external: {name: N}` is `external: true` and `name: N`."""

    def inner(node: Node, path: str, context: Context) -> Node:
        found = keys(node, path, context)
        old = found.value.get("external")
        if old is None or type(old.value) is not dict:
            return found
        context.warn(
            f"{old.place}: `{path}.external.name` is of old. Write `external: true` "
            f"and `{path}.name`."
        )
        given = {**found.value, "external": made_of(old, True)}
        if "name" in old.value:
            if "name" in given:
                raise old.error(f"`{path}` has two names.")
            given["name"] = old.value["name"]
        return found.holding(given)

    return inner


def lacks(node: Node, key: str) -> bool:
    """Whether a mapping is without a key."""
    return key not in node.value or node.value[key].tag == "reset"


def needs(keys: Kind, *wanted: str) -> Kind:
    """A mapping in which some keys have to be."""

    def inner(node: Node, path: str, context: Context) -> Node:
        found = keys(node, path, context)
        for key in wanted:
            if lacks(found, key):
                raise node.error(f"`{path}` has no `{key}`.")
        return found

    return inner


def build_context(node: Node, path: str, context: Context) -> Node:
    """A folder, made absolute, or a place elsewhere (`https://`, `git@`)."""
    text(node, path, context)
    if is_remote(node.value):
        return node
    return node.like(context.absolute(node.value))


def local_file(node: Node, path: str, context: Context) -> Node:
    """A compose file of this machine."""
    text(node, path, context)
    if is_remote(node.value) or node.value.startswith("oci:"):
        raise invalid(
            node, path, "only files of this machine are read.", "Fetch it first."
        )
    return path_kind(node, path, context)


def is_remote(place: str) -> bool:
    """Whether a build's context is no folder of this machine."""
    return bool(
        re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://|git@|github\.com/", place)
        or re.match(r"(?:docker-image|service|target|oci-layout):", place)
    )


def contexts(node: Node, path: str, context: Context) -> Node:
    found = pairs()(node, path, context)
    return found.holding(
        {
            name: read(build_context, item, f"{path}.{name}", context)
            for name, item in found.value.items()
        }
    )


def ssh(node: Node, path: str, context: Context) -> Node:
    """`default` and `ID=PATH`, as a flag has them; a mapping or a text is one too."""
    if type(node.value) is str:
        return node.like([made_of(node, node.value)])
    found = pairs(without=None)(node, path, context)
    return node.like(
        [
            item.like(name if not item.value else f"{name}={item.value}")
            for name, item in found.value.items()
        ]
    )


def delay_or_number(node: Node, path: str, context: Context) -> Node:
    """Microseconds, or a time."""
    if type(node.value) is str and not node.value.isdigit():
        return duration(node, path, context)
    return integer(-1)(node, path, context)


def bounded(long: Callable[..., Node], keys: Kind) -> Kind:
    """A long form whose keys are checked first."""
    return lambda node, path, context: long(node, path, context, keys)
