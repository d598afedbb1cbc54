"""Rendering a template, and the one door to Jinja2.

A template is compiled with calls put into it that tell a Tracer where it is: before
each statement, around each piece of output, in each turn of a loop and each macro. So
every character that comes out knows its template, place, loop values and includes.

Jinja's sandbox keeps a template from Python's insides; `lang.filters` and `lang.budget`
from chance, clocks, and memory or time without end.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from jinja2 import BaseLoader, StrictUndefined, Template, TemplateNotFound, nodes
from jinja2.exceptions import SecurityError, TemplateSyntaxError, UndefinedError
from jinja2.filters import FILTERS
from jinja2.lexer import TokenStream
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing
from jinja2.visitor import NodeTransformer

from lamina.errors import LaminaError
from lamina.lang.budget import Budget, TooMuch
from lamina.lang.filters import Filters, Unprintable, is_allowed
from lamina.lang.source import Frame, Piece, RecipeError, Source, Span, unix_lines
from lamina.lang.suggest import did_you_mean
from lamina.lang.traced import join, placed, to_source
from lamina.lang.tracer import Text, Tracer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    # The template of that name; None when there is none.
    Load = Callable[[str], Source | None]

COMMENT = ("{%#", "#%}")
# More constructs than this in one file are no recipe.
MOST_CONSTRUCTS = 20_000
MOST_OUTPUT = 8 << 20
RAW = (
    "Text with {{ or {% that is not the template's stands between {% raw %} and "
    "{% endraw %}."
)
# How Jinja says it, while it compiles or, in branches, only when it gets there.
_NO_SUCH = ("No filter named", "No test named")
# Jinja's globals that stay; `range` is ours.
_GLOBALS = ("cycler", "dict", "joiner", "namespace")


def render_template(
    source: Source, start: int, values: Mapping[str, Any], load: Load
) -> Source:
    """What the template in `source` gives; the text before `start` is none of it.

    Its lines have Unix ends. `values` are known everywhere, `load` finds what is
    included, imported, extended. Raises RecipeError, in the template's own place.
    """
    environment = _Environment(source, start, values, load)
    tracer = environment.tracer
    try:
        environment.know(None, source)
        template = environment.from_string(source.text[start:])
        head = (tracer.root, 0, start, True)
        texts: list[str] = [placed(source.text[:start], head)]
        size = start
        for text in template.root_render_func(template.new_context()):
            size += len(text)
            if size > MOST_OUTPUT:
                raise TooMuch("More than 8 MiB come out of the template.")
            texts.append(text)
    except (RecipeError, AssertionError):
        raise
    except Exception as error:
        raise _explained(error, environment) from None
    assert tracer.frame is None
    return to_source(source.name, texts)


class _Mark(int):
    """A line number that knows the offset of its token in the source."""

    offset: int


class _Unknown(UndefinedError):
    """An undefined value that was used: its name, and what had none of that name."""

    def __init__(self, message: str, owner: Any, name: str | None) -> None:
        super().__init__(message)
        self.owner = owner
        self.name = name


class _Undefined(StrictUndefined):
    """Says what it was when it is used."""

    __slots__ = ()

    def __init__(
        self,
        hint: str | None = None,
        obj: Any = missing,
        name: str | None = None,
        exc: Any = UndefinedError,
    ) -> None:
        super().__init__(hint, obj, name)
        if exc is UndefinedError:
            exc = partial(_Unknown, owner=obj, name=name)
        self._undefined_exception = exc


class _Template(Template):
    """A compiled template whose body tells the tracer of itself."""

    @classmethod
    def from_code(
        cls, environment: Any, code: Any, *more: Any, **named: Any
    ) -> Template:
        made = super().from_code(environment, code, *more, **named)
        tracer: Tracer = environment.tracer
        made.root_render_func = tracer.template(made.name, made.root_render_func)
        return made

    def _get_default_module(self, ctx: Any = None) -> Any:
        # Jinja keeps the first one; included again, it would tell of that place.
        self._module = None
        return super()._get_default_module(ctx)


class _Loader(BaseLoader):
    """Hands templates on to Jinja, and their sources to the tracer."""

    def __init__(self, load: Load) -> None:
        self._load = load

    def get_source(self, environment: Any, template: Any) -> Any:
        if not isinstance(template, str):
            raise TypeError("A file's name is a text")
        source = self._load(template)
        if source is None:
            raise TemplateNotFound(template)
        source = unix_lines(source)
        environment.know(template, source)
        return source.text, template, None


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja as a recipe has it."""

    template_class = _Template
    intercepted_binops = frozenset({"+", "*", "**", "%"})
    concat = staticmethod(join)

    def __init__(
        self, source: Source, start: int, values: Mapping[str, Any], load: Load
    ) -> None:
        super().__init__(
            comment_start_string=COMMENT[0],
            comment_end_string=COMMENT[1],
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            undefined=_Undefined,
            loader=_Loader(load),
            optimized=False,
            auto_reload=False,
        )
        self.budget = Budget()
        self.tracer = Tracer(self.budget, Frame("recipe", source))
        self.own_filters = Filters(self.budget)
        self.filters = self.own_filters.table(FILTERS)
        known = {name: self.globals[name] for name in _GLOBALS}
        self.globals = {**known, "range": self.budget.range, "fail": _fail, **values}
        self.names = set(self.globals)
        self.start = start
        self.tracer.texts[None] = Text(source)

    def know(self, name: str | None, source: Source) -> None:
        """Take in a template before it is compiled."""
        self.budget.text(len(source.text))
        count = source.text.count("{{") + source.text.count("{%")
        if count > MOST_CONSTRUCTS:
            raise TooMuch(f"{source.name} has {count:,} times {{{{ or {{%.")
        self.tracer.texts[name] = Text(source)

    # Compiling: tokens with their offsets, nodes with calls to the tracer.

    def _tokenize(
        self, source: str, name: Any, filename: Any = None, state: Any = None
    ) -> TokenStream:
        text = self.tracer.texts[name]
        tokens = self.lexer.tokeniter(source, name, filename, state)
        shift = 0 if name is not None else self.start
        marked = _marked(tokens, source, text, shift)
        return TokenStream(self.lexer.wrap(marked, name, filename), name, filename)

    def _parse(self, source: str, name: Any, filename: Any) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        self.names |= _names(tree)
        traced: nodes.Template = _Tracing(name).visit(tree)
        traced.set_environment(self)
        return traced

    # Rendering: what compiled templates call for what they do not do themselves.

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        owner = getattr(__obj, "__self__", None)
        if owner is __self.tracer:
            return __obj(*args)
        __self.budget.weigh((owner, args, kwargs))
        if isinstance(owner, str) and __obj.__name__ == "join":
            return __self.own_filters.join(args[0], owner)
        if isinstance(owner, str) and __obj.__name__ == "replace":
            return __self.own_filters.replace(owner, *args, **kwargs)
        return super().call(__context, __obj, *args, **kwargs)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "%" and isinstance(left, str):
            return self.own_filters.formatted(left, right)
        self.budget.operation(operator, left, right)
        return super().call_binop(context, operator, left, right)

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        if is_allowed(obj, attribute):
            return super().getattr(obj, attribute)
        if hasattr(obj, attribute) and not isinstance(obj, dict):
            return self.unsafe_undefined(obj, attribute)
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        try:
            return obj[argument]
        except (TypeError, LookupError):
            if isinstance(argument, str):
                return self.getattr(obj, argument)
        return self.undefined(obj=obj, name=argument)

    def unsafe_undefined(self, obj: Any, attribute: str) -> _Undefined:
        return _Undefined(
            f"A template cannot use {attribute!r} of {_kind(obj)}.",
            obj=obj,
            name=attribute,
            exc=SecurityError,
        )


