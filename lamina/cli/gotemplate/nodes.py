"""The tree of a template. Every node knows its offset, for errors."""

from __future__ import annotations

from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Operands: what a command's arguments are.


@value
class Constant:
    """A string, number or truth value, or None for `nil`."""

    offset: int
    found: Any


@value
class Dot:
    offset: int


@value
class Variable:
    """`$` or `$name`."""

    offset: int
    name: str


@value
class Function:
    """A function's name: it takes the rest of its command as arguments."""

    offset: int
    name: str


@value
class Chain:
    """`.A.B` of something: `fields` are (offset, name)."""

    offset: int
    holder: Operand
    fields: tuple[tuple[int, str], ...]


@value
class Pipeline:
    """Commands, each of which gets the result before it as its last argument.

    `variables` are given the result: declared anew, or with `assigns` set.
    """

    offset: int
    commands: tuple[Command, ...]
    variables: tuple[str, ...] = ()
    assigns: bool = False


@value
class Command:
    """A first operand and its arguments."""

    offset: int
    operands: tuple[Operand, ...]


if TYPE_CHECKING:
    Operand = Constant | Dot | Variable | Function | Chain | Pipeline

# What a template is made of.


@value
class Text:
    text: str


@value
class Action:
    """A pipeline whose result is printed, unless it goes to a variable."""

    pipeline: Pipeline


@value
class Branch:
    """`if`, `with` or `range`: what is said for it, and what otherwise."""

    kind: str
    pipeline: Pipeline
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


@value
class Jump:
    """`break` or `continue`."""

    kind: str


@value
class Call:
    """`template "name" pipeline`."""

    offset: int
    name: str
    pipeline: Pipeline | None


if TYPE_CHECKING:
    Node = Text | Action | Branch | Jump | Call


@value
class Template:
    """`source` is what was written; `defined` are those of `define` and `block`."""

    source: str
    nodes: tuple[Node, ...]
    defined: dict[str, tuple[Node, ...]]
