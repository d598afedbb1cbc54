"""What may stand at a place of a recipe that is being written.

Only what is before the cursor counts: the text up to it is read with a sign at its
end, and the line that ends with the sign is the one that is being typed.
"""

from __future__ import annotations

from lamina.lang.assist import reference
from lamina.lang.assist.reading import Reading, Written, read
from lamina.lang.assist.reference import (
    DIRECTIVES,
    MOUNT_FIELDS,
    MOUNT_TYPES,
    UNSETTABLE,
    VALUES,
    VARIABLES,
)
from lamina.lang.assist.scope import VARIABLE, scope_at
from lamina.lang.assist.vocabulary import NO_TRIGGERS, flags, instructions
from lamina.lang.checks.rules import RULES
from lamina.lang.dialect import SETTINGS, heading
from lamina.lang.dialect import VARIABLE as DECLARATION
from lamina.lang.mounts import FIELDS, FLAGS
from lamina.lang.templates.render import is_template
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lamina.lang.assist.scope import Scope, Variable

# Stands for the cursor: no blank, no quote, no part of a name.
CURSOR = "\ue000"
BLANKS = " \t\v\f\r\n"
SIGNALS = ("SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2")
PLATFORMS = ("$BUILDPLATFORM", "linux/amd64", "linux/arm64", "linux/arm/v7")
PROTOCOLS = ("tcp", "udp", "sctp")
# Flags that are true by being there.
BARE = frozenset({"link", "parents", "keep-git-dir", "unpack", "no-cache", "if-exists"})
TRUTHS = ("link", "parents", "keep-git-dir", "unpack")


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


def complete(name: str, text: str, offset: int) -> tuple[Completion, ...]:
    """All that fits at `offset` of the file called `name`, what fits best first."""
    head = text[:offset]
    if is_template(name, head):
        opened = max(head.rfind("{{"), head.rfind("{%"))
        if opened > max(head.rfind("}}"), head.rfind("%}")):
            return tuple(_declared(head))
    reading = read(name, head + CURSOR)
    line = reading.lines[-1] if reading.lines else None
    if line is not None and _in_heredoc(reading, line):
        shell = Typing(reading, line, line.keyword, head.rpartition("\n")[2], False)
        return tuple(_variables(shell) or ())
    if head.rpartition("\n")[2].lstrip().startswith("#"):
        return tuple(_in_comment(head.rpartition("\n")[2], reading))
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


# comments and templates


def _in_comment(line: str, reading: Reading) -> Iterator[Completion]:
    """Directives, their values, and the names of checks after `skip=`."""
    text = line.lstrip()[1:].lstrip()
    name, equals, given = text.partition("=")
    if text.startswith("lamina:"):
        yield from _settings(text.removeprefix("lamina:").lstrip(" "))
    elif name.strip().lower() == "check" and equals:
        yield from _checks(given)
    elif name.strip().lower() == "escape" and equals:
        for sign in ("\\", "`"):
            yield Completion(sign, "value", typed=len(given))
    elif text.isalpha() or not text:
        for word, entry in DIRECTIVES.items():
            heading_only = word != "check" and bool(reading.lines)
            if not heading_only:
                end = ": " if word == "lamina" else "="
                yield Completion(
                    word, "directive", entry.usage, entry.text, word + end, len(text)
                )


def _checks(given: str) -> Iterator[Completion]:
    """`skip=` and `error=`, and behind `skip=` the checks."""
    typed = given.replace(";", ",").replace("=", ",").rpartition(",")[2]
    if "skip=" not in given.rpartition(";")[2]:
        for word in ("skip=", "error=true"):
            yield Completion(word, "directive", typed=len(typed))
        return
    yield Completion("all", "rule", "every check", typed=len(typed))
    for rule in RULES:
        yield Completion(rule.name, "rule", rule.level, typed=len(typed))


def _settings(typed: str) -> Iterator[Completion]:
    if " " in typed:
        return
    for word, choices in SETTINGS.items():
        for choice in choices or ("",):
            label = f"{word}={choice}" if choice else word
            yield _setting(label, typed)
    yield _setting(DECLARATION, typed)


def _setting(label: str, typed: str) -> Completion:
    entry = reference.SETTINGS[label.partition("=")[0]]
    return Completion(label, "directive", entry.usage, entry.text, typed=len(typed))


def _declared(head: str) -> Iterator[Completion]:
    """The variables of a template."""
    typed = head[len(head.rstrip(_WORD)) :]
    for setting in heading(head):
        if setting.name == DECLARATION:
            name, _, kind = setting.value.partition(":")
            yield Completion(name.strip(), "variable", kind.strip(), typed=len(typed))


