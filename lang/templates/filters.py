"""The filters and methods of templates: those of Jinja that give the same everywhere
and cannot grow without end, and how values are printed.

Left out are what depends on chance (`random`), what is about HTML (`escape`, `urlize`,
...), and what lays out text for people (`center`, `wordwrap`, `pprint`, ...).
"""

from __future__ import annotations

from functools import wraps

from lamina.lang.templates.budget import TooMuch
from lamina.lang.templates.traced import join

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from lamina.lang.templates.budget import Budget

    Filter = Callable[..., Any]

# Jinja's own. Those of the first group take text, or what is printed as such.
ON_TEXT = ("capitalize", "lower", "title", "trim", "upper", "urlencode")
ON_VALUES = (
    *("abs", "batch", "count", "d", "default", "dictsort", "first", "float"),
    *("groupby", "int", "items", "last", "length", "list", "map", "max", "min"),
    *(
        "reject",
        "rejectattr",
        "reverse",
        "round",
        "select",
        "selectattr",
        "slice",
        "sort",
        "unique",
    ),
)
# A number given to these makes as many things.
COUNTING = frozenset({"batch", "slice", "round"})
LARGEST_COUNT = 1000

_TEXT_METHODS = frozenset(
    (
        *("capitalize", "casefold", "lower", "swapcase", "title", "upper"),
        *("strip", "lstrip", "rstrip", "removeprefix", "removesuffix", "replace"),
        *("split", "rsplit", "splitlines", "partition", "rpartition", "join"),
        *("startswith", "endswith", "count", "find", "index", "rfind", "rindex"),
        *("isalnum", "isalpha", "isascii", "isdecimal", "isdigit", "isidentifier"),
        *("islower", "isnumeric", "isspace", "istitle", "isupper"),
    )
)
METHODS: tuple[tuple[type, frozenset[str]], ...] = (
    (str, _TEXT_METHODS),
    (list, frozenset({"count", "index"})),
    (tuple, frozenset({"count", "index"})),
    (dict, frozenset({"get", "items", "keys", "values"})),
    (int, frozenset()),
    (float, frozenset({"is_integer"})),
    (bytes, frozenset()),
)


class Unprintable(Exception):
    """A value that is no text; the arguments are a sentence and a hint."""


def is_allowed(owner: object, name: str) -> bool:
    """Whether a template may use that attribute of a plain value."""
    for kind, names in METHODS:
        if isinstance(owner, kind):
            return name in names
    return True


def printed(given: Any) -> str:
    """The text of a value: that of a text or number; `true`, `false`. Raises
    Unprintable for the rest, and what an undefined value raises."""
    if isinstance(given, str):
        return given
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, int | float):
        return str(given)
    if given is None:
        raise Unprintable(
            "There is nothing to print: the value is none.",
            "Give it a value, or another one in its place: `| default('x', true)`.",
        )
    if isinstance(given, list | tuple | dict):
        kind = "mapping" if isinstance(given, dict) else "list"
        raise Unprintable(
            f"A {kind} is no text.",
            "Write `| join(' ')`, `| tojson` (as for CMD) or `| quote` (for a shell).",
        )
    if hasattr(given, "_fail_with_undefined_error"):
        given._fail_with_undefined_error()
    name = getattr(given, "name", None) or getattr(given, "__name__", None)
    shown = name if isinstance(name, str) else type(given).__name__
    hint = f"To call it, write `{shown}(...)`." if callable(given) else ""
    raise Unprintable(f"{shown!r} is no text.", hint or "Write `| list | join(' ')`.")


def concat(texts: Iterable[Any]) -> str:
    """`a ~ b`: what the values print as, in one."""
    return join(map(printed, texts))


