"""The table of checks: what builds, but is probably not what was meant.

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
from lamina.lang.checks.rule import Found, Rule
from lamina.lang.checks.settings import InvalidCheckOption
from lamina.lang.suggest import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.lang.checks.reading import Reading


def rule_of(name: str) -> Rule:
    """The rule that makes findings of that name; raises KeyError."""
    if name.startswith("SC") and settings.is_code(name):
        name = settings.SHELLCHECK
    return next(rule for rule in RULES if rule.name == name)


def link(name: str) -> str:
    """Where a finding's rule is explained; "" of our own, which `explained` knows."""
    if settings.is_code(name):
        return f"https://www.shellcheck.net/wiki/{name}"
    return ""


def named_rule(name: str) -> Rule:
    """The rule of that name or code, in any case. Raises InvalidCheckOption."""
    known = settings.known_names(RULES)
    if name[:2].upper() == "SC" and settings.is_code(name):
        return rule_of(settings.SHELLCHECK)
    if name.lower() not in known:
        raise InvalidCheckOption(
            f"There is no check {name!r}.", hint=did_you_mean(name, known.values())
        )
    return rule_of(known[name.lower()])


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
        settings.SHELLCHECK,
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
