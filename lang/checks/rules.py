"""The checks of a recipe: what builds, but is probably not what was meant.

One row of RULES for each: its name, weight and function; docs/checks.md has a section
for each. Names and meanings are BuildKit's where it has the check
(docs.docker.com/reference/build-checks), so that `# check=skip=NAME` means the same;
those with a code (`DL3008`) answer to hadolint's comments too.

BuildKit's are warnings: `lamina build` tells them. The others are notes, which only
`lamina check` tells: they are advice, and a build should not nag.
"""

from __future__ import annotations

from lamina.lang.checks import (
    bases,
    commands,
    files,
    packages,
    process,
    settings,
    spelling,
    stages,
    variables,
)
from lamina.lang.checks.reading import Reading
from lamina.lang.checks.rule import LEVELS, Found, Rule
from lamina.lang.checks.settings import InvalidCheckOption, LocalSettings
from lamina.lang.checks.surroundings import UNKNOWN, Surroundings
from lamina.lang.nodes import Finding
from lamina.lang.suggest import did_you_mean
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.lang.nodes import Recipe


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


def rule_of(name: str) -> Rule:
    """The rule that makes findings of that name; raises KeyError."""
    if name.startswith("SC") and settings.is_code(name):
        name = "ShellCheck"
    return next(rule for rule in RULES if rule.name == name)


def link(name: str) -> str:
    """Where a finding's rule is explained."""
    if settings.is_code(name):
        return f"https://www.shellcheck.net/wiki/{name}"
    return rule_of(name).link


def _settings(recipe: Recipe, options: CheckOptions) -> settings.Settings:
    """The recipe's own settings, or those that stand in for them."""
    if options.directive is None:
        own = settings.file_settings(recipe)
    else:
        own = settings.parse_settings(options.directive)
        for message, hint in own.problems:
            raise InvalidCheckOption(f"{message}.", hint=hint)
    known = settings.known_names(RULES)
    for name in (*options.skip, *options.only):
        if name.lower() not in (*known, settings.ALL) and not settings.is_code(name):
            raise InvalidCheckOption(
                f"There is no check {name!r}.", hint=did_you_mean(name, known.values())
            )
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
        if only and rule.name != "ShellCheck" and not settings.skips(only, *names):
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


def ineffective_check_comment(reading: Reading) -> Iterator[Found]:
    """A comment that leaves out a check which does not exist leaves nothing out."""
    return settings.ineffective(reading, RULES)