_WORD = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"


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
        found = _arguments(typing)
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
    named = {name: _told(variable) for name, variable in scope.variables.items()}
    if typing.keyword == "FROM":
        named = {**VARIABLES, **named}
    return (
        Completion(name, "variable", told, "", name + "}" * brace, len(typed))
        for name, told in named.items()
    )


def _told(variable: Variable) -> str:
    if variable.value is None:
        return variable.keyword
    return f"{variable.keyword} {variable.name}={variable.value}"


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
    return iter([*_arguments(typing), *offers])


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
    known = VALUES.get(f"--{name}")
    if known is not None:
        yield from _values(known, given)
    elif name == "mount":
        yield from _mount(typing, given)
    elif name == "from":
        yield from _stages(typing, given)
    elif name == "platform":
        yield from (Completion(p, "value", typed=len(given)) for p in PLATFORMS)
    elif name in TRUTHS:
        yield from _values(_BOOLEANS, given)
    elif name == "env":
        for variable in typing.scope.variables.values():
            told = _told(variable)
            yield Completion(variable.name, "variable", told, typed=len(given))


_BOOLEANS = {"true": "", "false": ""}


def _values(known: Mapping[str, str], typed: str) -> Iterator[Completion]:
    for word, told in known.items():
        yield Completion(word, "value", told, typed=len(typed))


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
        yield from _stages(typing, word)
    elif key in VALUES:
        yield from _values(VALUES[key], word)
    elif key in FLAGS or key in ("ro", "rw"):
        yield from _values(_BOOLEANS, word)


def _stages(typing: Typing, typed: str) -> Iterator[Completion]:
    """The stages above the one at the cursor, the nearest first."""
    scope = typing.scope
    for name, stage in reversed(scope.stages.items()):
        if name.isdigit() or stage.index == typing.line.stage:
            continue
        base = "" if stage.base is None else f"FROM {stage.base.text}"
        yield Completion(name, "stage", base, typed=len(typed))


# arguments


def _arguments(typing: Typing) -> Iterator[Completion]:
    offers = ARGUMENTS.get(typing.keyword)
    return iter(()) if offers is None else offers(typing)


def _after_from(typing: Typing) -> Iterator[Completion]:
    words = [word for word in typing.words if not word.startswith("--")]
    if not words:
        yield from _stages(typing, typing.typed)
        yield Completion("scratch", "value", "nothing", typed=len(typing.typed))
    elif len(words) == 1:
        yield Completion(typing.cased("AS"), "instruction", typed=len(typing.typed))


def _after_arg(typing: Typing) -> Iterator[Completion]:
    """The ARGs above the first FROM and the automatic ones, to be repeated."""
    typed = typing.typed
    if "=" in typed or typing.line.stage < 0:
        return
    for variable in typing.scope.outer.values():
        yield Completion(variable.name, "variable", _told(variable), typed=len(typed))
    for name, told in VARIABLES.items():
        yield Completion(name, "variable", told, typed=len(typed))


def _after_healthcheck(typing: Typing) -> Iterator[Completion]:
    if all(word.startswith("--") for word in typing.words):
        for word in ("CMD", "NONE"):
            insert = typing.cased(word)
            yield Completion(insert, "instruction", typed=len(typing.typed))


def _after_unset(typing: Typing) -> Iterator[Completion]:
    if not typing.words:
        for word, told in UNSETTABLE.items():
            offer = typing.cased(word)
            yield Completion(offer, "instruction", told, typed=len(typing.typed))
    elif typing.words[0].upper() == "ENV":
        for variable in typing.scope.variables.values():
            if variable.keyword == "ENV":
                told = _told(variable)
                typed = len(typing.typed)
                yield Completion(variable.name, "variable", told, typed=typed)


def _after_stopsignal(typing: Typing) -> Iterator[Completion]:
    return (Completion(s, "value", typed=len(typing.typed)) for s in SIGNALS)


def _after_expose(typing: Typing) -> Iterator[Completion]:
    port, slash, typed = typing.typed.partition("/")
    if port and slash:
        yield from (Completion(p, "value", typed=len(typed)) for p in PROTOCOLS)


ARGUMENTS: dict[str, Callable[[Typing], Iterator[Completion]]] = {
    "FROM": _after_from,
    "ARG": _after_arg,
    "HEALTHCHECK": _after_healthcheck,
    "UNSET": _after_unset,
    "STOPSIGNAL": _after_stopsignal,
    "EXPOSE": _after_expose,
}
