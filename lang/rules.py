"""The checks of a recipe: what builds, but is probably not what was meant.

One function and one row of RULES for each. Names and meanings are BuildKit's where it
has the check (docs.docker.com/reference/build-checks), so that `# check=skip=NAME`
means the same; ours are marked. A rule yields findings and knows nothing of levels.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import islice

from lamina.lang import nodes
from lamina.lang.nodes import Finding, From, Recipe, ShellForm, Word
from lamina.lang.source import Span
from lamina.lang.stages import stage_names
from lamina.lang.suggest import did_you_mean
from lamina.lang.variables import (
    AUTOMATIC,
    foundation,
    plain_variables,
    undefined,
    words,
)
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamina.lang.nodes import Instruction

    # What a rule finds: a message, a hint and a place.
    Found = Iterator[tuple[str, str, Span]]

SECRET_WORDS = frozenset(
    {"apikey", "auth", "credential", "credentials", "key", "password", "pword"}
    | {"passwd", "secret", "token"}
)
DEEPEST = 100
RESERVED = ("context", "scratch")
LAST_WINS = (nodes.Cmd, nodes.Entrypoint, nodes.Healthcheck)


@value
class Rule:
    """A check's name, its level, and the function that carries it out."""

    name: str
    level: str
    find: Callable[[Recipe], Found]


def check(recipe: Recipe) -> tuple[Finding, ...]:
    """All findings about a recipe, in the order of its lines.

    `# check=skip=NAME,...;error=true` at the top leaves rules out (`all`: every one)
    and makes warnings errors; above an instruction it is for that one.
    """
    skipped, strict = _settings(recipe)
    local = _local_settings(recipe)
    findings = []
    for rule in RULES:
        if rule.name.lower() in skipped or "all" in skipped:
            continue
        for message, hint, span in rule.find(recipe):
            if not _skipped_here(rule, span, local):
                level = "error" if strict else rule.level
                findings.append(Finding(rule.name, level, message, hint, span))
    return tuple(sorted(findings, key=lambda found: found.span.start))


def _settings(recipe: Recipe) -> tuple[frozenset[str], bool]:
    """What the heading's `# check=` says: rules to skip, and whether to be strict."""
    for directive in recipe.directives:
        if directive.name == "check" and directive.heading:
            return _skipped(directive.value), "error=true" in directive.value.lower()
    return frozenset(), False


def _skipped(setting: str) -> frozenset[str]:
    for part in setting.split(";"):
        key, _, names = part.strip().partition("=")
        if key.strip().lower() == "skip":
            return frozenset(name.strip().lower() for name in names.split(","))
    return frozenset()


def _local_settings(recipe: Recipe) -> list[tuple[int, int, frozenset[str]]]:
    """Start and end of each instruction that has a `# check=` above it, and the rules
    that this skips."""
    comments = [d for d in recipe.directives if d.name == "check" and not d.heading]
    if not comments:
        return []
    spans = [instruction.span for instruction in _instructions(recipe)]
    starts = [span.start for span in spans]
    found = []
    for comment in comments:
        place = bisect_left(starts, comment.span.end)
        if place < len(spans):
            span = spans[place]
            found.append((span.start, span.end, _skipped(comment.value)))
    return found


def _skipped_here(
    rule: Rule, span: Span, local: list[tuple[int, int, frozenset[str]]]
) -> bool:
    """Whether a comment above the instruction at `span` skips the rule."""
    place = bisect_left(local, span.start + 1, key=lambda item: item[0]) - 1
    while place >= 0 and local[place][0] <= span.start < local[place][1]:
        if not local[place][2].isdisjoint((rule.name.lower(), "all")):
            return True
        place -= 1
    return False


def _instructions(recipe: Recipe) -> Iterator[Instruction | From]:
    yield from recipe.global_args
    for stage in recipe.stages:
        yield stage.base
        yield from stage.instructions


def _keyword(span: Span) -> tuple[str, Span]:
    """The instruction's name as it was written."""
    text = span.text.split(None, 1)[0]
    return text, Span(span.source, span.start, span.start + len(text))


