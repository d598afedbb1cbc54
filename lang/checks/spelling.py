"""Checks of how things are written: letter case, old forms, comments, blank lines."""

from __future__ import annotations

from lamina.lang import nodes
from lamina.lang.checks.rule import Found
from lamina.lang.source import Span
from lamina.lang.words import ShellForm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.lang.checks.reading import Reading
    from lamina.lang.nodes import From
    from lamina.lang.words import Word


def keyword(span: Span) -> tuple[str, Span]:
    """The instruction's name as it was written."""
    text = span.text.split(None, 1)[0]
    return text, Span(span.source, span.start, span.start + len(text))


def alias(base: From) -> str:
    """The stage's name as it was written."""
    return base.alias.text.split()[-1] if base.alias is not None else ""


def stage_name_casing(reading: Reading) -> Iterator[Found]:
    """A stage's name is found in any case, and kept in lower case."""
    for stage in reading.stages:
        name = alias(stage.base)
        if name != name.lower() and stage.base.alias is not None:
            yield Found(
                f"Stage name '{name}' should be lowercase",
                stage.base.alias,
                f"Write {name.lower()}.",
            )


def from_as_casing(reading: Reading) -> Iterator[Found]:
    """FROM and AS are written in the same case."""
    for stage in reading.stages:
        if stage.base.alias is None:
            continue
        from_, as_ = keyword(stage.base.span)[0], stage.base.alias.text.split()[0]
        if from_.isupper() != as_.isupper() or from_.islower() != as_.islower():
            right = as_.lower() if from_.islower() else as_.upper()
            yield Found(
                f"'{as_}' and '{from_}' keywords' casing do not match",
                stage.base.alias,
                f"Write {right}.",
            )


def no_empty_continuation(reading: Reading) -> Iterator[Found]:
    """A blank line after a continuation looks like an end and is none."""
    for instruction in reading.instructions:
        span = instruction.span
        at = span.start
        for line in span.text.split("\n"):
            if not line.strip():
                yield Found(
                    "Empty continuation line",
                    Span(span.source, at, at + 1),
                    "Take the blank line out, or put a `#` on it.",
                )
                break
            at += len(line) + 1


def consistent_instruction_casing(reading: Reading) -> Iterator[Found]:
    """All instructions are in upper case, or all in lower case."""
    keywords = [keyword(i.span) for i in reading.instructions]
    lower = sum(text.islower() for text, _ in keywords)
    upper = sum(text.isupper() for text, _ in keywords)
    case, convert = (
        ("lowercase", str.lower) if lower > upper else ("uppercase", str.upper)
    )
    for text, span in keywords:
        if text != convert(text):
            yield Found(
                f"Command '{text}' should match the case of the command majority "
                f"({case})",
                span,
                f"Write {convert(text)}.",
            )


def maintainer_deprecated(reading: Reading) -> Iterator[Found]:
    """MAINTAINER is a label's job."""
    for instruction in reading.instructions:
        if isinstance(instruction, nodes.Maintainer):
            yield Found(
                "Maintainer instruction is deprecated in favor of using label",
                instruction.span,
                f'Write LABEL org.opencontainers.image.authors="{instruction.name}".',
            )


def legacy_key_value_format(reading: Reading) -> Iterator[Found]:
    """`ENV KEY the rest` sets one variable, blanks and quotes in it."""
    for instruction in reading.instructions:
        if not isinstance(instruction, nodes.Env | nodes.Label):
            continue
        pair, name = instruction.pairs[0], type(instruction).__name__.upper()
        key = pair.key.span
        if key.source.text[key.end : key.end + 1] != "=":
            quote = '"' if " " in pair.value.text else ""
            yield Found(
                f'"{name} key=value" should be used instead of legacy '
                f'"{name} key value" format',
                instruction.span,
                f"Write {name} {pair.key.text}={quote}{pair.value.text}{quote}."
                if '"' not in pair.value.text
                else "",
            )


def malformed_json(reading: Reading) -> Iterator[Found]:
    """Ours. What looks like a JSON array and is none runs in a shell."""
    for instruction in reading.instructions:
        command = getattr(instruction, "command", None)
        if isinstance(command, ShellForm) and _almost_json(command.text):
            yield Found(
                "This looks like a JSON array but is none, so a shell gets it",
                instruction.span,
                "JSON has double quotes, and commas between the elements only.",
            )


def _almost_json(text: str) -> bool:
    """`["a" "b"]`, `['a', 'b']`, `[ 'a', ]`; not the shell's `[ "$a" = b ]`."""
    if text[:2] in ('["', "['"):
        return True
    inner = text[1:].lstrip()
    if not text.startswith("[") or inner[:1] not in ('"', "'"):
        return False
    rest = inner.partition(inner[0])[2].partition(inner[0])[2]
    return rest.lstrip()[:1] in (",", "]")


def expose_proto_casing(reading: Reading) -> Iterator[Found]:
    """`80/tcp`, not `80/TCP`."""
    for port in _ports(reading):
        _, slash, protocol = port.text.partition("/")
        if slash and "$" not in protocol and protocol != protocol.lower():
            yield Found(
                f"Defined protocol '{port.text}' in EXPOSE instruction should be "
                "lowercase",
                port.span,
                f"Write {port.text.lower()}.",
            )


def expose_invalid_format(reading: Reading) -> Iterator[Found]:
    """EXPOSE names the container's port only; `run -p` says where it is published."""
    for port in _ports(reading):
        if ":" in port.text and "$" not in port.text:
            yield Found(
                "EXPOSE instruction should not define an IP address or host-port "
                f"mapping, found '{port.text}'",
                port.span,
                f"Write EXPOSE {port.text.rpartition(':')[2]} here, and "
                f"`-p {port.text.partition('/')[0]}` when it runs.",
            )


def _ports(reading: Reading) -> Iterator[Word]:
    for instruction in reading.instructions:
        if isinstance(instruction, nodes.Expose):
            yield from instruction.ports


def invalid_definition_description(reading: Reading) -> Iterator[Found]:
    """The comment right above a stage or an ARG describes it: `# name what it is`."""
    for instruction in reading.instructions:
        if isinstance(instruction, nodes.From):
            names: tuple[str, ...] = (alias(instruction),)
            kind, shown = "FROM", names[0]
        elif isinstance(instruction, nodes.Arg):
            names = tuple(name for name, _ in instruction.args)
            kind, shown = "ARG", names[0] if len(names) == 1 else "<arg_key>"
        else:
            continue
        comment = instruction.comment.rpartition("\n")[2]
        place = _comment_above(instruction.span)
        if not any(names) or not comment or place is None:
            continue
        if "=" in comment.split()[0] or comment.split()[0] in names:
            continue  # a directive, or right
        yield Found(
            f"Comment for {kind} should follow the format: `# {shown} <description>`",
            place,
            "Put a blank line behind it if it describes something else.",
        )


def _comment_above(span: Span) -> Span | None:
    """The comment on the line right above."""
    text = span.source.text
    end = text.rfind("\n", 0, span.start)
    start = text.rfind("\n", 0, max(end, 0)) + 1
    line = text[start : max(end, 0)]
    if end < 0 or not line.strip().startswith("#"):
        return None
    return Span(span.source, start + len(line) - len(line.lstrip()), end)
