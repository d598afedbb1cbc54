"""A template's tokens and nodes, made to tell a Tracer where the template is.

Jinja's tokens have lines; here they get offsets, which ride on the line numbers from
the lexer to the nodes. Then each statement is told before it begins, each output is
handed to the tracer, and bodies of loops, macros and blocks begin and end with a call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jinja2 import nodes
from jinja2.exceptions import TemplateSyntaxError
from jinja2.visitor import NodeTransformer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lamina.lang.templates.tracer import Text


class _Mark(int):
    """A line number that knows the offset of its token in the source."""

    offset: int


def mark(
    tokens: Iterable[tuple[int, str, str]], source: str, text: Text
) -> Iterator[tuple[int, str, str]]:
    """The lexer's tokens, their lines marked with offsets; and `text` is told where
    constructs begin and end. Jinja leaves out nothing but blanks before a `{`."""
    at = 0
    for line, kind, value in tokens:
        at = source.index(value, at)
        marked = _Mark(line)
        marked.offset = at + text.start
        if kind.endswith("_begin"):
            text.starts.append(marked.offset)
        at += len(value)
        if kind.endswith("_end"):
            text.ends.append(marked.offset + len(value.rstrip()))
        yield marked, kind, value


def own_names(tree: nodes.Template) -> set[str]:
    """What a template calls its own: for `did you mean`."""
    names = {node.name for node in tree.find_all(nodes.Name) if node.ctx != "load"}
    names |= {node.name for node in tree.find_all(nodes.Macro)}
    names |= {node.target for node in tree.find_all(nodes.Import)}
    for node in tree.find_all(nodes.FromImport):
        names |= {name if isinstance(name, str) else name[1] for name in node.names}
    return names


def instrument(tree: nodes.Template, name: str | None) -> nodes.Template:
    """The template `name`, with the calls to `environment.tracer` in it."""
    traced: nodes.Template = _Tracing(name).visit(tree)
    return traced


class _Tracing(NodeTransformer):
    """Puts the calls to the tracer into a template."""

    def __init__(self, template: str | None) -> None:
        self._template = nodes.Const(template)

    def visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> Any:
        done = super().visit(node, *args, **kwargs)
        if not isinstance(node, nodes.Stmt) or isinstance(node, nodes.Output):
            return done
        made = done if isinstance(done, list) else [done]
        return [self._do("at", _offset(node)), *made]

    def visit_Output(self, node: nodes.Output) -> list[nodes.Node]:
        made: list[nodes.Node] = []
        for child in node.nodes:
            start = _offset(child)
            if isinstance(child, nodes.TemplateData):
                call = self._call("data", start, nodes.Const(child.data))
            else:
                made.append(self._do("at", start))
                call = self._call("emit", start, self.visit(child))
            made.append(nodes.Output([call], lineno=node.lineno))
        return made

    def visit_For(self, node: nodes.For) -> nodes.For:
        self.generic_visit(node)
        names = [found.name for found in node.target.find_all(nodes.Name)]
        if isinstance(node.target, nodes.Name):
            names = [node.target.name]
        values = nodes.Tuple([nodes.Name(name, "load") for name in names], "load")
        begin = self._do("loop", _offset(node), nodes.Const(tuple(names)), values)
        node.body = [begin, *node.body, self._do("leave")]
        return node

    def visit_If(self, node: nodes.If) -> nodes.If:
        for branch in reversed(node.elif_):
            branch.else_ = node.else_
            node.else_ = [branch]
        node.elif_ = []
        self.generic_visit(node)
        return node

    def visit_Macro(self, node: nodes.Macro) -> nodes.Node:
        return self._framed(node, "macro", node.name)

    def visit_CallBlock(self, node: nodes.CallBlock) -> nodes.Node:
        return self._framed(node, "call", "")

    def visit_Block(self, node: nodes.Block) -> nodes.Node:
        return self._framed(node, "block", node.name)

    def visit_FilterBlock(self, node: nodes.FilterBlock) -> list[nodes.Node]:
        # Jinja would put out what the filter gives without asking anybody.
        self.generic_visit(node)
        kept = nodes.AssignBlock(nodes.Name("_", "store"), node.filter, node.body)
        call = self._call("emit", _offset(node), nodes.Name("_", "load"))
        return [kept, nodes.Output([call])]

    def visit_Include(self, node: nodes.Include) -> list[nodes.Node]:
        return self._caused(node, "included")

    def visit_Import(self, node: nodes.Import) -> list[nodes.Node]:
        return self._caused(node, "imported")

    def visit_FromImport(self, node: nodes.FromImport) -> list[nodes.Node]:
        return self._caused(node, "imported")

    def visit_Extends(self, node: nodes.Extends) -> list[nodes.Node]:
        return self._caused(node, "extended")

    def visit_Assign(self, node: nodes.Assign) -> nodes.Assign:
        self.generic_visit(node)
        node.node = self._weighed(node.node)
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Compare:
        self.generic_visit(node)
        node.expr = self._weighed(node.expr)
        for operand in node.ops:
            operand.expr = self._weighed(operand.expr)
        return node

    def visit_Test(self, node: nodes.Test) -> nodes.Test:
        self.generic_visit(node)
        if node.name not in ("defined", "undefined"):
            node.node = self._weighed(node.node)
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Getitem:
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            node.node = self._weighed(node.node)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Call:
        self.generic_visit(node)
        return self._call("concat", *node.nodes)

    def visit_ScopedEvalContextModifier(self, node: nodes.Node) -> None:
        raise TemplateSyntaxError("there is no autoescape in a recipe", node.lineno)

    def _framed(
        self, node: nodes.Macro | nodes.CallBlock | nodes.Block, kind: str, name: str
    ) -> nodes.Node:
        self.generic_visit(node)
        given = self._template, nodes.Const(kind), nodes.Const(name)
        begin = self._do("body", *given)
        node.body = [begin, *node.body, self._do("leave")]
        return node

    def _caused(self, node: Any, cause: str) -> list[nodes.Node]:
        self.generic_visit(node)
        start = _offset(node)
        begin = self._do("cause", nodes.Const(cause), start)
        return [begin, node, self._do("at", start)]

    def _weighed(self, node: Any) -> nodes.Call:
        return self._call("weigh", node)

    def _call(self, method: str, *given: nodes.Expr) -> nodes.Call:
        function = nodes.EnvironmentAttribute(f"tracer.{method}")
        return nodes.Call(function, list(given), [], None, None)

    def _do(self, method: str, *given: nodes.Expr) -> nodes.ExprStmt:
        return nodes.ExprStmt(self._call(method, *given))


def _offset(node: nodes.Node) -> nodes.Const:
    return nodes.Const(getattr(node.lineno, "offset", 0))
