"""What is wrong in a template, in words: Jinja's and Python's messages as RecipeErrors,
with hints."""

from __future__ import annotations

import re

from lamina.errors import LaminaError
from lamina.lang.source import RecipeError, Span
from lamina.lang.suggest import did_you_mean
from lamina.lang.templates.budget import TooMuch
from lamina.lang.templates.filters import Unprintable
from lamina.lang.templates.plain_words import kind_of, plain
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

RAW = (
    "Text with {{ or {% that is not the template's stands between {% raw %} and "
    "{% endraw %}."
)
# How Jinja says it, while it compiles or, in branches, only when it gets there.
_NO_SUCH = ("No filter named", "No test named")


class Refused(Exception):
    """What a template refuses by `fail`, in its words."""


@value
class Complaints:
    """The names that a rendering knows; `names` gives those of values."""

    names: Callable[[], set[str]]
    filters: Iterable[str]
    tests: Iterable[str]

    def syntax(self, said: str, span: Span) -> RecipeError:
        """What cannot be compiled."""
        if said.startswith(_NO_SUCH):
            return self._no_such(said, span)
        hint = "" if "end of template" in said else RAW
        return RecipeError(_sentence(said or "This cannot be read"), span, hint=hint)

    def unknown(
        self, said: str, name: Any, owner: tuple[Any, ...], span: Span
    ) -> RecipeError:
        """An undefined value that was used; `owner` has what lacks it, if anything."""
        if owner:
            return self._lacks(owner[0], name, span)
        name = name or ""
        span = _narrowed(span, name)
        if said != f"{name!r} is undefined":
            return RecipeError(_sentence(said), span)
        hint = did_you_mean(name, self.names())
        declare = f"Declare it: `# lamina: var {name}:str`."
        return RecipeError(f"Nothing is called {name!r}.", span, hint=hint or declare)

    def _lacks(self, owner: Any, name: Any, span: Span) -> RecipeError:
        """An item or attribute that is not there."""
        if isinstance(owner, list | tuple) and isinstance(name, int):
            message = (
                f"The list has {len(owner)} items, and none with the number {name}"
            )
            return RecipeError(f"{message}.", span, hint="They count from 0.")
        span = _narrowed(span, str(name), r"[.\[]\s*['\"]?")
        known = map(str, owner) if isinstance(owner, dict) else ()
        said = f"{kind_of(owner)} has no {name!r}"
        return RecipeError(_sentence(said), span, hint=did_you_mean(str(name), known))

    def other(self, error: Exception, span: Span) -> RecipeError:
        """Whatever else ended a rendering."""
        if isinstance(error, LaminaError):
            return RecipeError(error.message, span, hint=error.hint)
        if isinstance(error, Unprintable):
            return RecipeError(str(error.args[0]), span, hint=str(error.args[1]))
        if isinstance(error, TooMuch | Refused):
            return RecipeError(_sentence(str(error)), span)
        if isinstance(error, RecursionError | MemoryError):
            return too_deep(span)
        said = str(error) or type(error).__name__
        if said.startswith(_NO_SUCH):
            return self._no_such(said, span)
        return RecipeError(_sentence(plain(said)), span)

    def _no_such(self, said: str, span: Span) -> RecipeError:
        """A filter or test that is not there."""
        name = said.split("'")[1]
        known = self.filters if said.startswith(_NO_SUCH[0]) else self.tests
        said = said.removesuffix(".").removesuffix(" found")
        hint = did_you_mean(name, known)
        return RecipeError(_sentence(said), _narrowed(span, name), hint=hint)


def too_deep(span: Span) -> RecipeError:
    """What no Python program could be made of."""
    return RecipeError(
        "The template is nested too deeply.",
        span,
        hint="Python knows 20 loops in each other, and some hundred brackets.",
    )


# More blocks in each other than this, and not a long expression, were too many.
_MANY_BLOCKS = 15
_CONSTRUCT = re.compile(r"\{\{.*?\}\}|\{%[-+]?\s*(\w+).*?%\}", re.DOTALL)
_BLOCKS = frozenset({"if", "for", "macro", "call", "filter", "block", "with"})


def deepest(text: str, start: int) -> int:
    """Where a template is probably nested too deeply: its innermost block, or its
    longest expression."""
    depth, places = 0, [(0, start)]
    longest = (0, start)
    for found in _CONSTRUCT.finditer(text, start):
        word = found[1] or ""
        depth += (word in _BLOCKS) - (word[:3] == "end" and word[3:] in _BLOCKS)
        places.append((depth, -found.start()))
        longest = max(longest, (len(found[0]), -found.start()))
    most = max(places)
    return abs(most[1] if most[0] > _MANY_BLOCKS else longest[1])


def _narrowed(span: Span, name: str, before: str = r"\b") -> Span:
    """The name in a `{{ }}` or `{% %}`, where it is there."""
    pattern = rf"(?:{before})({re.escape(name)})\b"
    found = re.search(pattern, span.text) if name else None
    if found is None:
        return span
    return Span(span.source, span.start + found.start(1), span.start + found.end(1))


def _sentence(said: str) -> str:
    """Jinja's and Python's messages as sentences."""
    said = said.strip()
    said = said[:1].upper() + said[1:]
    return said if said.endswith((".", "?", "!")) else f"{said}."
