"""Kinds of values that say what a service has of this machine: mounts, devices."""

from __future__ import annotations

import re

from lamina.services.compose.kinds import (
    invalid,
    mistaken,
    text,
)
from lamina.services.compose.mounts import InvalidMount, parse_mount, target_path
from lamina.services.compose.nodes import Node
from lamina.services.compose.shapes import made_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.services.compose.kinds import Context, Kind


def short_mount(node: Node, path: str, context: Context) -> Node:
    if type(node.value) is not str:
        raise mistaken(node, path, "a text such as data:/var/lib/data")
    try:
        return made_of(node, parse_mount(node.value, context.absolute))
    except InvalidMount as error:
        raise invalid(node, path, error.message, error.hint) from None


def in_container(node: Node, path: str, context: Context) -> Node:
    """An absolute path in the container."""
    text(node, path, context)
    try:
        return node.like(target_path(node.value))
    except InvalidMount as error:
        raise invalid(node, path, error.message, error.hint) from None


def long_mount(node: Node, path: str, context: Context, keys: Kind) -> Node:
    """A mount's long form; the source of a bind mount is a path."""
    found = keys(node, path, context)
    given = dict(found.value)
    for key in ("type", "target"):
        if key not in given:
            raise node.error(f"`{path}` has no `{key}`.")
    kind = given["type"].value
    for own in ("bind", "volume", "tmpfs", "image"):
        if own in given and own != kind:
            raise given[own].error(f"`{path}` is a {kind}, and has options of a {own}.")
    source = given.get("source")
    if kind == "bind":
        if source is None or not source.value:
            raise node.error(f"`{path}` has no `source`, the path on the host.")
        given["source"] = source.like(context.absolute(source.value))
        bind = given.get("bind", made_of(node, {}))
        created = {"create_host_path": made_of(node, True), **bind.value}
        given["bind"] = bind.holding(created)
    elif kind == "volume":
        given.setdefault("volume", made_of(node, {}))
    elif kind == "tmpfs":
        given.setdefault("tmpfs", made_of(node, {}))
        if source is not None:
            raise source.error(f"`{path}` is a tmpfs, which has no source.")
    return found.holding(given)


def short_device(node: Node, path: str, context: Context) -> Node:
    if type(node.value) is not str:
        raise mistaken(node, path, "a text such as /dev/fuse")
    source, *rest = node.value.split(":")
    if not source or len(rest) > 2 or "" in rest:
        raise invalid(node, path, "it is no HOST[:CONTAINER[:rwm]].")
    target, permissions = source, "rwm"
    if len(rest) == 2:
        target, permissions = rest
    elif rest and re.fullmatch("[rwm]{1,3}", rest[0]):
        permissions = rest[0]
    elif rest:
        target = rest[0]
    device = {"source": source, "target": target, "permissions": permissions}
    return made_of(node, device)


def long_device(node: Node, path: str, context: Context, keys: Kind) -> Node:
    found = keys(node, path, context)
    source = found.value.get("source")
    if source is None:
        raise node.error(f"`{path}` has no `source`.")
    added = {"target": source, "permissions": made_of(node, "rwm")}
    return found.holding({**added, **found.value})


def short_file(node: Node, path: str, context: Context) -> Node:
    """A secret or config by its name."""
    if type(node.value) is not str:
        raise mistaken(node, path, "a text or a mapping")
    return made_of(node, {"source": node.value})


def long_file(node: Node, path: str, context: Context, keys: Kind) -> Node:
    found = keys(node, path, context)
    if "source" not in found.value:
        raise node.error(f"`{path}` has no `source`, the name at the top level.")
    return found


def owner(node: Node, path: str, context: Context) -> Node:
    """The number of a user or a group, as a text."""
    shown = str(node.value) if type(node.value) is int else node.value
    if type(shown) is not str:
        raise mistaken(node, path, "a number in quotes")
    if not re.fullmatch("[0-9]{1,10}", shown) or int(shown) >= 1 << 32:
        raise invalid(node, path, "it is the number of a user or a group.")
    return node.like(shown)
