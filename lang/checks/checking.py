"""check: the rules carried out on a recipe, less those that it does without."""

from __future__ import annotations

from lamina.lang.checks import settings
from lamina.lang.checks.finding import Finding
from lamina.lang.checks.reading import Reading
from lamina.lang.checks.rule import LEVELS, Found, Rule
from lamina.lang.checks.rules import RULES, named_rule
from lamina.lang.checks.settings import InvalidCheckOption, LocalSettings
from lamina.lang.checks.surroundings import UNKNOWN, Surroundings
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.lang.recipe import Recipe


@value
class CheckOptions:
    """What the command line asks of the checks.

    `skip` and `only` are names or codes. With `error`, warnings become errors, with
    `strict` notes too. `directive` stands in for the recipe's own `# check=`
    (`--build-arg BUILDKIT_DOCKERFILE_CHECK`). Findings below the level `least` are
    left out, and what they cost.
    """

    skip: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    error: bool = False
    strict: bool = False
    directive: str | None = None
    least: str = "warning"


# What a build does, and what `lamina check` does.
BUILD = CheckOptions()
EVERYTHING = CheckOptions(least="note")


def check(
    recipe: Recipe,
    surroundings: Surroundings = UNKNOWN,
    options: CheckOptions = BUILD,
) -> tuple[Finding, ...]:
    """All findings about a recipe, in the order of its lines.

    Raises InvalidCheckOption for a name in `options` that no rule has.
    """
    own = _settings(recipe, options)
    reading = Reading(recipe, surroundings)
    local = LocalSettings(reading)
    only = _lowered(options.only)
    skip = own.skip | _lowered(options.skip) | local.everywhere
    asked = own.experimental | local.experimental | only
    strictness = "note" if options.strict else "warning"
    strict = own.error or options.error or options.strict
    findings = []
    for rule in _rules(only, skip, asked, options):
        names = (rule.name, rule.alias)
        for found in rule.find(reading):
            level = found.level or rule.level
            if only and not settings.skips(only, *names, found.code):
                continue
            if _left_out(rule, found, (skip, own.experimental | only), local):
                continue
            if strict and LEVELS.index(level) >= LEVELS.index(strictness):
                level = "error"
            name = found.code or rule.name
            findings.append(Finding(name, level, found.message, found.hint, found.span))
    return tuple(sorted(findings, key=lambda finding: finding.span.start))


def _settings(recipe: Recipe, options: CheckOptions) -> settings.Settings:
    """The recipe's own settings, or those that stand in for them."""
    if options.directive is None:
        own = settings.file_settings(recipe)
    else:
        own = settings.parse_settings(options.directive)
        for message, hint in own.problems:
            raise InvalidCheckOption(f"{message}.", hint=hint)
    for name in (*options.skip, *options.only):
        if name.lower() != settings.ALL and not settings.is_code(name):
            named_rule(name)
    return own


def _rules(
    only: frozenset[str],
    skip: frozenset[str],
    experimental: frozenset[str],
    options: CheckOptions,
) -> Iterator[Rule]:
    """The rules that are worth carrying out."""
    for rule in RULES:
        names = (rule.name, rule.alias)
        if settings.skips(skip, *names):
            continue
        if rule.experimental and not settings.skips(experimental, *names):
            continue
        if rule.name == settings.SHELLCHECK:
            if not settings.shellcheck_wanted(skip, only):
                continue
        elif only and not settings.skips(only, *names):
            continue
        if LEVELS.index(rule.level) >= LEVELS.index(options.least):
            yield rule


def _left_out(
    rule: Rule,
    found: Found,
    everywhere: tuple[frozenset[str], frozenset[str]],
    local: LocalSettings,
) -> bool:
    """Whether the file, or a comment above the instruction, does without it."""
    skip, experimental = everywhere
    names = (rule.name, rule.alias, found.code)
    if local:
        here = local.at(found.span)
        skip, experimental = skip | here[0], experimental | here[1]
    if rule.experimental and not settings.skips(experimental, *names):
        return True
    return settings.skips(skip, *names)


def _lowered(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(name.lower() for name in names)
