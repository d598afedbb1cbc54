"""Rendering a template, and the one door to Jinja2.

A template is compiled with calls put into it that tell a Tracer where it is: before
each statement, around each piece of output, in each turn of a loop and each macro. So
every character that comes out knows its template, place, loop values and includes.

Jinja's sandbox keeps a template from Python's insides; filters.py and budget.py keep
it from chance, clocks, and memory or time without end.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from jinja2 import BaseLoader, StrictUndefined, Template, TemplateNotFound, nodes
from jinja2.exceptions import SecurityError, TemplateSyntaxError, UndefinedError
from jinja2.filters import FILTERS
from jinja2.lexer import TokenStream
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from lamina.lang.source import Frame, RecipeError, Source, unix_lines
from lamina.lang.templates.budget import Budget, TooMuch
from lamina.lang.templates.complaints import (
    Complaints,
    Refused,
    deepest,
    too_deep,
)
from lamina.lang.templates.filters import Filters, is_allowed
from lamina.lang.templates.instrument import instrument, mark, own_names
from lamina.lang.templates.plain_words import kind_of
from lamina.lang.templates.traced import join, placed, to_source
from lamina.lang.templates.tracer import Text, Tracer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    # The template of that name; None when there is none.
    Load = Callable[[str], Source | None]

COMMENT = ("{%#", "#%}")
# More constructs than this in one file are no recipe.
MOST_CONSTRUCTS = 10_000
MOST_OUTPUT = 8 << 20
# What it costs to compile one.
_CONSTRUCT = 40
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


class _TooDeep(Exception):
    """A template that cannot be compiled: its name."""

    def __init__(self, name: str | None) -> None:
        super().__init__(name)
        self.name = name


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
        self._trees: list[nodes.Template] = []
        self.complaints = Complaints(self._names, self.filters, self.tests)
        self.tracer.texts[None] = Text(source, start)

    def _names(self) -> set[str]:
        """What is known here or there: for `did you mean`."""
        return set(self.globals).union(*map(own_names, self._trees))

    def know(self, name: str | None, source: Source) -> None:
        """Take in a template before it is compiled."""
        self.budget.text(len(source.text))
        count = source.text.count("{{") + source.text.count("{%")
        if count > MOST_CONSTRUCTS:
            raise TooMuch(f"The file {source.name} has {count:,} times {{{{ or {{%.")
        self.budget.spend(_CONSTRUCT * count)
        if name is not None:
            self.tracer.texts[name] = Text(source)

    # Compiling: tokens with their offsets, nodes with calls to the tracer.

    def compile(self, source: Any, name: Any = None, *more: Any, **named: Any) -> Any:
        try:
            return super().compile(source, name, *more, **named)
        except (RecursionError, MemoryError, SyntaxError):
            raise _TooDeep(name) from None

    def _tokenize(
        self, source: str, name: Any, filename: Any = None, state: Any = None
    ) -> TokenStream:
        text = self.tracer.texts[name]
        tokens = self.lexer.tokeniter(source, name, filename, state)
        marked = mark(tokens, source, text)
        return TokenStream(self.lexer.wrap(marked, name, filename), name, filename)

    def _parse(self, source: str, name: Any, filename: Any) -> nodes.Template:
        tree = instrument(super()._parse(source, name, filename), name)
        self._trees.append(tree)
        return tree

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
            f"A template cannot use {attribute!r} of {kind_of(obj)}.",
            obj=obj,
            name=attribute,
            exc=SecurityError,
        )


def _fail(message: object = "") -> None:
    """`{{ fail("...") }}`: the template itself finds that something is wrong."""
    raise Refused(str(message))


def _explained(error: Exception, environment: _Environment) -> RecipeError:
    """Any error of a rendering as one in its place."""
    if isinstance(error, TemplateSyntaxError):
        line, said, name = error.lineno, error.message or "", error.name
        span = environment.tracer.unread(name, line, getattr(line, "offset", None))
        return environment.complaints.syntax(said, span)
    if isinstance(error, _TooDeep):
        text = environment.tracer.texts[error.name]
        place = deepest(text.source.text, text.start)
        return too_deep(environment.tracer.unread(error.name, 1, place))
    span = environment.tracer.here()
    if isinstance(error, _Unknown):
        owner = (error.owner,) if error.owner is not missing else ()
        return environment.complaints.unknown(str(error), error.name, owner, span)
    if isinstance(error, TemplateNotFound):
        return RecipeError(
            f"There is no file {error.message!r} to include.",
            span,
            hint="Files are named from the recipe's folder on.",
        )
    return environment.complaints.other(error, span)
