"""Kinds of values: each checks a Node and gives its canonical form.

A Kind is called with the Node, the path in the file (`services.web.ports`), and the
Context. What carries `!reset` is never looked at, since it only takes something away.
"""

from __future__ import annotations

import os
import re

from lamina.services.compose.merging import settled
from lamina.services.compose.nodes import Node
from lamina.services.compose.quantities import go_duration, go_number, nanoseconds
from lamina.services.errors import ComposeError
from lamina.sizes import byte_count
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    Kind = Callable[[Node, str, "Context"], Node]


@value
class Context:
    """What values mean here: `folder` is what paths are relative to, `environment` what
    `~` and names without a value are looked up in, `warn` is told what is strange."""

    folder: str
    environment: Mapping[str, str]
    warn: Callable[[str], None]
    # Values that are empty and may not be, unless another file has one: what to raise.
    empty: list[tuple[Node, ComposeError]] | None = None

    def as_whole(self) -> Context:
        """Of what no other file changes parts of, nothing may be empty."""
        return self if self.empty is None else replace(self, empty=None)

    def absolute(self, path: str) -> str:
        """The path in the file as one that means the same anywhere."""
        if path == "~" or path.startswith("~/"):
            path = self.environment.get("HOME", "/root") + path[1:]
        return os.path.normpath(os.path.join(self.folder, path))


def read(kind: Kind, node: Node, path: str, context: Context) -> Node:
    """The canonical form of a value of this kind."""
    return node.like(None) if node.tag == "reset" else kind(node, path, context)


def read_key(kind: Kind, node: Node, path: str, context: Context) -> Node:
    """The same of a key's value; where it is empty, another file may have one."""
    if node.value is not None or node.tag or context.empty is None:
        return read(kind, node, path, context)
    try:
        return read(kind, node, path, context)
    except ComposeError as error:
        context.empty.append((node, error))
        return node


# The kernel takes no longer word.
LONGEST_COMMAND = 128 << 10

_NAMES = {
    str: "a text",
    bool: "a truth value",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "a mapping",
    type(None): "empty",
}


def mistaken(node: Node, path: str, wanted: str, hint: str = "") -> ComposeError:
    """A value of another type than wanted."""
    found = _NAMES[type(node.value)]
    if not hint and node.value is None:
        hint = f"Give it a value, or leave `{path.rpartition('.')[2]}` out."
    return node.error(f"`{path}` has to be {wanted}, and is {found}.", hint=hint)


def invalid(node: Node, path: str, said: str, hint: str = "") -> ComposeError:
    """A value that cannot be."""
    shown = node.value if len(str(node.value)) <= 60 else str(node.value)[:57] + "..."
    return node.error(f"`{path}` cannot be {shown!r}: {said}", hint=hint)


def text(node: Node, path: str, context: Context) -> Node:
    if type(node.value) is str:
        return node
    quoted = f'"{node.written}"'
    hint = f"Put it in quotes: {quoted}." if node.written.strip() else ""
    raise mistaken(node, path, "a text", hint if node.value is not None else "")


def texts_of_numbers(node: Node, path: str, context: Context) -> Node:
    """A text, or a number that is taken as one."""
    if type(node.value) in (int, float):
        return node.like(go_number(node.value))
    return text(node, path, context)


_TRUTHS = {
    **dict.fromkeys(("true", "1", "t", "y", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "f", "n", "no", "off"), False),
}


def flag(node: Node, path: str, context: Context) -> Node:
    if type(node.value) is bool:
        return node
    if type(node.value) is not str:
        raise mistaken(node, path, "true or false")
    found = _TRUTHS.get(node.value.lower())
    if found is None:
        raise invalid(node, path, "it is true or false.")
    return node.like(found)


def integer(least: int = -(1 << 63), most: int = (1 << 63) - 1) -> Kind:
    """A whole number, or a text that is one."""

    def kind(node: Node, path: str, context: Context) -> Node:
        number = node.value
        if type(number) is str:
            if not re.fullmatch(r"[-+]?[0-9]{1,30}", number):
                raise invalid(node, path, "it is a whole number.")
            number = int(number)
        elif type(number) is float and number.is_integer():
            number = int(number)
        if type(number) is not int:
            raise mistaken(node, path, "a whole number")
        if not least <= number <= most:
            bounds = f"at least {least}"
            if most < 1 << 32:
                bounds = f"between {least} and {most}"
            raise invalid(node, path, f"it is {bounds}.")
        return node.like(number)

    return kind