class Filters:
    """The filters of one rendering, which pay from its budget."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def table(self, jinja: Mapping[str, Filter]) -> dict[str, Filter]:
        """Every filter by its name; `jinja` are the ones that come with Jinja."""
        found = {name: self._on_text(jinja[name]) for name in ON_TEXT}
        found |= {name: self._on_values(name, jinja[name]) for name in ON_VALUES}
        for own in ("format", "indent", "join", "quote", "replace", "string"):
            found[own] = getattr(self, own)
        return {**found, "sum": self.total, "tojson": self.tojson}

    def _on_text(self, function: Filter) -> Filter:
        @wraps(function)
        def call(given: Any, *args: Any, **named: Any) -> Any:
            text = printed(given)
            self._budget.weigh((text, args, named))
            return function(text, *args, **named)

        return call

    def _on_values(self, name: str, function: Filter) -> Filter:
        @wraps(function)
        def call(*args: Any, **named: Any) -> Any:
            self._budget.weigh((args, named))
            if name in COUNTING:
                for count in (*args[1:], *named.values()):
                    if isinstance(count, int) and abs(count) > LARGEST_COUNT:
                        raise TooMuch(f"{count:,} is too large a number for {name}.")
            return function(*args, **named)

        return call

    def string(self, given: Any) -> str:
        return printed(given)

    def format(self, template: Any, *args: Any, **named: Any) -> str:
        """`"%s-%s" | format(a, b)`."""
        if named:
            return self.formatted(printed(template), named)
        return self.formatted(printed(template), args)

    def formatted(self, template: str, given: Any) -> str:
        """`template % given`, where no field is very wide."""
        import re

        fields = re.findall(r"%(?:\([^)]*\))?([-+ #0-9.*]*)(.?)", template)
        if any("*" in width or re.search(r"\d{4}", width) for width, _ in fields):
            raise TooMuch("A field of the format is too wide.")
        if any(kind in ("r", "a") for _, kind in fields):
            raise Unprintable("%r shows how Python writes a value.", "Write %s.")
        values = given if isinstance(given, tuple | dict) else (given,)
        self._budget.weigh((template, values))
        self._budget.spend(10 * len(fields))
        if isinstance(values, dict):
            return template % {name: _field(it) for name, it in values.items()}
        return template % tuple(_field(it) for it in values)

    def indent(
        self, given: Any, width: int | str = 4, first: bool = False, blank: bool = False
    ) -> str:
        """Each line after the first moved to the right, blank ones only on demand."""
        text = printed(given)
        self._budget.text(width if isinstance(width, int) else len(width))
        margin = " " * width if isinstance(width, int) else width
        lines = text.splitlines(keepends=True)
        self._budget.text(len(text) + len(margin) * len(lines))
        return join(
            margin + line if (number or first) and (blank or line.strip()) else line
            for number, line in enumerate(lines)
        )

    def join(self, given: Any, between: Any = "", attribute: Any = None) -> str:
        """What the items print as, with `between` between them."""
        items = list(given)
        self._budget.weigh(items)
        if attribute is not None:
            names = str(attribute).split(".")
            items = [_inner(item, names) for item in items]
        texts, glue = [printed(item) for item in items], printed(between)
        self._budget.text(sum(map(len, texts)) + len(glue) * len(texts))
        pairs = [part for text in texts for part in (glue, text)]
        return join(pairs[1:])

    def quote(self, given: Any) -> str:
        """As one word of a shell's line; of a list, each item as one word."""
        from shlex import quote

        self._budget.weigh(given)
        items = given if isinstance(given, list | tuple) else [given]
        return " ".join(quote(printed(item)) for item in items)

    def replace(self, given: Any, old: Any, new: Any, count: int = -1) -> str:
        text, old, new = printed(given), printed(old), printed(new)
        self.replaced(text, old, new)
        return str(text.replace(old, new, count))

    def replaced(self, text: str, old: str, new: str) -> None:
        """Pay for the text with every `old` replaced."""
        self._budget.text(len(text))
        self._budget.text(len(text) + text.count(old) * len(new))

    def total(self, given: Any, attribute: Any = None, start: float = 0) -> float:
        """The sum of numbers."""
        items = self._budget.weigh(list(given))
        if attribute is not None:
            items = [_inner(item, str(attribute).split(".")) for item in items]
        if not all(isinstance(item, int | float) for item in (start, *items)):
            raise Unprintable("Only numbers have a sum.", "For text, write `| join`.")
        return sum(items, start)

    def tojson(self, given: Any, indent: int | None = None) -> str:
        """JSON as the language's own: nothing in it is escaped for HTML."""
        import json

        if indent is not None and indent > 16:
            raise TooMuch(f"{indent} is too large a number for tojson.")
        self._budget.weigh(given)
        if hasattr(given, "_fail_with_undefined_error"):
            given._fail_with_undefined_error()
        return json.dumps(given, ensure_ascii=False, indent=indent)


def _field(given: Any) -> Any:
    """What may be formatted: numbers, and what can be printed."""
    number = isinstance(given, int | float) and not isinstance(given, bool)
    return given if number else str.__str__(printed(given))


def _inner(item: Any, names: list[str]) -> Any:
    for name in names:
        item = item[int(name) if name.isdigit() else name]
    return item
