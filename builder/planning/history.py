"""What `history` says of each instruction, in BuildKit's words.

BuildKit's dockerfile2llb/convert.go, commitToHistory.
"""

from __future__ import annotations

from lamina.oci.config import Healthcheck, History

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lamina.builder.solving.graph import CopyOp

COMMENT = "lamina.v0"


def empty(text: str) -> History:
    """The entry of an instruction that only edits the config."""
    return History(created_by=text, comment=COMMENT, empty_layer=True)


def layer(text: str) -> History:
    """The entry of an instruction that made a layer."""
    return History(created_by=text, comment=COMMENT)


def pairs(instruction: str, values: Sequence[tuple[str, str]]) -> str:
    return " ".join((instruction, *(f"{key}={given}" for key, given in values)))


def listed(instruction: str, values: Sequence[str]) -> str:
    """`VOLUME [/a /b]`: Go's %v of a list."""
    return f"{instruction} [{' '.join(values)}]"


def quoted(instruction: str, args: Sequence[str]) -> str:
    """`CMD ["a" "b"]`: Go's %q of a list."""
    return f"{instruction} [{' '.join(map(_quoted, args))}]"


_ESCAPED = {'"': '\\"', "\\": "\\\\"} | dict(
    zip(
        "\a\b\f\n\r\t\v", ("\\a", "\\b", "\\f", "\\n", "\\r", "\\t", "\\v"), strict=True
    )
)


def _quoted(text: str) -> str:
    """Go's strconv.Quote."""
    return f'"{"".join(map(_character, text))}"'


def _character(character: str) -> str:
    if character in _ESCAPED:
        return _ESCAPED[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def run(args: Sequence[str], in_scope: Mapping[str, str]) -> str:
    """`RUN |1 A=b /bin/sh -c make`: with the ARGs that the step saw."""
    head = ""
    if in_scope:
        values = " ".join(f"{name}={given}" for name, given in in_scope.items())
        head = f"|{len(in_scope)} {values} "
    return f"RUN {head}{' '.join(args)} # buildkit"


def copy(operation: CopyOp, dest: str) -> str:
    """`dest` is as the recipe has it, expanded."""
    parts = ["ADD" if operation.add else "COPY"]
    if operation.parents:
        parts.append("--parents")
    for name in ("chown", "chmod"):
        given = getattr(operation, name)
        if given:
            parts.append(f"--{name}={given}")
    parts += operation.sources
    parts += [f"<<{file.name}" for file in operation.inline]
    return " ".join((*parts, dest, "# buildkit"))


def healthcheck(check: Healthcheck) -> str:
    """Go's %v of the config's struct, without what is zero."""
    parts = [f"Test:[{' '.join(check.test)}]"]
    for name, nanoseconds in (
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
        ("StartInterval", check.start_interval),
    ):
        if nanoseconds:
            parts.append(f"{name}:{_duration(nanoseconds)}")
    if check.retries:
        parts.append(f"Retries:{check.retries}")
    return f"HEALTHCHECK {{{' '.join(parts)}}}"


def _duration(nanoseconds: int) -> str:
    """Go's Duration.String for whole milliseconds."""
    seconds, rest = divmod(nanoseconds, 10**9)
    if not seconds:
        return f"{rest / 10**6:g}ms"
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    text = f"{hours}h" if hours else ""
    text += f"{minutes}m" if minutes or hours else ""
    fraction = f"{rest / 10**9:.9f}".rstrip("0")[1:].rstrip(".") if rest else ""
    return f"{text}{seconds}{fraction}s"