def number(node: Node, path: str, context: Context) -> Node:
    """A number, or a text that is one; whole ones are ints."""
    found = node.value
    if type(found) is str:
        if not re.fullmatch(
            r"[-+]?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})", found
        ):
            raise invalid(node, path, "it is a number.")
        found = float(found)
    if type(found) not in (int, float):
        raise mistaken(node, path, "a number")
    return node.like(int(found) if float(found).is_integer() else found)


def size(node: Node, path: str, context: Context) -> Node:
    """Bytes, as digits: what Docker prints of sizes."""
    found = node.value
    if type(found) in (int, float) and float(found).is_integer():
        return node.like(str(int(found)))
    if type(found) is not str:
        raise mistaken(node, path, "a size")
    count = -1 if found == "-1" else byte_count(found)
    if count is None:
        raise invalid(node, path, "it is a size.", "Sizes are 512m, 1.5g, 1048576.")
    return node.like(str(count))


def duration(node: Node, path: str, context: Context) -> Node:
    if type(node.value) is not str:
        hint = f"Give the unit: {node.written}s." if node.written else ""
        raise mistaken(node, path, "a time", hint)
    length = nanoseconds(node.value)
    if length is None:
        hint = "Times are 10s, 1m30s, 500ms."
        raise invalid(node, path, "it is a time.", hint)
    return node.like(go_duration(length))


def mode(node: Node, path: str, context: Context) -> Node:
    """Permissions of a file, in octal: 0440 as YAML's octal number, or as a text."""
    found = node.value
    if type(found) is str:
        if not re.fullmatch(r"(?:0o?)?[0-7]{1,5}", found):
            raise invalid(node, path, "it is an octal number.")
        found = int(found.removeprefix("0o"), 8)
    if type(found) is not int or not 0 <= found <= 0o7777:
        raise mistaken(node, path, "permissions such as 0440")
    if re.fullmatch(r"[1-7][0-7]*", node.written):
        context.warn(
            f"{node.place}: {node.written} is a decimal number, and stands for the "
            f"permissions 0{found:o}. In octal it would be 0{node.written}."
        )
    return node.like(f"0{found:o}")


def path_kind(node: Node, path: str, context: Context) -> Node:
    """A path on this machine, made absolute."""
    text(node, path, context)
    if not node.value or "\0" in node.value:
        raise invalid(node, path, "it is a path.")
    return node.like(context.absolute(node.value))


def choice(*words: str) -> Kind:
    """One of some words."""

    def kind(node: Node, path: str, context: Context) -> Node:
        text(node, path, context)
        if node.value not in words:
            said = f"it is {' or '.join(words)}."
            raise invalid(node, path, said, did_you_mean(node.value, words))
        return node

    return kind


def matching(pattern: str, said: str) -> Kind:
    """A text of some form."""

    def kind(node: Node, path: str, context: Context) -> Node:
        text(node, path, context)
        if not re.fullmatch(pattern, node.value):
            raise invalid(node, path, said)
        return node

    return kind


def anything(node: Node, path: str, context: Context) -> Node:
    return node


def empty_or(kind: Kind) -> Kind:
    """What may be left without a value."""

    def inner(node: Node, path: str, context: Context) -> Node:
        return node if node.value is None else kind(node, path, context)

    return inner


def check_list(node: Node, path: str) -> None:
    """Refuse what is no list."""
    if type(node.value) is not list:
        hint = "Begin it with a dash: `- ...`." if node.value is not None else ""
        raise mistaken(node, path, "a list", hint)


def whole(kind: Kind) -> Kind:
    """What no other file changes parts of."""
    return lambda node, path, context: kind(settled(node), path, context.as_whole())


def each(kind: Kind) -> Kind:
    """A list of such values; what is in one is there as a whole."""

    def inner(node: Node, path: str, context: Context) -> Node:
        check_list(node, path)
        return node.holding(
            [
                read(whole(kind), item, f"{path}[{at}]", context)
                for at, item in enumerate(node.value)
            ]
        )

    return inner


def one_or_each(kind: Kind) -> Kind:
    """A value, or a list of such."""

    def inner(node: Node, path: str, context: Context) -> Node:
        if type(node.value) is list:
            return each(kind)(node, path, context)
        return node.like([Node(*_bare(kind(node, path, context)))])

    return inner


def _bare(node: Node) -> tuple[Any, ...]:
    return node.value, node.source, node.line, node.column


_NAME = re.compile(r"[a-zA-Z0-9._-]+")


