"""The checks of a recipe, for `build`, which goes on behind warnings, and `check`,
which tells everything."""

from __future__ import annotations

from lamina.builder.inputs.build import PROXIES
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.builder.events import Emit
    from lamina.builder.inputs.build import BuildInputs
    from lamina.builder.inputs.recipe import RecipeInputs
    from lamina.lang.checks.checking import CheckOptions
    from lamina.lang.checks.finding import Finding
    from lamina.lang.checks.surroundings import Surroundings
    from lamina.lang.dialect import Dialect
    from lamina.lang.lalr import ParseCache
    from lamina.lang.recipe import Recipe
    from lamina.lang.source import RecipeError, Source
    from lamina.oci.store.store import Store

# BuildKit's: stands in for the recipe's own `# check=`.
BUILD_ARG = "BUILDKIT_DOCKERFILE_CHECK"
# What steps get, or a build follows, without an ARG.
_READ_ANYWAY = frozenset((*PROXIES, "SOURCE_DATE_EPOCH"))
# Rules that need all of the recipe: they keep still where some could not be read.
_NEED_ALL = (
    *("IneffectiveCheckComment", "StageDefinedLater", "UndefinedArgInFrom"),
    *("UndefinedVar", "UnknownCopyFrom"),
)


def checked(recipe: Recipe, store: Store, inputs: BuildInputs, emit: Emit) -> None:
    """Check the recipe of a build and tell the findings.

    Raises FindingError at the first that is an error; the others are told before.
    """
    from lamina.builder.checking.surroundings import surroundings
    from lamina.builder.errors import FindingError
    from lamina.builder.events import Note, warning
    from lamina.lang.checks.checking import CheckOptions, check

    around = surroundings(lambda: store, inputs.ignore, inputs.platform)
    options = CheckOptions(directive=inputs.build_args.get(BUILD_ARG))
    errors = []
    for finding in check(recipe, around, options):
        if finding.level == "error":
            errors.append(finding)
            if len(errors) == 1:
                continue
        text = f"{finding.level}: {finding.message} ({finding.rule}) {finding.span}"
        emit(Note(text))
    for name in unused_arguments(recipe, inputs.build_args):
        emit(warning(f"no ARG of the recipe takes --build-arg {name}"))
    if errors:
        first = errors[0]
        message = f"{first.message} ({first.rule})"
        raise FindingError(message, first.span, hint=first.hint)


def unused_arguments(recipe: Recipe, build_args: Mapping[str, str]) -> tuple[str, ...]:
    """Those of the user's arguments that nothing reads: one may be misspelt."""
    from lamina.lang.nodes import Arg

    stages = (i for stage in recipe.stages for i in stage.instructions)
    declared = {
        name
        for found in (*recipe.global_args, *stages)
        if isinstance(found, Arg)
        for name, _ in found.args
    }
    return tuple(
        name
        for name in build_args
        if name not in declared
        and name.upper() not in _READ_ANYWAY
        and not name.startswith(("TARGET", "BUILD"))
    )


@value
class Checkup:
    """All that is wrong with a recipe: what cannot be read, and the findings."""

    errors: tuple[RecipeError, ...]
    findings: tuple[Finding, ...]

    @property
    def failed(self) -> bool:
        return bool(self.errors) or any(f.level == "error" for f in self.findings)


def check_up(
    inputs: RecipeInputs,
    around: Surroundings,
    options: CheckOptions,
    cache: ParseCache | None,
) -> Checkup:
    """Read a recipe to its end and check what could be read.

    A template that cannot be rendered has one error, and nothing behind it.
    """
    from lamina.builder.inputs.recipe import parse_reading, read
    from lamina.lang.checks.checking import check
    from lamina.lang.parser import examine
    from lamina.lang.source import RecipeError

    try:
        reading = read(inputs, cache)
    except RecipeError as error:
        return Checkup((error,), ())
    try:
        recipe: Recipe | None = parse_reading(inputs, reading, cache)
        errors: tuple[RecipeError, ...] = ()
    except RecipeError as first:
        examined = examine(reading.source, _dialect(reading.source, inputs.compat))
        recipe, errors = examined.recipe, examined.errors or (first,)
        options = replace(options, skip=(*options.skip, *_NEED_ALL))
    findings = () if recipe is None else check(recipe, around, options)
    return Checkup(errors, findings)


def _dialect(source: Source, compat: bool) -> Dialect | None:
    """None where the heading is wrong: then `examine` says so."""
    from lamina.lang.dialect import dialect_of
    from lamina.lang.source import RecipeError

    try:
        return dialect_of(source.name, source.text, compat)
    except RecipeError:
        return None