def _name(base: From) -> str:
    """The stage's name as it was written."""
    return base.alias.text.split()[-1] if base.alias is not None else ""


def stage_name_casing(recipe: Recipe) -> Found:
    """A stage's name is found in any case, and kept in lower case."""
    for stage in recipe.stages:
        name = _name(stage.base)
        if name != name.lower() and stage.base.alias is not None:
            yield (
                f"Stage name '{name}' should be lowercase",
                f"Write {name.lower()}.",
                stage.base.alias,
            )


def from_as_casing(recipe: Recipe) -> Found:
    """FROM and AS are written in the same case."""
    for stage in recipe.stages:
        if stage.base.alias is None:
            continue
        keyword, as_ = _keyword(stage.base.span)[0], stage.base.alias.text.split()[0]
        if keyword.isupper() != as_.isupper() or keyword.islower() != as_.islower():
            message = f"'{as_}' and '{keyword}' keywords' casing do not match"
            yield message, "", stage.base.alias


def duplicate_stage_name(recipe: Recipe) -> Found:
    """Of two stages with one name, a reference means the nearest before it."""
    names = stage_names(recipe.stages)
    for stage in recipe.stages:
        name = stage.base.name
        if name and names.before(name, stage.index) is not None:
            yield (
                f"Duplicate stage name '{name}', stage names should be unique",
                "A later --from means the nearest one above it.",
                stage.base.alias or stage.base.span,
            )


def reserved_stage_name(recipe: Recipe) -> Found:
    """`scratch` and `context` mean something else in FROM and --from."""
    for stage in recipe.stages:
        if stage.base.name in RESERVED and stage.base.alias is not None:
            message = "Stage name should not use the same name as reserved stage"
            yield f"{message} '{stage.base.name}'", "", stage.base.alias


def json_args_recommended(recipe: Recipe) -> Found:
    """In the shell form a shell is process 1 and keeps signals to itself."""
    for stage in recipe.stages:
        if any(isinstance(i, nodes.Shell) for i in stage.instructions):
            continue  # whoever names a shell wants it
        for instruction in stage.instructions:
            if isinstance(instruction, nodes.Cmd | nodes.Entrypoint) and isinstance(
                instruction.command, ShellForm
            ):
                name = type(instruction).__name__.upper()
                yield (
                    f"JSON arguments recommended for {name} to prevent unintended "
                    "behavior related to OS signals",
                    f'Write {name} ["program", "argument"].',
                    instruction.span,
                )


def malformed_json(recipe: Recipe) -> Found:
    """Ours. What looks like a JSON array and is none runs in a shell."""
    for instruction in _instructions(recipe):
        command = getattr(instruction, "command", None)
        if isinstance(command, ShellForm) and _almost_json(command.text):
            yield (
                "This looks like a JSON array but is none, so a shell gets it",
                "JSON has double quotes, and commas between the elements only.",
                instruction.span,
            )


def _almost_json(text: str) -> bool:
    """`["a" "b"]`, `['a', 'b']`, `[ 'a', ]`; not the shell's `[ "$a" = b ]`."""
    if text[:2] in ('["', "['"):
        return True
    inner = text[1:].lstrip()
    if not text.startswith("[") or inner[:1] not in ('"', "'"):
        return False
    return inner.partition(inner[0])[2].partition(inner[0])[2].lstrip()[:1] in (
        ",",
        "]",
    )


def maintainer_deprecated(recipe: Recipe) -> Found:
    """MAINTAINER is a label's job."""
    for instruction in _instructions(recipe):
        if isinstance(instruction, nodes.Maintainer):
            yield (
                "Maintainer instruction is deprecated in favor of using label",
                f'Write LABEL org.opencontainers.image.authors="{instruction.name}".',
                instruction.span,
            )


