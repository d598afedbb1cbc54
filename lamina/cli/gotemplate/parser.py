"""Tokens to a tree: Go's text/template/parse/parse.go.

pipeline = [variable ["," variable] (":=" | "=")] command {"|" command}
command  = operand {blank operand}
operand  = term {".field"}
    term     = constant | "." | ".field" | variable | function | "(" pipeline ")"
"""

from __future__ import annotations

from lamina.cli.gotemplate import nodes
from lamina.cli.gotemplate.errors import BadSyntax
from lamina.cli.gotemplate.lexer import (
    CLOSE,
    CONSTANT,
    END,
    FIELD,
    NAME,
    OPEN,
    SPACE,
    TEXT,
    VARIABLE,
    Token,
    tokens,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from lamina.cli.gotemplate.nodes import Node, Operand, Pipeline, Template

_CONSTANTS = {"true": True, "false": False, "nil": None}
_BRANCHES = ("if", "with", "range")
_MOST_DEPTH = 100


def parse(template: str, functions: Collection[str]) -> Template:
    """The tree of a template that may call `functions`; raises BadSyntax."""
    return _Parser(template, functions).template()


class _Parser:
    def __init__(self, template: str, functions: Collection[str]) -> None:
        self._source = template
        self._tokens = list(tokens(template))
        self._at = 0
        self._functions = functions
        self._defined: dict[str, tuple[Node, ...]] = {}
        # Names that are known here; a block takes its own away when it ends.
        self._variables = ["$"]
        self._loops = 0
        self._depth = 0

    def template(self) -> Template:
        body, ended = self._block(())
        assert ended.kind == END
        return nodes.Template(self._source, body, self._defined)

    # Tokens

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        token = self._tokens[self._at]
        self._at += token.kind != END
        return token

    def _skip_blanks(self) -> Token:
        while self._peek().kind == SPACE:
            self._at += 1
        return self._peek()

    def _wrong(self, message: str, offset: int) -> BadSyntax:
        return BadSyntax(message, self._source, offset)

    def _unexpected(self, token: Token, where: str) -> BadSyntax:
        shown = token.found if isinstance(token.found, str) else str(token.found)
        found = "}}" if token.kind == CLOSE else repr(shown)
        return self._wrong(f"{found} is not expected {where}", token.offset)

    def _close(self, where: str) -> None:
        token = self._skip_blanks()
        if token.kind != CLOSE:
            raise self._unexpected(token, where)
        self._next()

    # Blocks

    def _block(self, ends: tuple[str, ...]) -> tuple[tuple[Node, ...], Token]:
        """The nodes up to one of the words that end it, which is taken; for () up to
        the end of the template."""
        known = len(self._variables)
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise self._wrong("it is nested too deeply", self._peek().offset)
        body: list[Node] = []
        while True:
            token = self._next()
            if token.kind == TEXT:
                body.append(nodes.Text(token.found))
                continue
            if token.kind == END:
                if ends:
                    raise self._wrong("an {{end}} is missing", token.offset)
                break
            assert token.kind == OPEN
            word = self._skip_blanks()
            if word.kind == NAME and word.found in ("end", "else"):
                if word.found not in ends:
                    message = f"{{{{{word.found}}}}} ends nothing"
                    raise self._wrong(message, word.offset)
                token = self._next()
                break
            node = self._statement(word)
            if node is not None:
                body.append(node)
        self._depth -= 1
        del self._variables[known:]
        return tuple(body), token

    def _statement(self, word: Token) -> Node | None:
        if word.kind == NAME:
            if word.found in _BRANCHES:
                self._next()
                return self._branch(word.found)
            if word.found in ("break", "continue"):
                self._next()
                if not self._loops:
                    raise self._wrong(f"{word.found} is in no range", word.offset)
                self._close(f"after {word.found}")
                return nodes.Jump(word.found)
            if word.found in ("define", "block", "template"):
                self._next()
                return self._named(word)
        pipeline = self._pipeline("in an action", CLOSE)
        return nodes.Action(pipeline)

    def _branch(self, kind: str) -> Node:
        known = len(self._variables)
        pipeline = self._pipeline(f"in {kind}", CLOSE, ranges=kind == "range")
        self._loops += kind == "range"
        body, ended = self._block(("end", "else"))
        self._loops -= kind == "range"
        otherwise: tuple[Node, ...] = ()
        if ended.found == "else":
            word = self._skip_blanks()
            chained = word.kind == NAME and word.found == kind and kind != "range"
            if chained:
                self._next()
                otherwise = (self._branch(kind),)
            else:
                self._close("after else")
                otherwise, _ = self._block(("end",))
                self._close("after end")
        else:
            self._close("after end")
        del self._variables[known:]
        return nodes.Branch(kind, pipeline, body, otherwise)

    def _named(self, word: Token) -> Node | None:
        """`define "x"`, `template "x" .`, and `block "x" .`, which is both."""
        name = self._skip_blanks()
        if name.kind != CONSTANT or not isinstance(name.found, str):
            raise self._wrong(f'{word.found} wants a "name"', name.offset)
        self._next()
        pipeline = None
        if word.found == "block" or (
            word.found == "template" and self._skip_blanks().kind != CLOSE
        ):
            pipeline = self._pipeline(f"in {word.found}", CLOSE)
        else:
            self._close(f"after {word.found}")
        if word.found != "template":
            outer, self._variables = self._variables, ["$"]
            self._defined[name.found], _ = self._block(("end",))
            self._close("after end")
            self._variables = outer
        if word.found == "define":
            return None
        return nodes.Call(name.offset, name.found, pipeline)

    # Pipelines

    def _pipeline(self, where: str, closing: str, ranges: bool = False) -> Pipeline:
        start = self._skip_blanks().offset
        variables, assigns = self._declared(2 if ranges else 1)
        commands: list[nodes.Command] = []
        while True:
            commands.append(self._command(where, bool(commands)))
            token = self._skip_blanks()
            if token.kind not in ("|", closing):
                raise self._unexpected(token, where)
            self._next()
            if token.kind == closing:
                break
        if not assigns:
            self._variables += variables
        return nodes.Pipeline(start, tuple(commands), variables, assigns)

    def _declared(self, most: int) -> tuple[tuple[str, ...], bool]:
        """`$a, $b :=`, if that is what is next, and whether it is only `=`."""
        before = self._at
        names: list[str] = []
        while self._skip_blanks().kind == VARIABLE:
            token = self._next()
            names.append(token.found)
            sign = self._skip_blanks()
            if sign.kind == "," and len(names) < most:
                self._next()
                continue
            if sign.kind not in (":=", "="):
                break
            if sign.kind == "=":
                for name in names:
                    self._know(name, token.offset)
            self._next()
            return tuple(names), sign.kind == "="
        self._at = before
        return (), False

    def _know(self, name: str, offset: int) -> None:
        if name not in self._variables:
            raise self._wrong(f"the variable {name} is not declared", offset)

    def _command(self, where: str, piped: bool) -> nodes.Command:
        start = self._skip_blanks()
        operands: list[Operand] = []
        while True:
            operand = self._operand()
            if operand is None:
                break
            operands.append(operand)
            after = self._peek()
            if after.kind == SPACE:
                self._skip_blanks()
                continue
            if after.kind in ("|", CLOSE, ")"):
                break
            raise self._unexpected(after, where)
        if not operands:
            token = self._peek()
            if token.kind in ("|", CLOSE, ")"):
                raise self._wrong("a value is missing", token.offset)
            raise self._unexpected(token, where)
        if piped and isinstance(operands[0], nodes.Constant | nodes.Dot):
            message = "what something is piped into has to be a function"
            raise self._wrong(message, start.offset)
        return nodes.Command(start.offset, tuple(operands))

    def _operand(self) -> Operand | None:
        token = self._peek()
        holder = self._term(token)
        if holder is None:
            return None
        fields = []
        while self._peek().kind == FIELD:
            field = self._next()
            fields.append((field.offset, field.found))
        if not fields:
            return holder
        if isinstance(holder, nodes.Constant):
            raise self._wrong("a constant has no fields", fields[0][0])
        return nodes.Chain(token.offset, holder, tuple(fields))

    def _term(self, token: Token) -> Operand | None:
        kind, offset = token.kind, token.offset
        if kind == FIELD:
            return nodes.Dot(offset)
        if kind not in (CONSTANT, NAME, VARIABLE, ".", "("):
            return None
        self._next()
        if kind == CONSTANT:
            return nodes.Constant(offset, token.found)
        if kind == ".":
            return nodes.Dot(offset)
        if kind == VARIABLE:
            self._know(token.found, offset)
            return nodes.Variable(offset, token.found)
        if kind == "(":
            self._depth += 1
            if self._depth > _MOST_DEPTH:
                raise self._wrong("it is nested too deeply", offset)
            inner = self._pipeline("in parentheses", ")")
            self._depth -= 1
            return inner
        if token.found in _CONSTANTS:
            return nodes.Constant(offset, _CONSTANTS[token.found])
        if token.found not in self._functions:
            raise self._wrong(f"there is no function {token.found!r}", offset)
        return nodes.Function(offset, token.found)
