"""The variables that a recipe declares, and the values that they get.

`# lamina: var python:str = "3.12" "the version of Python"`: a name, perhaps with dots,
a type (str, int, bool, list, enum(a,b)), perhaps a default and what it is for. A value
without a declaration, one of another type, and one that is missing are errors before
anything is rendered.
"""

from __future__ import annotations

from lamina.errors import LaminaError
from lamina.lang.dialect import VARIABLE, heading
from lamina.lang.lines import Fragment, Line
from lamina.lang.source import RecipeError, Source, Span
from lamina.lang.suggest import did_you_mean
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from lamina.lang.lalr import ParseCache
    from lamina.lang.statement import Token

KINDS = ("str", "int", "bool", "list", "enum")
# What means something to templates already.
RESERVED = frozenset(
    (
        *("and", "or", "not", "in", "is", "if", "else", "elif", "for", "recursive"),
        *("true", "false", "none", "True", "False", "None", "loop", "self", "super"),
        *("caller", "varargs", "kwargs", "import", "as", "from", "with", "without"),
        *("range", "dict", "namespace", "joiner", "cycler", "fail", "context"),
    )
)
_MISSING: Any = object()


class UnknownVariable(LaminaError):
    """A value for a variable that the recipe does not declare."""


@value
class Variable:
    """A declaration. `default` is None where there is none; `members` are an enum's.

    `span` is the line's text from the name on, `place` the name.
    """

    name: str
    kind: str
    members: tuple[str, ...]
    default: str | int | bool | tuple[str, ...] | None
    description: str
    span: Span
    place: Span

    @property
    def type(self) -> str:
        """The type as it is written."""
        if self.kind != "enum":
            return self.kind
        return f"enum({', '.join(self.members)})"


@value
class Given:
    """A value that somebody gave: the option or file, the name, and either the text
    of the option or the value that the file has."""

    by: str
    name: str
    text: str | None = None
    value: Any = None


def declarations(
    source: Source, cache: ParseCache | None = None
) -> tuple[Variable, ...]:
    """The variables in the heading of `source`, in order. Raises RecipeError."""
    found: dict[str, Variable] = {}
    for setting in heading(source.text):
        if setting.name == VARIABLE:
            start = setting.end - len(setting.value)
            variable = _declaration(source, setting.value, start, cache)
            _check_name(variable, found)
            found[variable.name] = variable
    return tuple(found.values())


def _declaration(
    source: Source, text: str, start: int, cache: ParseCache | None
) -> Variable:
    from lamina.lang.grammar import Grammar

    line = Line(source, text, (0,), (start,))
    whole = Fragment(line, 0, len(text), text)
    name, kind, default, description = Grammar(cache).tree("variable", whole, "\\")
    place = whole.part(name.start_pos, name.end_pos).span
    sort, *members = kind
    if sort not in KINDS or (sort == "enum") != bool(members):
        raise RecipeError(
            f"There is no type {str(sort)!r}."
            if sort not in KINDS
            else "enum takes its members, the other types nothing.",
            whole.part(sort.start_pos, sort.end_pos).span,
            hint=did_you_mean(sort, KINDS)
            or "It is str, int, bool, list or enum(a,b).",
        )
    variable = Variable(
        str(name),
        str(sort),
        tuple(map(_text, members)),
        None,
        "" if description is None else _text(description),
        whole.span,
        place,
    )
    if default is None:
        return variable
    return _with_default(variable, default[0])


def _with_default(variable: Variable, given: Any) -> Variable:
    from lamina.values import replace

    if isinstance(given, tuple):
        items: Any = tuple(map(_text, given))
        return replace(variable, default=_typed(variable, items, "The default is"))
    text = _text(given)
    if variable.kind == "list":
        raise RecipeError(
            "The default of a list stands in brackets.",
            variable.span,
            hint=f"Write `[{text}]`.",
        )
    return replace(variable, default=_from_text(variable, text, "The default is"))


def _text(token: Token) -> str:
    """What a token of the grammar stands for."""
    text = str(token)
    if token.type == "STRING":
        import json

        return str(json.loads(text))
    return text[1:-1] if token.type == "SINGLE_QUOTED" else text


def _check_name(variable: Variable, known: dict[str, Variable]) -> None:
    name = variable.name
    if name.split(".")[0] in RESERVED:
        raise RecipeError(
            f"{name!r} means something else in a template.",
            variable.place,
            hint="Take another name.",
        )
    if name in known:
        raise RecipeError(f"{name!r} is declared twice.", variable.place)
    for other in known:
        if name.startswith(f"{other}.") or other.startswith(f"{name}."):
            raise RecipeError(
                f"{name!r} cannot be declared beside {other!r}: one is in the other.",
                variable.place,
            )