def legacy_key_value_format(recipe: Recipe) -> Found:
    """`ENV KEY the rest` sets one variable, blanks and quotes in it."""
    for instruction in _instructions(recipe):
        if isinstance(instruction, nodes.Env | nodes.Label):
            pair, name = instruction.pairs[0], type(instruction).__name__.upper()
            key = pair.key.span
            if key.source.text[key.end : key.end + 1] != "=":
                yield (
                    f'"{name} key=value" should be used instead of legacy '
                    f'"{name} key value" format',
                    "",
                    instruction.span,
                )


def multiple_instructions_disallowed(recipe: Recipe) -> Found:
    """Of several CMD, ENTRYPOINT or HEALTHCHECK in a stage the last one counts."""
    for stage in recipe.stages:
        for kind in LAST_WINS:
            found = [i for i in stage.instructions if isinstance(i, kind)]
            for instruction in found[:-1]:
                yield (
                    f"Multiple {kind.__name__.upper()} instructions should not be used "
                    "in the same stage because only the last one will be used",
                    "",
                    instruction.span,
                )


def secrets_used_in_arg_or_env(recipe: Recipe) -> Found:
    """ARG and ENV are in the image's configuration or history, for all to read."""
    for instruction in _instructions(recipe):
        names: tuple[str, ...] = ()
        if isinstance(instruction, nodes.Arg):
            names = tuple(name for name, _ in instruction.args)
        elif isinstance(instruction, nodes.Env):
            names = tuple(pair.key.text for pair in instruction.pairs)
        for name in names:
            parts = set(name.lower().split("_"))
            if parts & SECRET_WORDS and "public" not in parts:
                kind = type(instruction).__name__.upper()
                yield (
                    "Do not use ARG or ENV instructions for sensitive data "
                    f'({kind} "{name}")',
                    "Use RUN --mount=type=secret.",
                    instruction.span,
                )


def workdir_relative_path(recipe: Recipe) -> Found:
    """A relative WORKDIR depends on the base's, until an absolute one was set."""
    absolute: set[int] = set()
    names = stage_names(recipe.stages)
    for stage in recipe.stages:
        base = names.before(stage.base.image.text, stage.index)
        known = base is not None and base.index in absolute
        for instruction in stage.instructions:
            if isinstance(instruction, nodes.Workdir):
                path = instruction.path.text
                if not known and not path.lstrip("\"'").startswith(("/", "$")):
                    yield (
                        f'Relative workdir "{path}" can have unexpected results if the '
                        "base image changes",
                        "",
                        instruction.span,
                    )
                known = known or path.startswith("/")
        if known:
            absolute.add(stage.index)


def no_empty_continuation(recipe: Recipe) -> Found:
    """A blank line after a continuation looks like an end and is none."""
    for instruction in _instructions(recipe):
        span = instruction.span
        at = span.start
        for line in span.text.split("\n"):
            if not line.strip():
                yield "Empty continuation line", "", Span(span.source, at, at + 1)
                break
            at += len(line) + 1


def consistent_instruction_casing(recipe: Recipe) -> Found:
    """All instructions are in upper case, or all in lower case."""
    keywords = [_keyword(i.span) for i in _instructions(recipe)]
    lower = sum(text.islower() for text, _ in keywords)
    upper = sum(text.isupper() for text, _ in keywords)
    case, wrong = (
        ("lowercase", str.lower) if lower > upper else ("uppercase", str.upper)
    )
    for text, span in keywords:
        if text != wrong(text):
            yield (
                f"Command '{text}' should match the case of the command majority "
                f"({case})",
                "",
                span,
            )


def expose_proto_casing(recipe: Recipe) -> Found:
    """`80/tcp`, not `80/TCP`."""
    for port in _ports(recipe):
        _, slash, protocol = port.text.partition("/")
        if slash and "$" not in protocol and protocol != protocol.lower():
            yield (
                f"Defined protocol '{port.text}' in EXPOSE instruction should be "
                "lowercase",
                "",
                port.span,
            )