def _fail(message: object = "") -> None:
    """`{{ fail("...") }}`: the template itself finds that something is wrong."""
    raise _Failed(str(message))


class _Failed(Exception):
    """What a template refuses, in its words."""


def _marked(
    tokens: Iterable[tuple[int, str, str]], source: str, text: Text, shift: int
) -> Iterator[tuple[int, str, str]]:
    """The lexer's tokens, their lines marked with offsets; and `text` is told where
    constructs begin and end. Jinja leaves out nothing but blanks before a `{`."""
    at = 0
    for line, kind, value in tokens:
        at = source.index(value, at)
        mark = _Mark(line)
        mark.offset = at + shift
        if kind.endswith("_begin"):
            text.starts.append(mark.offset)
        at += len(value)
        if kind.endswith("_end"):
            text.ends.append(mark.offset + len(value.rstrip()))
        yield mark, kind, value


def _names(tree: nodes.Template) -> set[str]:
    """What a template calls its own: for `did you mean`."""
    names = {node.name for node in tree.find_all(nodes.Name) if node.ctx != "load"}
    names |= {node.name for node in tree.find_all(nodes.Macro)}
    names |= {node.target for node in tree.find_all(nodes.Import)}
    for node in tree.find_all(nodes.FromImport):
        names |= {name if isinstance(name, str) else name[1] for name in node.names}
    return names


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


