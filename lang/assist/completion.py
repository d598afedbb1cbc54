"""What may stand at a place of a recipe that is being written.

Only what is before the cursor counts: the text up to it is read with a sign at its
end, and the line that ends with the sign is the one that is being typed.
"""

from __future__ import annotations

from lamina.lang.assist.argument import arguments
from lamina.lang.assist.comments import declared, in_comment
from lamina.lang.assist.offer import (
    BOOLEANS,
    Completion,
    Typing,
    described,
    stages,
    values,
)
from lamina.lang.assist.reading import Reading, Written, read
from lamina.lang.assist.reference.flags import FLAG_VALUES
from lamina.lang.assist.reference.mounts import FIELD_VALUES, MOUNT_FIELDS, MOUNT_TYPES
from lamina.lang.assist.reference.variables import VARIABLES
from lamina.lang.assist.scope import VARIABLE
from lamina.lang.assist.vocabulary import NO_TRIGGERS, flags, instructions
from lamina.lang.mounts import FIELDS, FLAGS
from lamina.lang.templates.render import is_template
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Stands for the cursor: no blank, no quote, no part of a name.
CURSOR = "\ue000"
PLATFORMS = ("$BUILDPLATFORM", "linux/amd64", "linux/arm64", "linux/arm/v7")
# Flags that are true by being there.
BARE = frozenset({"link", "parents", "keep-git-dir", "unpack", "no-cache", "if-exists"})
TRUTHS = ("link", "parents", "keep-git-dir", "unpack")


def complete(name: str, text: str, offset: int) -> tuple[Completion, ...]:
    """All that fits at `offset` of the file called `name`, what fits best first."""
    head = text[:offset]
    if is_template(name, head):
        opened = max(head.rfind("{{"), head.rfind("{%"))
        if opened > max(head.rfind("}}"), head.rfind("%}")):
            return tuple(declared(head))
    reading = read(name, head + CURSOR)
    line = reading.lines[-1] if reading.lines else None
    if line is not None and _in_heredoc(reading, line):
        shell = Typing(reading, line, line.keyword, head.rpartition("\n")[2], False)
        return tuple(_variables(shell) or ())
    if head.rpartition("\n")[2].lstrip().startswith("#"):
        return tuple(in_comment(head.rpartition("\n")[2], reading))
    if line is None or not line.text.endswith(CURSOR):
        return ()
    keyword = line.keyword.removesuffix(CURSOR)
    typing = Typing(reading, line, keyword, line.text[:-1], _lower(reading))
    return tuple(_in_line(typing))


def _in_heredoc(reading: Reading, line: Written) -> bool:
    text = reading.source.text
    return any(
        text[start - 1] == "\n" and end == len(text)
        for _, start, end in reading.bodies(line)
    )


def _lower(reading: Reading) -> bool:
    """Whether most instructions above, or else the one that is typed, are lower."""
    lines = reading.lines[:-1] or reading.lines
    words = [line.text[: len(line.keyword)].rstrip(CURSOR) for line in lines]
    return sum(word.islower() for word in words) * 2 > len(words)


# instructions


def _in_line(typing: Typing) -> Iterator[Completion]:
    if typing.typed == typing.text:
        yield from _keywords(typing, ())
        return
    if typing.keyword == "ONBUILD":
        trigger = typing.text.split(None, 1)[1:]
        if not trigger or trigger[0] == typing.typed:
            yield from _keywords(typing, NO_TRIGGERS)
            return
        inner = replace(typing, text=trigger[0], keyword=trigger[0].split()[0].upper())
        yield from _in_line(inner)
        return
    found = _variables(typing)
    if found is None and all(word.startswith("--") for word in typing.words):
        found = _in_flags(typing)
    if found is None:
        found = arguments(typing)
    yield from found


def _keywords(typing: Typing, without: tuple[str, ...]) -> Iterator[Completion]:
    for name, entry in instructions(typing.reading.dialect).items():
        if name not in without:
            yield Completion(
                typing.cased(name),
                "instruction",
                entry.usage,
                entry.text,
                typed=len(typing.typed),
            )


def _variables(typing: Typing) -> Iterator[Completion] | None:
    """The variables that are known, when `$` or `${` and a part of a name is typed."""
    dollar = typing.text.rfind("$")
    if dollar < 0:
        return None
    before = typing.text[:dollar]
    escapes = len(before) - len(before.rstrip(typing.reading.escape))
    opened = typing.text[dollar:]
    brace = opened.startswith("${")
    typed = opened[1 + brace :]
    if escapes % 2 or (typed and not VARIABLE.fullmatch(f"${typed}")):
        return None
    scope = typing.scope
    named = {name: described(variable) for name, variable in scope.variables.items()}
    if typing.keyword == "FROM":
        named = {**VARIABLES, **named}
    return (
        Completion(name, "variable", told, "", name + "}" * brace, len(typed))
        for name, told in named.items()
    )


# flags


def _in_flags(typing: Typing) -> Iterator[Completion] | None:
    """Flags and their values; None where an argument is meant."""
    typed = typing.typed
    name, equals, given = typed.removeprefix("--").partition("=")
    if typed.startswith("--") and equals:
        return _flag_values(typing, name, given)
    if typed and not "--".startswith(typed[:2]):
        return None
    offers = _flags(typing)
    if typed:
        return offers
    return iter([*arguments(typing), *offers])


def _flags(typing: Typing) -> Iterator[Completion]:
    there = {word.partition("=")[0] for word in typing.words}
    for name, entry in flags(typing.keyword, typing.reading.dialect).items():
        label = f"--{name}"
        if label in there and name not in ("mount", "exclude", "device", "env"):
            continue
        insert = label if name in BARE else f"{label}="
        yield Completion(
            label, "flag", entry.usage, entry.text, insert, len(typing.typed)
        )


def _flag_values(typing: Typing, name: str, given: str) -> Iterator[Completion]:
    known = FLAG_VALUES.get(name)
    if known is not None:
        yield from values(known, given)
    elif name == "mount":
        yield from _mount(typing, given)
    elif name == "from":
        yield from stages(typing, given)
    elif name == "platform":
        yield from (Completion(p, "value", typed=len(given)) for p in PLATFORMS)
    elif name in TRUTHS:
        yield from values(BOOLEANS, given)
    elif name == "env":
        for variable in typing.scope.variables.values():
            told = described(variable)
            yield Completion(variable.name, "variable", told, typed=len(given))


def _mount(typing: Typing, given: str) -> Iterator[Completion]:
    """A field's name, or the value of one that has few."""
    *before, typed = given.split(",")
    fields = dict(field.partition("=")[::2] for field in before)
    key, equals, word = typed.partition("=")
    if equals:
        yield from _field_values(typing, key.lower(), word)
        return
    kind = fields.get("type", "")
    for name, entry in MOUNT_FIELDS.items():
        fits = name in FIELDS[kind] if kind in FIELDS else name in _ANY_FIELD
        if fits and name not in fields:
            insert = name if name in FLAGS else f"{name}="
            yield Completion(name, "field", entry.usage, entry.text, insert, len(typed))


_ANY_FIELD = frozenset().union(*FIELDS.values())


def _field_values(typing: Typing, key: str, word: str) -> Iterator[Completion]:
    if key == "type":
        for name, entry in MOUNT_TYPES.items():
            yield Completion(name, "value", entry.usage, entry.text, typed=len(word))
    elif key == "from":
        yield from stages(typing, word)
    elif key in FIELD_VALUES:
        yield from values(FIELD_VALUES[key], word)
    elif key in FLAGS or key in ("ro", "rw"):
        yield from values(BOOLEANS, word)
