"""Completion: what an editor offers, and Typing: what it has to go by."""

from __future__ import annotations

from lamina.lang.assist.reading import Reading, Written
from lamina.lang.assist.scope import scope_at
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lamina.lang.assist.scope import Scope, Variable

BLANKS = " \t\v\f\r\n"
BOOLEANS = {"true": "", "false": ""}


@value
class Completion:
    """One thing that may stand before the cursor, instead of the last `typed`
    characters: `insert`, which is `label` where it is "".

    `kind` is instruction, flag, field, value, stage, variable, directive or rule;
    `text` is Markdown.
    """

    label: str
    kind: str
    detail: str = ""
    text: str = ""
    insert: str = ""
    typed: int = 0


@value
class Typing:
    """What stands before the cursor: `text` of a logical line, from `keyword` on (in
    upper case; of ONBUILD the trigger's), and the names that are known there. The
    words of the language are `lower` as those above are."""

    reading: Reading
    line: Written
    keyword: str
    text: str
    lower: bool

    @property
    def typed(self) -> str:
        """The word at the cursor, as far as it is typed."""
        return self.text[max(map(self.text.rfind, BLANKS)) + 1 :]

    @property
    def words(self) -> list[str]:
        """The words between the keyword and the one that is typed."""
        return self.text[: len(self.text) - len(self.typed)].split()[1:]

    @property
    def scope(self) -> Scope:
        return scope_at(self.reading, self.line)

    def cased(self, word: str) -> str:
        return word.lower() if self.lower else word


def described(variable: Variable) -> str:
    """A variable with its value, as where it is set."""
    if variable.value is None:
        return variable.keyword
    return f"{variable.keyword} {variable.name}={variable.value}"


def values(known: Mapping[str, str], typed: str) -> Iterator[Completion]:
    """Values that are known, each with what is said of it."""
    for word, told in known.items():
        yield Completion(word, "value", told, typed=len(typed))


def stages(typing: Typing, typed: str) -> Iterator[Completion]:
    """The stages above the one at the cursor, the nearest first."""
    scope = typing.scope
    for name, stage in reversed(scope.stages.items()):
        if name.isdigit() or stage.index == typing.line.stage:
            continue
        base = "" if stage.base is None else f"FROM {stage.base.text}"
        yield Completion(name, "stage", base, typed=len(typed))
