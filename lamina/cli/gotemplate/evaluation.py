"""A tree and values to text: Go's text/template/exec.go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lamina.cli.gotemplate import nodes
from lamina.cli.gotemplate.errors import BadTemplate
from lamina.cli.gotemplate.functions import is_true
from lamina.cli.gotemplate.nil import GO_NAMES, NILS, OMITTED, OPEN_MAPS, Nil, OpenMap
from lamina.cli.gotemplate.printing import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lamina.cli.gotemplate.functions import Function
    from lamina.cli.gotemplate.nodes import Node, Operand, Pipeline, Template

_MOST_CALLS = 1000
_MOST_OUTPUT = 64 << 20
_NOTHING: Any = object()


class _Jump(Exception):
    """`break` or `continue`, on its way to its range."""


def evaluate(
    template: Template, data: object, functions: Mapping[str, Function]
) -> str:
    """The text that a template gives for `data`; raises BadTemplate."""
    run = _Run(template, functions, data)
    run.block(template.nodes, data)
    return "".join(run.out)


class _Run:
    def __init__(
        self, template: Template, functions: Mapping[str, Function], data: object
    ) -> None:
        self._template = template
        self._functions = functions
        self._variables: list[tuple[str, Any]] = [("$", data)]
        self._calls = 0
        self._size = 0
        self.out: list[str] = []

    def _wrong(self, message: str, offset: int) -> BadTemplate:
        return BadTemplate(message, self._template.source, offset)

    # Nodes

    def block(self, body: tuple[Node, ...], dot: Any) -> None:
        known = len(self._variables)
        try:
            for node in body:
                self._node(node, dot)
        finally:
            del self._variables[known:]

    def _node(self, node: Node, dot: Any) -> None:
        match node:
            case nodes.Text(text):
                self._write(text, 0)
            case nodes.Action(pipeline):
                found = self._pipeline(pipeline, dot)
                if not pipeline.variables:
                    self._write(shown(found), pipeline.offset)
            case nodes.Branch("range", pipeline, body, otherwise):
                self._range(node, dot)
            case nodes.Branch(kind, pipeline, body, otherwise):
                known = len(self._variables)
                found = self._pipeline(pipeline, dot)
                if is_true(found):
                    self.block(body, found if kind == "with" else dot)
                else:
                    self.block(otherwise, dot)
                del self._variables[known:]
            case nodes.Jump(kind):
                raise _Jump(kind)
            case nodes.Call(offset, name, pipeline):
                self._call_template(offset, name, pipeline, dot)

    def _write(self, text: str, offset: int) -> None:
        self._size += len(text)
        if self._size > _MOST_OUTPUT:
            raise self._wrong("it gives more than 64 MiB", offset)
        self.out.append(text)

    def _range(self, node: nodes.Branch, dot: Any) -> None:
        known = len(self._variables)
        names = node.pipeline.variables
        found = self._pipeline(node.pipeline, dot, bind=False)
        count = 0
        for key, item in self._items(found, node.pipeline.offset):
            count += 1
            given = (key, item) if len(names) == 2 else (item,)
            for name, one in zip(names, given, strict=False):
                self._bind(name, one, node.pipeline.assigns)
            try:
                self.block(node.body, item)
            except _Jump as jump:
                if jump.args[0] == "break":
                    break
            finally:
                del self._variables[known:]
        if not count:
            self.block(node.otherwise, dot)

    def _items(self, found: Any, offset: int) -> Iterator[tuple[Any, Any]]:
        if found is None or isinstance(found, Nil):
            return iter(())
        if isinstance(found, Mapping):
            return iter([(key, found[key]) for key in sorted(found)])
        if isinstance(found, list | tuple):
            return iter(list(enumerate(found)))
        if isinstance(found, int) and not isinstance(found, bool):
            return ((number, number) for number in range(found))
        raise self._wrong(f"range cannot go over {shown(found)[:40]}", offset)

    def _call_template(
        self, offset: int, name: str, pipeline: Pipeline | None, dot: Any
    ) -> None:
        body = self._template.defined.get(name)
        if body is None:
            raise self._wrong(f"no template {name!r} is defined", offset)
        given = None if pipeline is None else self._pipeline(pipeline, dot)
        self._calls += 1
        if self._calls > _MOST_CALLS:
            raise self._wrong(f"the template {name!r} is called without end", offset)
        outer, self._variables = self._variables, [("$", given)]
        try:
            self.block(body, given)
        except RecursionError:
            message = f"the template {name!r} is called without end"
            raise self._wrong(message, offset) from None
        finally:
            self._variables = outer

    # Values

    def _bind(self, name: str, found: Any, assigns: bool) -> None:
        if not assigns:
            self._variables.append((name, found))
            return
        for at in reversed(range(len(self._variables))):
            if self._variables[at][0] == name:
                self._variables[at] = (name, found)
                return

    def _pipeline(self, pipeline: Pipeline, dot: Any, bind: bool = True) -> Any:
        found = _NOTHING
        for command in pipeline.commands:
            found = self._command(command, dot, found)
        if bind:
            for name in pipeline.variables:
                self._bind(name, found, pipeline.assigns)
        return found

    def _command(self, command: nodes.Command, dot: Any, piped: Any) -> Any:
        first, *rest = command.operands
        if isinstance(first, nodes.Function):
            return self._call(first, rest, dot, piped)
        found = self._operand(first, dot, called=True)
        arguments = [self._operand(operand, dot) for operand in rest]
        if piped is not _NOTHING:
            arguments.append(piped)
        if callable(found):
            return self._called(found, arguments, first.offset)
        if arguments:
            offset = rest[0].offset if rest else first.offset
            raise self._wrong("what is no function takes no arguments", offset)
        return found

    def _call(
        self, function: nodes.Function, rest: list[Operand], dot: Any, piped: Any
    ) -> Any:
        lazy = function.name in ("and", "or")
        arguments: list[Any] = []
        for operand in rest:
            arguments.append(self._operand(operand, dot))
            # What comes after the operand that decides is not looked at.
            if lazy and is_true(arguments[-1]) == (function.name == "or"):
                return arguments[-1]
        if piped is not _NOTHING:
            arguments.append(piped)
        called = self._functions[function.name]
        return self._called(called, arguments, function.offset, function.name)

    def _called(
        self, called: Function, arguments: list[Any], offset: int, name: str = ""
    ) -> Any:
        prefix = f"{name}: " if name else ""
        try:
            return called(*arguments)
        except ValueError as error:
            raise self._wrong(f"{prefix}{error}", offset) from None
        except (TypeError, IndexError):
            message = f"{prefix}these are not the arguments it takes"
            raise self._wrong(message, offset) from None

    def _operand(self, operand: Operand, dot: Any, called: bool = False) -> Any:
        match operand:
            case nodes.Constant(_, found):
                return found
            case nodes.Dot():
                return dot
            case nodes.Variable(_, name):
                return next(v for n, v in reversed(self._variables) if n == name)
            case nodes.Function():
                return self._call(operand, [], dot, _NOTHING)
            case nodes.Pipeline():
                return self._pipeline(operand, dot)
            case nodes.Chain(_, holder, fields):
                found = self._operand(holder, dot)
                before = ""
                for offset, name in fields:
                    found = self._field(found, before, name, offset)
                    before = name
                if callable(found) and not called:
                    return self._called(found, [], operand.offset)
                return found
        raise AssertionError(operand)

    def _field(self, holder: Any, before: str, name: str, offset: int) -> Any:
        """A field of what the field `before` holds."""
        if isinstance(holder, Nil):
            if before in OPEN_MAPS:
                return None
            raise self._wrong(f"there is no .{before} that had a .{name}", offset)
        if not isinstance(holder, Mapping):
            message = f"{shown(holder)[:40]!r} has no field .{name}"
            raise self._wrong(message, offset)
        if name in GO_NAMES and name not in holder and GO_NAMES[name] in holder:
            name = GO_NAMES[name]
        found = holder.get(name)
        if found is not None:
            is_open = name in OPEN_MAPS and isinstance(found, Mapping)
            return OpenMap(found) if is_open else found
        if before in OPEN_MAPS:
            return None
        if name in NILS:
            return NILS[name]
        if name in holder:
            return None
        if name in OMITTED:
            return OMITTED[name]
        raise self._missing(holder, name, offset)

    def _missing(
        self, holder: Mapping[str, Any], name: str, offset: int
    ) -> BadTemplate:
        from difflib import get_close_matches

        known = {key.lower(): key for key in holder if key}
        near = get_close_matches(name.lower(), known, n=1)
        hint = (
            f"Did you mean .{known[near[0]]}?"
            if near
            else (
                f"There are .{', .'.join(sorted(holder))}." if len(holder) <= 30 else ""
            )
        )
        message = f"there is no field .{name}"
        return BadTemplate(message, self._template.source, offset, hint)