def named(kind: Kind, pattern: re.Pattern[str] = _NAME) -> Kind:
    """A mapping of names that the user gives; `x-` is nothing special in it."""

    def inner(node: Node, path: str, context: Context) -> Node:
        _mapping(node, path)
        made = {}
        for name, item in node.value.items():
            if not pattern.fullmatch(name):
                raise _at_key(node, name).error(
                    f"{name!r} cannot be a name in `{path}`.",
                    hint="Names are letters, digits, `.`, `_` and `-`.",
                )
            made[name] = read_key(kind, item, f"{path}.{name}", context)
        return node.holding(made)

    return inner


def table(keys: Callable[[], Mapping[str, Kind]]) -> Kind:
    """A mapping of keys that are known, and of `x-` ones."""

    def inner(node: Node, path: str, context: Context) -> Node:
        _mapping(node, path)
        known = keys()
        made = {}
        for key, item in node.value.items():
            kind = known.get(key)
            if kind is None:
                if not key.startswith("x-"):
                    raise unknown_key(node, key, path, known)
                kind = anything
            made[key] = read_key(kind, item, f"{path}.{key}" if path else key, context)
        return node.holding(made)

    return inner


def unknown_key(node: Node, key: str, path: str, known: Iterable[str]) -> ComposeError:
    where = f"`{path}`" if path else "a compose file"
    hint = did_you_mean(key, known) or "Keys of your own begin with `x-`."
    return _at_key(node, key).error(f"There is no key {key!r} in {where}.", hint=hint)


def _mapping(node: Node, path: str) -> None:
    if type(node.value) is not dict:
        raise mistaken(node, path or "The file", "a mapping")


def _at_key(node: Node, key: str) -> Node:
    line, column = node.keys.get(key, (node.line, node.column))
    return Node(key, node.source, line, column)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`Did you mean X?` for the nearest of `known`, or "" when none is near."""
    import difflib  # only where an error is on its way: 8 ms

    found = difflib.get_close_matches(name.lower(), list(known), n=1)
    return f"Did you mean {found[0]}?" if found else ""


def scalar_text(node: Node, path: str, context: Context) -> Node:
    """A text, or what Docker makes of a number or a truth value."""
    found = node.value
    if type(found) is str:
        return node
    if type(found) is bool:
        return node.like("true" if found else "false")
    if type(found) not in (int, float):
        raise mistaken(node, path, "a text")
    shown = go_number(found)
    if node.written and shown != node.written:
        context.warn(
            f"{node.place}: {node.written} is a number in YAML, and becomes {shown}. "
            f'Write "{node.written}" to have it as it is.'
        )
    return node.like(shown)


def pairs(without: str | None = "", looked_up: bool = False) -> Kind:
    """A mapping of texts, or a list of `NAME=value`.

    A name without a value has the value `without`; or the environment's.
    """

    def inner(node: Node, path: str, context: Context) -> Node:
        made: dict[str, Node] = {}
        keys = dict(node.keys)
        if type(node.value) is dict:
            found = list(node.value.items())
        elif type(node.value) is list:
            found = []
            for at, item in enumerate(node.value):
                text(item, f"{path}[{at}]", context)
                name, equals, given = item.value.partition("=")
                found.append((name, item.like(given if equals else None)))
                keys[name] = item.line, item.column
        else:
            raise mistaken(node, path, "a mapping or a list")
        for name, item in found:
            if not name or "\0" in name or "=" in name:
                placed = Node(None, *node.position, "", keys)
                raise _at_key(placed, name).error(f"{name!r} is no name, in `{path}`.")
            made[name] = _pair(name, item, f"{path}.{name}", context)
        return Node(made, node.source, node.line, node.column, node.tag, keys)

    def _pair(name: str, item: Node, path: str, context: Context) -> Node:
        if item.tag == "reset":
            return item
        if item.value is not None:
            return scalar_text(item, path, context)
        return item.like(context.environment.get(name) if looked_up else without)

    return inner


def command(node: Node, path: str, context: Context) -> Node:
    """A list of words; a text is split into them as a shell would."""
    if type(node.value) is list:
        return each(text)(node, path, context)
    if node.value is None:
        return node
    import shlex

    text(node, path, context)
    if len(node.value) > LONGEST_COMMAND:
        raise node.error(f"`{path}` is too long for a command.")
    try:
        words = shlex.split(node.value)
    except ValueError as error:
        raise invalid(node, path, f"{str(error).lower()}.") from None
    for word in words:
        if word in ("&&", "||", "|", ";", "&", ">", "<"):
            context.warn(
                f"{node.place}: `{path}` is run without a shell, so that {word!r} is "
                "only a word. Write `sh -c '...'` to have one."
            )
            break
    return node.like([node.like(word) for word in words])
