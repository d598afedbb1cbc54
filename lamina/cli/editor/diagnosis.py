"""What is wrong with a text that an editor holds: errors and findings, at the places
that the user wrote."""

from __future__ import annotations

import json
import os

from lamina.builder.checking.recipe_checks import Checkup, check_up
from lamina.builder.checking.shellcheck import examiner, find_shellcheck
from lamina.builder.checking.surroundings import surroundings
from lamina.builder.inputs.recipe import RecipeInputs, ValuesFile
from lamina.cli.recipes.check import open_store
from lamina.cli.recipes.parse_cache import parse_cache
from lamina.cli.recipes.recipe_file import ignore_patterns
from lamina.errors import LaminaError
from lamina.lang.checks.checking import EVERYTHING
from lamina.lang.checks.explained import PAGE
from lamina.lang.checks.rules import link
from lamina.lang.source import RecipeError, Source, Span
from lamina.lang.templates.declarations import UnknownVariable, declarations
from lamina.lang.templates.render import is_template
from lamina.oci.platforms import host_platform
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.recipes.parse_cache import ParseCache
    from lamina.cli.settings import Settings
    from lamina.lang.checks.finding import Finding
    from lamina.lang.checks.script import Script
    from lamina.lang.checks.surroundings import ScriptFinding, Surroundings
    from lamina.lang.templates.declarations import Variable
    from lamina.oci.store.store import Store

    # A script: its shell, the variables that are set for it, its text.
    Key = tuple[str, tuple[str, ...], str]

# What the code of an error is that no rule has found.
SYNTAX = "syntax"
# Rendered text can say the same thing wrong a million times.
MOST = 1000
# What ShellCheck said of so many scripts is kept.
MOST_SCRIPTS = 2000
# It takes minutes for scripts that are much longer than people write them.
LONGEST_SCRIPT = 20_000


@value
class Problem:
    """One thing that is wrong in the recipe's own text, from `start` up to `end`.

    `code` is the rule's name, or `syntax`; `level` error, warning or note; `hint` how
    to get on, `chain` how a template came to it, both "" or more lines.
    """

    code: str
    level: str
    message: str
    hint: str
    chain: tuple[str, ...]
    start: int
    end: int