RULES: tuple[Rule, ...] = (
    Rule(
        "AddInsteadOfCopy",
        "note",
        "ADD that neither fetches nor unpacks",
        files.add_instead_of_copy,
        "DL3020",
    ),
    Rule(
        "ApkCacheLeft",
        "note",
        "The index of apk stays in the layer",
        packages.apk_cache_left,
        "DL3019",
    ),
    Rule(
        "AptListsLeft",
        "note",
        "The package lists of apt stay in the layer",
        packages.apt_lists_left,
        "DL3009",
    ),
    Rule(
        "CdInsteadOfWorkdir",
        "note",
        "A RUN that starts with cd",
        commands.cd_instead_of_workdir,
        "DL3003",
    ),
    Rule(
        "ConsistentInstructionCasing",
        "warning",
        "All instructions should be in upper case, or all in lower case",
        spelling.consistent_instruction_casing,
    ),
    Rule(
        "CopyIgnoredFile",
        "warning",
        "Attempting to copy a file that .dockerignore leaves out",
        files.copy_ignored_file,
    ),
    Rule(
        "CopyManyToFile",
        "note",
        "Several sources, and a destination without a / at its end",
        files.copy_many_to_file,
        "DL3021",
    ),
    Rule(
        "CopyWithoutWorkdir",
        "note",
        "A relative destination, and no WORKDIR above",
        files.copy_without_workdir,
        "DL3045",
    ),
    Rule(
        "DnfCacheLeft",
        "note",
        "The cache of dnf stays in the layer",
        packages.dnf_cache_left,
        "DL3040",
    ),
    Rule(
        "DuplicateStageName",
        "warning",
        "Stage names should be unique",
        stages.duplicate_stage_name,
    ),
    Rule(
        "EnvUsesItself",
        "note",
        "A variable used in the ENV that sets it",
        variables.env_uses_itself,
        "DL3044",
    ),
    Rule(
        "ExposeInvalidFormat",
        "warning",
        "EXPOSE with an IP address or a port of the host",
        spelling.expose_invalid_format,
    ),
    Rule(
        "ExposeProtoCasing",
        "warning",
        "The protocol in EXPOSE should be in lower case",
        spelling.expose_proto_casing,
    ),
    Rule(
        "FromAsCasing",
        "warning",
        "AS should be in the same case as FROM",
        spelling.from_as_casing,
    ),
    Rule(
        "FromPlatformFlagConstDisallowed",
        "warning",
        "FROM --platform should not be a constant",
        bases.from_platform_flag_const_disallowed,
    ),
    Rule(
        "IneffectiveCheckComment",
        "warning",
        "A comment leaves out a check that does not exist",
        ineffective_check_comment,
    ),
    Rule(
        "InvalidBaseImagePlatform",
        "warning",
        "The base is for another platform",
        bases.invalid_base_image_platform,
    ),
    Rule(
        "InvalidCheckDirective",
        "error",
        "A `# check=` with an option that does not exist",
        settings.invalid_check_directive,
    ),
    Rule(
        "InvalidDefaultArgInFrom",
        "warning",
        "The defaults of global ARGs give an invalid base",
        bases.invalid_default_arg_in_from,
    ),
    Rule(
        "InvalidDefinitionDescription",
        "warning",
        "The comment above a stage or an ARG should describe it",
        spelling.invalid_definition_description,
        experimental=True,
    ),
    Rule(
        "JSONArgsRecommended",
        "warning",
        "CMD and ENTRYPOINT should be JSON arrays",
        process.json_args_recommended,
    ),
    Rule(
        "LastUserRoot",
        "note",
        "The last USER is root",
        process.last_user_root,
        "DL3002",
    ),
    Rule(
        "LatestBase", "note", "A base with the tag latest", bases.latest_base, "DL3007"
    ),
    Rule(
        "LegacyKeyValueFormat",
        "warning",
        "ENV and LABEL with a blank for the =",
        spelling.legacy_key_value_format,
    ),
    Rule(
        "MaintainerDeprecated",
        "warning",
        "MAINTAINER is a label's job",
        spelling.maintainer_deprecated,
    ),
    Rule(
        "MalformedJSON",
        "warning",
        "What looks like a JSON array and is none",
        spelling.malformed_json,
    ),
    Rule(
        "MultipleInstructionsDisallowed",
        "warning",
        "CMD, ENTRYPOINT or HEALTHCHECK twice in a stage",
        stages.multiple_instructions_disallowed,
    ),
    Rule(
        "NoEmptyContinuation",
        "warning",
        "A blank line within an instruction",
        spelling.no_empty_continuation,
    ),
    Rule(
        "PipCacheLeft",
        "note",
        "The cache of pip stays in the layer",
        packages.pip_cache_left,
        "DL3042",
    ),
    Rule(
        "PipeWithoutPipefail",
        "note",
        "A pipe whose first command may fail unseen",
        commands.pipe_without_pipefail,
        "DL4006",
    ),
    Rule(
        "RedundantTargetPlatform",
        "warning",
        "--platform=$TARGETPLATFORM is the default",
        bases.redundant_target_platform,
    ),
    Rule(
        "ReservedStageName",
        "warning",
        "A stage is called scratch or context",
        stages.reserved_stage_name,
    ),
    Rule(
        "SecretsUsedInArgOrEnv",
        "warning",
        "A secret in ARG or ENV",
        variables.secrets_used_in_arg_or_env,
    ),
    Rule(
        "ShellCheck",
        "note",
        "What ShellCheck says of the scripts in RUN",
        commands.shell_check,
    ),
    Rule(
        "SparseUseradd",
        "note",
        "useradd with a high UID makes huge logs",
        commands.sparse_useradd,
        "DL3046",
    ),
    Rule(
        "StageDefinedLater",
        "warning",
        "FROM names a stage that comes later",
        stages.stage_defined_later,
    ),
    Rule(
        "StageNameCasing",
        "warning",
        "Stage names should be in lower case",
        spelling.stage_name_casing,
    ),
    Rule(
        "UndefinedArgInFrom",
        "warning",
        "FROM uses an ARG that is not declared",
        bases.undefined_arg_in_from,
    ),
    Rule(
        "UndefinedVar",
        "warning",
        "A variable is used that nothing sets",
        variables.undefined_var,
    ),
    Rule(
        "UnknownCopyFrom",
        "note",
        "--from names neither a stage nor an image with a tag",
        stages.unknown_copy_from,
        "DL3022",
    ),
    Rule(
        "UnpinnedApkPackage",
        "note",
        "apk add without versions",
        packages.unpinned_apk_package,
        "DL3018",
    ),
    Rule(
        "UnpinnedAptPackage",
        "note",
        "apt-get install without versions",
        packages.unpinned_apt_package,
        "DL3008",
    ),
    Rule(
        "UnpinnedDnfPackage",
        "note",
        "dnf install without versions",
        packages.unpinned_dnf_package,
        "DL3041",
    ),
    Rule(
        "UnpinnedNpmPackage",
        "note",
        "npm install without versions",
        packages.unpinned_npm_package,
        "DL3016",
    ),
    Rule(
        "UnpinnedPipPackage",
        "note",
        "pip install without versions",
        packages.unpinned_pip_package,
        "DL3013",
    ),
    Rule(
        "UnpinnedYumPackage",
        "note",
        "yum install without versions",
        packages.unpinned_yum_package,
        "DL3033",
    ),
    Rule("UntaggedBase", "note", "A base without a tag", bases.untagged_base, "DL3006"),
    Rule(
        "WorkdirRelativePath",
        "warning",
        "The first WORKDIR is relative",
        process.workdir_relative_path,
    ),
    Rule(
        "YumCacheLeft",
        "note",
        "The cache of yum stays in the layer",
        packages.yum_cache_left,
        "DL3032",
    ),
)
