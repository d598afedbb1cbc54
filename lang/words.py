"""What the arguments of instructions are made of: words, pairs, heredocs, commands.

A `Word` is text as it was written, quotes and `$NAME` included; `lang.expand`
turns it into a value once an environment is known. Text that the language never
expands (commands) is a plain `str`.
"""

from __future__ import annotations

from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.lang.source import Span


@value
class Substitution:
    """`$name` or `${name}`, or `${name` operator argument `}`.

    `operator` is one of "" `-` `:-` `+` `:+` `?` `:?` `#` `##` `%` `%%` `/` `//`; of
    the last six a `$` at the end asks for BuildKit's patterns (`quirks.GROUPS`), and
    the last two have a `replacement`. A `quoted` one (between double quotes) is never
    split into words.
    """

    name: str
    operator: str
    argument: tuple[str | Substitution, ...]
    replacement: tuple[str | Substitution, ...]
    quoted: bool
    span: Span


Parts = tuple[str | Substitution, ...]


@value
class Word:
    """Text that may hold `$NAME`, quotes and escapes, as written.

    `parts` is the same taken apart: literal text, quotes and escapes gone, and
    substitutions. None where `text` holds nothing special, or of a word that did not
    come from `parse`; `lang.expand` takes that one apart when it needs to.
    """

    text: str
    span: Span
    parts: Parts | None = None


@value
class Pair:
    """`KEY=value` of ENV and LABEL; both sides expand."""

    key: Word
    value: Word

    @property
    def span(self) -> Span:
        """From the key up to the end of the value."""
        return replace(self.key.span, end=self.value.span.end)


@value
class Heredoc:
    """`<<NAME` and its lines. `expand` is false when any part of NAME was quoted.

    `body` is raw: line ends as they are, leading tabs there although `<<-` has
    `strip_tabs`. `content` is the text that a file of it gets. `parts` as
    `Word.parts`, of `content`. `span` is where `<<NAME` stands, `lines` where the body.
    """

    name: str
    body: str
    expand: bool
    strip_tabs: bool
    span: Span
    lines: Span
    parts: Parts | None = None

    @property
    def content(self) -> str:
        """The lines, without their leading tabs where `<<-` opened them."""
        if not self.strip_tabs:
            return self.body
        lines = self.body.split("\n")
        return "\n".join(line.lstrip("\t") for line in lines)


@value
class ExecForm:
    """`["a", "b"]`: an argument vector. `places` is where each argument stands, in its
    quotes."""

    args: tuple[str, ...]
    places: tuple[Span, ...]
    span: Span


@value
class ShellForm:
    """The rest of the line, for the shell that SHELL names.

    `text` is the line after continuations; a RUN's heredocs stand in `Run.heredocs`.
    """

    text: str
    span: Span


Command = ExecForm | ShellForm


@value
class Mount:
    """One `RUN --mount=`: its `key=value` fields in order; a bare key has None.

    Keys are in lower case and have one spelling each: `target` (also for `dst`,
    `destination`), `source` (`src`), `readonly` (`ro`), `readwrite` (`rw`). Values
    expand, but for `from`; `lang.mounts` gives them their types.
    """

    fields: tuple[tuple[str, Word | None], ...]
    span: Span