class Doctor:
    """Checks texts again and again. What ShellCheck says of a script is kept: it takes
    longer than all else, and most scripts stay as they are while one is typed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # Not recipes: each stroke of a key makes another one.
        self._cache = parse_cache(settings, ("grammar",))
        self._program = find_shellcheck(settings.environment.get("PATH", os.defpath))
        self._said: dict[Key, tuple[ScriptFinding, ...]] = {}
        self._unheard: dict[Key, Script] = {}

    def diagnose(self, inputs: RecipeInputs) -> tuple[Problem, ...]:
        """All errors, and the findings about what could be read, in order of place;
        without what ShellCheck has not been asked yet.

        `settings` and `values` are for every recipe that an editor opens, so a recipe
        takes what it declares, and a sample where it gets nothing.
        """
        written = Source(inputs.name, inputs.data.decode())
        try:
            checkup = self._check_up(inputs)
        except RecipeError as error:
            return (_error(written, error),)
        except LaminaError as error:
            return (Problem(SYNTAX, "error", error.message, error.hint, (), 0, 0),)
        found = [_error(written, error) for error in checkup.errors]
        found += [_finding(written, finding) for finding in checkup.findings]
        # A loop's turns all say the same.
        once = {(p.start, p.end, p.code, p.message): p for p in reversed(found)}
        ordered = sorted(once.values(), key=lambda it: (it.start, it.end))
        return tuple(ordered[:MOST])

    def ask_shellcheck(self) -> bool:
        """Ask about the scripts that came up last; whether there were any."""
        scripts, self._unheard = self._unheard, {}
        if self._program is None or not scripts:
            return False
        if len(self._said) > MOST_SCRIPTS:
            self._said = {}
        try:
            heard = examiner(self._program, 1)(tuple(scripts.values()))
        except (LaminaError, OSError):
            heard = [()] * len(scripts)
        self._said.update(zip(scripts, heard, strict=True))
        return True

    def _check_up(self, inputs: RecipeInputs) -> Checkup:
        stores: list[Store] = []

        def store() -> Store | None:
            stores.extend(filter(None, (open_store(self._settings.root),)))
            return stores[0] if stores else None

        ignore = ignore_patterns(inputs.folder, inputs.path) if inputs.path else b""
        around = surroundings(store, ignore, str(host_platform()))
        around = replace(around, examine=self._examine)
        try:
            return _checked(inputs, around, self._cache)
        finally:
            for opened in stores:
                opened.close()

    def _examine(self, scripts: tuple[Script, ...]) -> list[tuple[ScriptFinding, ...]]:
        keys = [(it.shell, it.variables, it.text) for it in scripts]
        self._unheard = {
            key: script
            for key, script in zip(keys, scripts, strict=True)
            if key not in self._said and len(script.text) <= LONGEST_SCRIPT
        }
        return [self._said.get(key, ()) for key in keys]


def _checked(
    inputs: RecipeInputs, around: Surroundings, cache: ParseCache | None
) -> Checkup:
    given = supplied(inputs)
    try:
        return check_up(given, around, EVERYTHING, cache)
    except UnknownVariable:  # a file of values for other recipes
        return check_up(
            replace(given, values=given.values[:1]), around, EVERYTHING, cache
        )


def supplied(inputs: RecipeInputs) -> RecipeInputs:
    """The recipe with those of the editor's values that it declares, and a sample for
    each variable without a default. Raises RecipeError for a bad declaration."""
    written = Source(inputs.name, inputs.data.decode())
    if not is_template(written.name, written.text):
        return replace(inputs, settings=(), values=())
    variables = declarations(written)
    known = {variable.name for variable in variables}
    samples = ValuesFile("samples.json", json.dumps(_samples(variables)).encode())
    settings = tuple(s for s in inputs.settings if s.partition("=")[0] in known)
    return replace(inputs, settings=settings, values=(samples, *inputs.values))


def _samples(variables: tuple[Variable, ...]) -> dict[str, object]:
    """A value for each variable that has no default, so that its recipe can be read:
    later ones replace it."""
    plain: dict[str, object] = {"int": 1, "bool": False, "list": []}
    return {
        variable.name: variable.members[0]
        if variable.members
        else plain.get(variable.kind, variable.name)
        for variable in variables
        if variable.default is None
    }


def _error(written: Source, error: RecipeError) -> Problem:
    return _problem(written, SYNTAX, "error", error, error.span)


def _finding(written: Source, finding: Finding) -> Problem:
    return _problem(written, finding.rule, finding.level, finding, finding.span)


def _problem(
    written: Source, code: str, level: str, said: RecipeError | Finding, span: Span
) -> Problem:
    place = span.in_recipe
    chain = [str(frame) for frame in span.chain]
    if span.written.source.name != place.source.name:
        chain.insert(0, f"at {span}")
    start, end = (_offset(written, place.source, it) for it in (place.start, place.end))
    return Problem(code, level, said.message, said.hint, tuple(chain), start, end)


def _offset(written: Source, source: Source, offset: int) -> int:
    """A place of `source` in the text that was written, which differs from it in the
    ends of lines at most."""
    if "\r" not in written.text or source.text == written.text:
        return offset
    head = source.text[:offset]
    at = 0
    for _ in range(head.count("\n")):
        at = written.text.find("\n", at) + 1
    return at + len(head) - head.rfind("\n") - 1


def documentation(code: str) -> str:
    """The address of what is said of a rule."""
    if code == SYNTAX:
        return ""
    return link(code) or f"file://{PAGE}#{code.lower()}"
