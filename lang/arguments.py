"""The sorts of arguments that several instructions share: JSON or words, times."""

from __future__ import annotations

from lamina.lang import quirks
from lamina.lang.source import RecipeError, UnclosedQuote
from lamina.lang.words import Command, ExecForm, Heredoc, ShellForm, Word
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.lang.lines import Fragment
    from lamina.lang.statement import Statement, Token

NANOSECONDS = {
    "ns": 1,
    "us": 1000,
    "µs": 1000,
    "μs": 1000,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 24 * 3600 * 10**9,
}


@value
class Item:
    """One argument of several: its text, quotes of JSON gone, and its place."""

    text: Fragment
    heredoc: Heredoc | None


def parse_command(statement: Statement, text: Fragment) -> Command:
    """The exec form where `text` is a JSON array, else the shell form."""
    args = parse_strings(statement, text)
    if args is None:
        return ShellForm(text.text, text.span)
    return ExecForm(
        tuple(arg.text for arg in args), tuple(arg.span for arg in args), text.span
    )


def parse_items(statement: Statement, text: Fragment) -> list[Item]:
    """The arguments of an instruction that takes JSON or words."""
    strings = parse_strings(statement, text)
    if strings is not None:
        return [Item(string, None) for string in strings]
    heredocs = dict(statement.line.heredocs)
    tokens: tuple[Token, ...] = statement.tree("words", text)
    items = []
    for token in tokens:
        part = text.part(token.start_pos, token.end_pos)
        items.append(Item(part, heredocs.get(part.start)))
    return items


def item_word(statement: Statement, item: Item) -> Word:
    """The word that an item is. Raises UnclosedQuote with a way on: quotes keep no
    blanks here."""
    try:
        return statement.word(item.text)
    except UnclosedQuote as error:
        error.hint = (
            "Blanks part words here, in quotes too. Paths that have some stand in a "
            f"JSON array: {statement.keyword} {_as_json(statement.arguments.text)}"
        )
        raise


def _as_json(text: str) -> str:
    """The words that quotes were meant to make, as an array."""
    import json
    import shlex

    try:
        return json.dumps(shlex.split(text), ensure_ascii=False)
    except ValueError:
        return '["a b", "c"]'


def parse_strings(statement: Statement, text: Fragment) -> list[Fragment] | None:
    """The strings of a JSON array, or None where `text` is none."""
    if not text.text.startswith("["):
        return None
    children = statement.grammar.array(text)
    if children is None:
        if not statement.dialect.keeps(quirks.MALFORMED_JSON):
            statement.grammar.refuse_array(text)
        return None
    items = []
    for child in children:
        if isinstance(child, tuple):
            raise RecipeError(
                f"A JSON array for {statement.keyword} holds strings only.",
                text.span,
                hint="Put every element in double quotes.",
            )
        part = text.part(child.start_pos, child.end_pos)
        items.append(part.unquoted(_string(part)))
    return items


def _string(text: Fragment) -> str:
    if "\\" not in text.text:
        return text.text[1:-1]
    import json

    string: str = json.loads(text.text)
    if "\0" in string:
        raise RecipeError("A NUL character cannot be in an argument.", text.span)
    # Half of a surrogate pair is no character; Go reads it as U+FFFD too.
    return string.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def parse_choice(statement: Statement, name: str, known: tuple[str, ...]) -> str:
    """The value of a flag that has few; the first is the default."""
    given = statement.text(name)
    if given is None:
        return known[0]
    if given.text not in known:
        raise RecipeError(
            f"--{name} cannot be {given.text!r}.",
            given.span,
            hint=f"It is one of {', '.join(known)}.",
        )
    return given.text


def parse_duration(statement: Statement, name: str, days: bool = False) -> int:
    """A flag's time in nanoseconds, 0 where it is not given: a Go duration, and with
    `days` also `7d`."""
    given = statement.text(name)
    if given is None or given.text == "0":
        return 0
    total = 0
    leaves: tuple[Token, ...] = statement.tree("duration", given)
    tokens = [given.text[leaf.start_pos : leaf.end_pos] for leaf in leaves]
    if len(tokens) > 16 or len(given.text) > 100:
        raise RecipeError(f"--{name} is too long for a time.", given.span)
    if not days and "d" in tokens:
        raise RecipeError(
            f"--{name} knows no days.", given.span, hint="Write 24h for a day."
        )
    if len(tokens) % 2:
        raise RecipeError(
            f"--{name} needs a unit.", given.span, hint=f"Write {given.text}s."
        )
    for number, unit in zip(tokens[::2], tokens[1::2], strict=True):
        amount, _, fraction = number.partition(".")
        scale = NANOSECONDS[unit]
        total += int(amount or 0) * scale
        total += int(fraction or 0) * scale // 10 ** len(fraction)
    if 0 < total < 10**6 or total >= 2**63:
        raise RecipeError(f"--{name} is 0, or between 1ms and 292 years.", given.span)
    return total


def parse_count(statement: Statement, name: str) -> int:
    """A flag's number, 0 where it is not given."""
    given = statement.text(name)
    if given is None:
        return 0
    digits = given.text
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 9:
        raise RecipeError(f"--{name} is a number.", given.span)
    return int(digits)