def bind(variables: Sequence[Variable], given: Iterable[Given]) -> dict[str, Any]:
    """The value of each variable, those with dots as mappings in mappings.

    Of two values for a variable the later one counts. Raises UnknownVariable, and
    RecipeError at the declaration that a value does not fit.
    """
    known = {variable.name: variable for variable in variables}
    values: dict[str, Any] = {}
    for offer in given:
        for single in _single(offer, known):
            variable = known[single.name]
            if single.text is not None:
                typed = _from_text(variable, single.text, f"{single.by} gives")
            else:
                typed = _typed(variable, single.value, f"{single.by} gives")
            values[single.name] = typed
    bound: dict[str, Any] = {}
    for variable in variables:
        found = values.get(variable.name, variable.default)
        if found is None:
            raise RecipeError(
                f"The variable {variable.name!r} has no value.",
                variable.place,
                hint=f"Give it one, `--set {variable.name}=...`, or write a default.",
            )
        _put(bound, variable.name.split("."), found)
    return bound


def _single(offer: Given, known: dict[str, Variable]) -> Iterable[Given]:
    """What a file gives for several variables at once, one by one."""
    todo = [offer]
    while todo:
        one = todo.pop()
        if one.name in known:
            yield one
        elif isinstance(one.value, dict):
            if not one.value and one.name:
                raise _unknown(one, known)
            for key, inner in reversed(one.value.items()):
                name = f"{one.name}.{key}" if one.name else str(key)
                todo.append(Given(one.by, name, None, inner))
        else:
            raise _unknown(one, known)


def _unknown(one: Given, known: dict[str, Variable]) -> UnknownVariable:
    hint = did_you_mean(one.name, known)
    if not hint and known:
        hint = f"It declares {', '.join(known)}."
    declare = f"Declare it in the recipe: `# lamina: var {one.name}:str`."
    return UnknownVariable(
        f"{one.by} gives {one.name!r}, which the recipe does not declare.",
        hint=hint or declare,
    )


def _put(bound: dict[str, Any], path: list[str], found: Any) -> None:
    for part in path[:-1]:
        bound = bound.setdefault(part, {})
    bound[path[-1]] = found


def _from_text(variable: Variable, text: str, by: str) -> Any:
    """The text of an option as a value of the variable's type."""
    if variable.kind == "int":
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit()) or len(digits) > 100:
            hint = "It is a whole number, as 3 or -1."
            raise _unfit(variable, repr(text), by, hint=hint)
        return int(text)
    if variable.kind == "bool":
        if text not in ("true", "false"):
            raise _unfit(variable, repr(text), by, hint="Write true or false.")
        return text == "true"
    if variable.kind == "list":
        return _typed(variable, _items(variable, text, by), by)
    return _typed(variable, text, by)


def _items(variable: Variable, text: str, by: str) -> Any:
    """`a,b,c`, or a JSON array."""
    if not text.startswith("["):
        return tuple(text.split(",")) if text else ()
    import json

    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        hint = 'Write a,b,c, or as JSON: ["a", "b"].'
        raise _unfit(variable, repr(text), by, hint=hint) from None


def _typed(variable: Variable, given: Any, by: str) -> Any:
    """The value, which has to be of the variable's type."""
    kind = variable.kind
    if kind == "list" and isinstance(given, list | tuple):
        return _plain(variable, given, by)
    if kind == "enum" and isinstance(given, str):
        if given in variable.members:
            return given
        hint = did_you_mean(given, variable.members)
        hint = hint or f"It is one of {', '.join(variable.members)}."
        raise _unfit(variable, repr(given), by, hint=hint)
    expected = {"str": str, "int": int, "bool": bool}.get(kind)
    if type(given) is not expected:
        hint = ""
        if kind in ("str", "enum") and isinstance(given, int | float):
            hint = "Put it in quotes."
        raise _unfit(variable, _shown(given), by, hint=hint)
    return given


def _plain(variable: Variable, given: Any, by: str) -> Any:
    """What is in a list: texts, whole numbers, truths, and lists and mappings of
    those. A number with a point is a version that was not quoted."""
    if isinstance(given, list | tuple):
        return [_plain(variable, item, by) for item in given]
    if isinstance(given, dict):
        return {str(key): _plain(variable, it, by) for key, it in given.items()}
    if not isinstance(given, str | int):
        raise _unfit(
            variable, f"a list with {_shown(given)}", by, hint="Put it in quotes."
        )
    return given


def _unfit(variable: Variable, shown: str, by: str, *, hint: str = "") -> RecipeError:
    return RecipeError(
        f"{by} {shown}, but {variable.name!r} is declared as {variable.type}.",
        variable.place,
        hint=hint,
    )


def _shown(given: object) -> str:
    if given is None:
        return "null"
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, list | tuple):
        return "a list"
    if isinstance(given, dict):
        return "a table"
    return f"the text {given!r}" if isinstance(given, str) else str(given)