# What went wrong, in words.


def _explained(error: Exception, environment: _Environment) -> RecipeError:
    """Any error of a rendering as one in its place."""
    if isinstance(error, TemplateSyntaxError):
        return _bad_syntax(error, environment)
    span = _in_frame(environment.tracer)
    if isinstance(error, _Unknown):
        return _unknown(error, environment, span)
    if isinstance(error, TemplateNotFound):
        return RecipeError(
            f"There is no file {error.message!r} to include.",
            span,
            hint="Files are named from the recipe's folder on.",
        )
    if isinstance(error, LaminaError):
        return RecipeError(error.message, span, hint=error.hint)
    if isinstance(error, Unprintable):
        return RecipeError(str(error.args[0]), span, hint=str(error.args[1]))
    if isinstance(error, TooMuch | _Failed):
        return RecipeError(str(error), span)
    if isinstance(error, RecursionError | MemoryError):
        return RecipeError("The template is nested too deeply.", span)
    said = str(error) or type(error).__name__
    if said.startswith(_NO_SUCH):
        return _no_such(said, environment, span)
    return RecipeError(_sentence(said), span)


def _in_frame(tracer: Tracer) -> Span:
    """The place that is being evaluated, with how the template got there."""
    if tracer.frame is None:
        source = tracer.texts[None].source
        return Span(source, 0, 0)
    return _framed(tracer.here(), tracer.frame)


def _framed(span: Span, frame: Frame) -> Span:
    """A span of a template that is seen through a frame."""
    text = span.source.text
    pieces = (Piece(0, frame, 0, len(text), True),)
    return Span(Source(span.source.name, text, pieces), span.start, span.end)


def _bad_syntax(error: TemplateSyntaxError, environment: _Environment) -> RecipeError:
    tracer = environment.tracer
    text = tracer.texts[error.name].source.text
    offset = getattr(error.lineno, "offset", None)
    if offset is None:
        at = 0 if error.name is not None else environment.start
        for _ in range(error.lineno - 1):
            at = text.find("\n", at) + 1
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
    else:
        at = offset
        found = re.compile(r"\w+|\S").match(text, at)
        end = found.end() if found else at + 1
    span = Span(tracer.texts[error.name].source, at, end)
    if tracer.frame is not None:
        span = _framed(span, tracer.entering(error.name))
    said = error.message or "This cannot be read."
    if said.startswith(_NO_SUCH):
        return _no_such(said, environment, span)
    hint = "" if "end of template" in said else RAW
    return RecipeError(_sentence(said), span, hint=hint)


def _no_such(said: str, environment: _Environment, span: Span) -> RecipeError:
    """A filter or test that is not there."""
    name = said.split("'")[1]
    known = environment.filters if said.startswith(_NO_SUCH[0]) else environment.tests
    said = said.removesuffix(".").removesuffix(" found")
    span = _narrowed(span, name)
    return RecipeError(_sentence(said), span, hint=did_you_mean(name, known))


def _unknown(error: _Unknown, environment: _Environment, span: Span) -> RecipeError:
    """An undefined value: what it may have been meant to be."""
    name, owner = error.name or "", error.owner
    span = _narrowed(span, name)
    if owner is missing:
        said = str(error)
        if said != f"{name!r} is undefined":
            return RecipeError(_sentence(said), span)
        hint = did_you_mean(name, environment.names)
        declare = f"Declare it: `# lamina: var {name}:str`."
        return RecipeError(f"Nothing is called {name!r}.", span, hint=hint or declare)
    hint = did_you_mean(name, map(str, owner)) if isinstance(owner, dict) else ""
    return RecipeError(f"{_kind(owner)} has no {name!r}.".capitalize(), span, hint=hint)


def _narrowed(span: Span, name: str) -> Span:
    """The name in the construct, where it is there."""
    found = re.search(rf"\b{re.escape(name)}\b", span.text) if name else None
    if found is None:
        return span
    return Span(span.source, span.start + found.start(), span.start + found.end())


def _kind(given: object) -> str:
    """What a value is called in a message."""
    for kind, name in (
        (str, "a text"),
        (bool, "a truth value"),
        (int | float, "a number"),
        (dict, "a mapping"),
        (list | tuple, "a list"),
    ):
        if isinstance(given, kind):
            return name
    return "none" if given is None else f"a {type(given).__name__}"


def _sentence(said: str) -> str:
    """Jinja's and Python's messages as sentences."""
    said = said.strip()
    said = said[:1].upper() + said[1:]
    return said if said.endswith((".", "?", "!")) else f"{said}."
