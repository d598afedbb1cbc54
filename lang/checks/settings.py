"""Which checks a recipe leaves out, and how strict it is.

    # check=skip=NAME,...;error=true;experimental=NAME    at the top: for the file
    # check=skip=NAME                                     above an instruction: for it
    # hadolint ignore=DL3008                              above an instruction: for it
    # hadolint global ignore=DL3008,SC2086                anywhere: for the file

Names match in any case; hadolint's codes are other names of our rules.
https://docs.docker.com/reference/dockerfile/#check
"""

from __future__ import annotations

from bisect import bisect_left

from lamina.errors import LaminaError
from lamina.lang.checks.rule import Found
from lamina.lang.source import Span
from lamina.lang.suggest import did_you_mean
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lamina.lang.checks.reading import Reading
    from lamina.lang.checks.rule import Rule
    from lamina.lang.recipe import Recipe

ALL = "all"
OPTIONS = ("skip", "error", "experimental")
_TRUE = frozenset({"1", "t", "true"})
_FALSE = frozenset({"0", "f", "false"})


class InvalidCheckOption(LaminaError):
    """A check option of the command line that means nothing."""


@value
class Settings:
    """What one `check=` says, names in lower case; `problems` are words that mean
    nothing, with a hint for each."""

    skip: frozenset[str] = frozenset()
    error: bool = False
    experimental: frozenset[str] = frozenset()
    problems: tuple[tuple[str, str], ...] = ()

    def skips(self, *names: str) -> bool:
        return skips(self.skip, *names)


NO_SETTINGS = Settings()


def skips(skip: frozenset[str], *names: str) -> bool:
    """Whether one of a finding's names is among those to leave out."""
    return bool(skip) and (
        ALL in skip or any(name and name.lower() in skip for name in names)
    )


SHELLCHECK = "ShellCheck"


def shellcheck_wanted(skip: Iterable[str], only: Iterable[str]) -> bool:
    """Whether options ask for what ShellCheck says, or for one of its codes."""
    skipped, chosen = (frozenset(map(str.lower, names)) for names in (skip, only))
    if skips(skipped, SHELLCHECK):
        return False
    codes = (name for name in chosen if name.startswith("sc") and is_code(name))
    return not chosen or skips(chosen, SHELLCHECK) or any(codes)


def parse_settings(text: str) -> Settings:
    """`skip=A,B;error=true;experimental=all`, in any order."""
    skip = experimental = frozenset[str]()
    error = False
    problems = []
    for part in filter(None, map(str.strip, text.split(";"))):
        key, equals, given = (piece.strip() for piece in part.partition("="))
        key = key.lower()
        if not equals or key not in OPTIONS:
            hint = did_you_mean(key, OPTIONS) or f"It knows {', '.join(OPTIONS)}."
            if key in OPTIONS:
                hint = f"Write {key}=, and what."
            problems.append((f"`# check=` knows no {part!r}", hint))
        elif key == "skip":
            skip |= _names(given)
        elif key == "experimental":
            experimental |= _names(given)
        elif given.lower() in _TRUE | _FALSE:
            error = given.lower() in _TRUE
        else:
            problems.append((f"error cannot be {given!r}", "It is true or false."))
    return Settings(skip, error, experimental, tuple(problems))


def _names(text: str) -> frozenset[str]:
    return frozenset(filter(None, (name.strip().lower() for name in text.split(","))))


def file_settings(recipe: Recipe) -> Settings:
    """What the `# check=` of the heading says."""
    for directive in recipe.directives:
        if directive.name == "check" and directive.heading:
            return parse_settings(directive.value)
    return NO_SETTINGS


class LocalSettings:
    """What comments above instructions leave out there, and hadolint's for the file."""

    def __init__(self, reading: Reading) -> None:
        self.everywhere: frozenset[str] = frozenset()
        comments = [
            (directive.span.end, parse_settings(directive.value))
            for directive in reading.recipe.directives
            if directive.name == "check" and not directive.heading
        ]
        for end, names, everywhere in _hadolint(reading.recipe.source.text):
            if everywhere:
                self.everywhere |= names
            else:
                comments.append((end, Settings(skip=names)))
        self._settings: dict[int, tuple[frozenset[str], frozenset[str]]] = {}
        self._starts: list[int] = []
        if comments:
            self._starts = [i.span.start for i in reading.instructions]
        for end, settings in comments:
            place = bisect_left(self._starts, end)
            if place < len(self._starts):
                skip, experimental = self._settings.get(place, (frozenset(),) * 2)
                self._settings[place] = (
                    skip | settings.skip,
                    experimental | settings.experimental,
                )

    def __bool__(self) -> bool:
        return bool(self._settings)

    @property
    def experimental(self) -> frozenset[str]:
        """The experimental rules that some instruction asks for."""
        return frozenset().union(*(asked for _, asked in self._settings.values()))

    def at(self, span: Span) -> tuple[frozenset[str], frozenset[str]]:
        """What is left out of, and what experimental is asked for, the instruction
        at `span`."""
        place = bisect_left(self._starts, span.start + 1) - 1
        return self._settings.get(place, (frozenset(), frozenset()))


def _hadolint(text: str) -> Iterator[tuple[int, frozenset[str], bool]]:
    """Its comments: where each ends, the codes, and whether it is for all the file."""
    at = text.find("hadolint")
    while at >= 0:
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        line = text[text.rfind("\n", 0, at) + 1 : end].strip()
        words = line.removeprefix("#").strip()
        if line.startswith("#") and words.startswith("hadolint "):
            words = words.removeprefix("hadolint ").strip()
            everywhere = words.startswith("global ")
            key, _, names = words.removeprefix("global ").partition("=")
            if key.strip() == "ignore":
                yield end, _names(names.partition("#")[0]), everywhere
        at = text.find("hadolint", end)


def invalid_check_directive(reading: Reading) -> Iterator[Found]:
    """The `# check=` at the top has an option that does not exist."""
    for directive in reading.recipe.directives:
        if directive.name == "check" and directive.heading:
            for message, hint in parse_settings(directive.value).problems:
                yield Found(message, directive.span, hint)


def ineffective(reading: Reading, rules: Iterable[Rule]) -> Iterator[Found]:
    """Comments that leave out what does not exist."""
    known = known_names(rules)
    for directive in reading.recipe.directives:
        if directive.name != "check":
            continue
        settings = parse_settings(directive.value)
        if not directive.heading:
            for message, hint in settings.problems:
                yield Found(message, directive.span, hint)
        for name in sorted(settings.skip | settings.experimental):
            if name != ALL and name not in known and not is_code(name):
                yield Found(
                    f"There is no check {_as_written(name, directive.value)!r}",
                    directive.span,
                    did_you_mean(name, known.values()),
                )


def _as_written(name: str, text: str) -> str:
    at = text.lower().find(name)
    return text[at : at + len(name)]


def known_names(rules: Iterable[Rule]) -> dict[str, str]:
    """The rules' names and aliases by their lower case."""
    found = {}
    for rule in rules:
        found[rule.name.lower()] = rule.name
        if rule.alias:
            found[rule.alias.lower()] = rule.name
    return found


def is_code(name: str) -> bool:
    """Whether it is a code of hadolint or ShellCheck: `DL3000`, `SC2086`."""
    return name[:2].lower() in ("dl", "sc") and name[2:].isdigit()