def expose_invalid_format(recipe: Recipe) -> Found:
    """EXPOSE names the container's port only; `run -p` says where it is published."""
    for port in _ports(recipe):
        if ":" in port.text and "$" not in port.text:
            yield (
                "EXPOSE instruction should not define an IP address or host-port "
                f"mapping, found '{port.text}'",
                "",
                port.span,
            )


def _ports(recipe: Recipe) -> Iterator[Word]:
    for instruction in _instructions(recipe):
        if isinstance(instruction, nodes.Expose):
            yield from instruction.ports


def undefined_arg_in_from(recipe: Recipe) -> Found:
    """FROM sees only the ARGs before the first FROM, and the automatic ones."""
    known = {name for arg in recipe.global_args for name, _ in arg.args} | AUTOMATIC
    for stage in recipe.stages:
        for word in words(stage.base):
            for name in plain_variables(word.parts):
                if name not in known:
                    yield (
                        f"FROM argument '{name}' is not declared",
                        did_you_mean(name, known)
                        or f"Write ARG {name} before the first FROM.",
                        word.span,
                    )


def undefined_var(recipe: Recipe) -> Found:
    """A variable that nothing sets is empty. Only stages that stand on `scratch` are
    looked at: others have what their base image brings."""
    names = stage_names(recipe.stages)
    for stage in recipe.stages:
        # Deeper than any honest recipe, and each stage looks through all below it.
        below = [stage, *islice(foundation(names, stage), DEEPEST)]
        if below[-1].base.image.text == "scratch":
            for name, word in undefined(names, stage, frozenset({"PATH"})):
                yield f"Usage of undefined variable '${name}'", "", word.span


def redundant_target_platform(recipe: Recipe) -> Found:
    """`--platform=$TARGETPLATFORM` is the default."""
    for stage in recipe.stages:
        platform = stage.base.platform
        if platform and platform.text in ("$TARGETPLATFORM", "${TARGETPLATFORM}"):
            yield (
                f"Setting platform to predefined {platform.text} in FROM is redundant "
                "as this is the default behavior",
                "",
                platform.span,
            )


def stage_defined_later(recipe: Recipe) -> Found:
    """Ours. FROM sees only the stages above it; below, the name is an image's."""
    names = stage_names(recipe.stages)
    for stage in recipe.stages:
        name = stage.base.image.text
        if names.before(name, stage.index) is None:
            later = names.last(name)
            if later is not None and later is not stage:
                yield (
                    f"'{name}' is taken for an image: the stage of that name starts "
                    f"only on line {later.base.span.line}",
                    "Move that stage up.",
                    stage.base.image.span,
                )


RULES = (
    Rule("ConsistentInstructionCasing", "warning", consistent_instruction_casing),
    Rule("DuplicateStageName", "warning", duplicate_stage_name),
    Rule("ExposeInvalidFormat", "warning", expose_invalid_format),
    Rule("ExposeProtoCasing", "warning", expose_proto_casing),
    Rule("FromAsCasing", "warning", from_as_casing),
    Rule("JSONArgsRecommended", "warning", json_args_recommended),
    Rule("LegacyKeyValueFormat", "warning", legacy_key_value_format),
    Rule("MaintainerDeprecated", "warning", maintainer_deprecated),
    Rule("MalformedJSON", "warning", malformed_json),
    Rule("MultipleInstructionsDisallowed", "warning", multiple_instructions_disallowed),
    Rule("NoEmptyContinuation", "warning", no_empty_continuation),
    Rule("RedundantTargetPlatform", "warning", redundant_target_platform),
    Rule("ReservedStageName", "warning", reserved_stage_name),
    Rule("SecretsUsedInArgOrEnv", "warning", secrets_used_in_arg_or_env),
    Rule("StageDefinedLater", "warning", stage_defined_later),
    Rule("StageNameCasing", "warning", stage_name_casing),
    Rule("UndefinedArgInFrom", "warning", undefined_arg_in_from),
    Rule("UndefinedVar", "warning", undefined_var),
    Rule("WorkdirRelativePath", "warning", workdir_relative_path),
)
