"""What is said of a word: of the language what it does, of a name what it holds."""

from __future__ import annotations

from lamina.lang.assist.reference.comments import DIRECTIVES, SETTINGS
from lamina.lang.assist.reference.flags import FLAG_VALUES
from lamina.lang.assist.reference.mounts import FIELD_VALUES, MOUNT_FIELDS, MOUNT_TYPES
from lamina.lang.assist.reference.variables import VARIABLES
from lamina.lang.assist.scope import (
    Occurrence,
    StageName,
    Variable,
    occurrences_in,
    walk,
)
from lamina.lang.assist.vocabulary import flags, instructions
from lamina.lang.mounts import SPELLINGS
from lamina.lang.source import RecipeError, Span
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.lang.assist.reading import Reading, Written
    from lamina.lang.assist.reference.entry import Entry
    from lamina.lang.assist.scope import Scope
    from lamina.lang.lines import Fragment
    from lamina.lang.statement import Flag, Statement

# The stages that a hover lists.
DEEPEST = 20


@value
class Hover:
    """Markdown about the characters at `place`."""

    text: str
    place: Span


def hover(reading: Reading, offset: int) -> Hover | None:
    """What is to be said at `offset`, if anything."""
    line = reading.at(offset)
    if line is None:
        return _directive(reading, offset)
    scope = next((known for found, known in walk(reading) if found is line), None)
    if scope is not None:
        for found in occurrences_in(reading, line, scope):
            if _holds(found.place, offset):
                text = _name(reading, found, scope)
                if text:
                    return Hover(text, found.place)
    statement = reading.statement(line)
    for told in _words(reading, line, statement):
        if _holds(told.place, offset):
            return told
    return None


def _holds(place: Span, offset: int) -> bool:
    return place.start <= offset <= place.end


# names


def _name(reading: Reading, found: Occurrence, scope: Scope) -> str:
    if isinstance(found.target, StageName):
        return _stage(reading, found.target, scope)
    if isinstance(found.target, Variable):
        return _variable(reading, found.target)
    if found.name in VARIABLES:
        return _code(found.name) + VARIABLES[found.name]
    return ""


def _code(text: str) -> str:
    return f"```dockerfile\n{text}\n```\n"


def _stage(reading: Reading, stage: StageName, scope: Scope) -> str:
    """The FROM of a stage, and what that stands on down to an image."""
    lines = [_code(_whole(reading, stage.line.line.span(0, len(stage.line.text))))]
    below = scope.base(stage)
    while below is not None and below.index < stage.index and len(lines) < DEEPEST:
        text = _whole(reading, below.line.line.span(0, len(below.line.text)))
        lines.append(f"on line {_line(reading, below.place)}: `{text}`\n")
        stage, below = below, scope.base(below)
    if len(lines) == 1:
        lines.append(f"Stage {stage.index}, line {_line(reading, stage.place)}.")
    return "\n".join(lines)


def _variable(reading: Reading, variable: Variable) -> str:
    lines = []
    made: Variable | None = variable
    while made is not None:
        text = f"{made.keyword} {made.name}"
        if made.written is not None:
            text += f"={_whole(reading, made.written.span)}"
        lines.append(_code(text) + f"Set on line {_line(reading, made.place)}.")
        if made.written is not None and made.value not in (None, made.written.text):
            lines.append(f"Its value is `{_inline(made.value or '')}`.")
        made = made.outer
    if variable.keyword == "ARG":
        told = VARIABLES.get(variable.name)
        option = f"`--build-arg {variable.name}=...` sets it."
        lines.append(told or option)
    return "\n\n".join(lines)


def _whole(reading: Reading, place: Span) -> str:
    """What was written there, on one line, and not too long."""
    text = " ".join(reading.written(place).split())
    return text if len(text) <= 200 else f"{text[:197]}..."


def _inline(text: str) -> str:
    return " ".join(text.replace("`", "'").split())


def _line(reading: Reading, place: Span) -> int:
    return reading.source.line_of(place.start)


# words of the language


def _told(usage: str, text: str, place: Span) -> Hover:
    return Hover(f"{_code(usage)}{text}", place)


def _entry(entry: Entry | None, place: Span) -> Iterator[Hover]:
    if entry is not None:
        yield _told(entry.usage, entry.text, place)


def _words(
    reading: Reading, line: Written, statement: Statement | None
) -> Iterator[Hover]:
    """The keyword, the flags and the fields of mounts, each with what is said of it.
    Of what stands in one another the inner one comes first."""
    known = instructions(reading.dialect)
    keyword = line.line.span(0, len(line.keyword))
    yield from _entry(known.get(line.keyword), keyword)
    if statement is None:
        return
    inner = statement.whole.part(0, len(statement.keyword)).span
    if inner != keyword:
        yield from _entry(known.get(statement.keyword), inner)
    for flag in statement.flags:
        yield from _flag(reading, statement, flag)


def _flag(reading: Reading, statement: Statement, flag: Flag) -> Iterator[Hover]:
    entry = flags(statement.keyword, reading.dialect).get(flag.name)
    if flag.name == "mount" and flag.value is not None:
        yield from _fields(statement, flag.value)
    value = flag.value
    if value is not None:
        told = FLAG_VALUES.get(flag.name, {}).get(value.text)
        if told is not None:
            yield _told(f"--{flag.name}={value.text}", told, value.span)
    yield from _entry(entry, flag.place.span)


def _fields(statement: Statement, mount: Fragment) -> Iterator[Hover]:
    try:
        fields = statement.tree("mount", mount)
    except RecipeError:
        return
    for key, _, given in fields:
        written = mount.part(key.start_pos, key.end_pos)
        name = SPELLINGS.get(written.text.lower(), written.text.lower())
        yield from _entry(MOUNT_FIELDS.get(name), written.span)
        if given is None:
            continue
        word = mount.part(given.start_pos, given.end_pos)
        if name == "type":
            yield from _entry(MOUNT_TYPES.get(word.text), word.span)
        elif word.text in FIELD_VALUES.get(name, {}):
            told = FIELD_VALUES[name][word.text]
            yield _told(f"{name}={word.text}", told, word.span)


def _directive(reading: Reading, offset: int) -> Hover | None:
    """What a comment that means something means."""
    text = reading.source.text
    start = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    line = text[start : len(text) if end < 0 else end]
    if not line.lstrip().startswith("#"):
        return None
    comment = line.lstrip()[1:].lstrip()
    name = comment.replace(":", "=").partition("=")[0].strip().lower()
    entry = DIRECTIVES.get(name)
    if entry is None or not comment[len(name) :].lstrip().startswith(("=", ":")):
        return None
    if name == "lamina":
        words = comment[len("lamina:") :].replace("=", " ").split(None, 1)
        entry = SETTINGS.get(words[0] if words else "", entry)
    place = Span(reading.source, start, start + len(line))
    return _told(entry.usage, entry.text, place)
