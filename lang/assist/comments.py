"""What may stand in a comment that means something, and in a template."""

from __future__ import annotations

from lamina.lang.assist.offer import Completion
from lamina.lang.assist.reading import Reading
from lamina.lang.assist.reference.comments import DIRECTIVES
from lamina.lang.assist.reference.comments import SETTINGS as TOLD
from lamina.lang.checks.rules import RULES
from lamina.lang.dialect import SETTINGS, heading
from lamina.lang.dialect import VARIABLE as DECLARATION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def in_comment(line: str, reading: Reading) -> Iterator[Completion]:
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
    entry = TOLD[label.partition("=")[0]]
    return Completion(label, "directive", entry.usage, entry.text, typed=len(typed))


def declared(head: str) -> Iterator[Completion]:
    """The variables of a template."""
    typed = head[len(head.rstrip(_WORD)) :]
    for setting in heading(head):
        if setting.name == DECLARATION:
            name, _, kind = setting.value.partition(":")
            yield Completion(name.strip(), "variable", kind.strip(), typed=len(typed))


_WORD = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
