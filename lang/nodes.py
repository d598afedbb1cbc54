"""What a recipe says: frozen nodes, each with its Span.

A `Word` is text as it was written, quotes and `$NAME` included; `lang.expand`
turns it into a value once an environment is known. Text that the language never
expands (commands) is a plain `str`.
"""

from __future__ import annotations

from lamina.lang.dialect import DOCKERFILE, Dialect
from lamina.lang.source import Source, Span
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


@value
class Substitution:
    """`$name` or `${name}`, or `${name` operator argument `}`.

    `operator` is one of "" `-` `:-` `+` `:+` `?` `:?` `#` `##` `%` `%%` `/` `//` `//$`;
    only the last three have a `replacement` (`//$`: with `$0`, see `quirks.GROUPS`).
    A `quoted` one (between double quotes) is never split into words.
    """

    name: str
    operator: str
    argument: tuple[str | Substitution, ...]
    replacement: tuple[str | Substitution, ...]
    quoted: bool


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


@value
class Heredoc:
    """`<<NAME` and its lines. `expand` is false when any part of NAME was quoted.

    `body` is raw: line ends as they are, leading tabs there although `<<-` has
    `strip_tabs`. `content` is the text that a file of it gets. `parts` as
    `Word.parts`, of `content`.
    """

    name: str
    body: str
    expand: bool
    strip_tabs: bool
    span: Span
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
    """`["a", "b"]`: an argument vector."""

    args: tuple[str, ...]


@value
class ShellForm:
    """The rest of the line, for the shell that SHELL names.

    `text` is the line after continuations; a RUN's heredocs stand in `Run.heredocs`.
    """

    text: str


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


@value
class From:
    """FROM: the base as written, and the name, in lower case, of the stage."""

    image: Word
    platform: Word | None
    name: str | None
    # Of `bootstrap:` bases only, in the order written: include, variant, mirror, ...
    flags: tuple[tuple[str, Word], ...]
    span: Span
    # Where `AS name` stands, its letters as they were written.
    alias: Span | None = None
    # The comments right above, a line each, without their `#`.
    comment: str = ""


@value
class Arg:
    """ARG: names with their defaults."""

    args: tuple[tuple[str, Word | None], ...]
    span: Span
    # As From.comment.
    comment: str = ""


@value
class Env:
    pairs: tuple[Pair, ...]
    span: Span


@value
class Label:
    pairs: tuple[Pair, ...]
    span: Span


@value
class Run:
    """RUN, or TEST when `test` is true (it makes no layer).

    `network` is default, none or host; `security` sandbox or insecure. Extended:
    `no_cache`; `max_age` in nanoseconds, 0 = no limit; `env` names the variables
    that enter the step, None = all.
    """

    command: Command
    heredocs: tuple[Heredoc, ...]
    mounts: tuple[Mount, ...]
    network: str
    security: str
    span: Span
    # `NAME[,required]`, as written.
    devices: tuple[str, ...] = ()
    test: bool = False
    no_cache: bool = False
    max_age: int = 0
    env: tuple[str, ...] | None = None


@value
class Copy:
    """COPY, or ADD when `add` is true (then archives unpack and URLs are fetched)."""

    add: bool
    sources: tuple[Word, ...]
    heredocs: tuple[Heredoc, ...]
    dest: Word
    # Expands in extended recipes only; elsewhere it holds no `$`.
    from_: Word | None
    chown: Word | None
    chmod: Word | None
    link: bool
    parents: bool
    exclude: tuple[str, ...]
    # ADD only
    checksum: Word | None
    keep_git_dir: bool
    unpack: bool | None
    span: Span
    # COPY in extended recipes: a source that is not there is no error.
    if_exists: bool = False


@value
class Workdir:
    path: Word
    span: Span


@value
class User:
    user: Word
    span: Span


@value
class StopSignal:
    signal: Word
    span: Span


@value
class Cmd:
    command: Command
    span: Span


@value
class Entrypoint:
    command: Command
    span: Span


@value
class Shell:
    args: tuple[str, ...]
    span: Span


@value
class Expose:
    ports: tuple[Word, ...]
    span: Span


@value
class Volume:
    paths: tuple[Word, ...]
    span: Span


@value
class Healthcheck:
    """HEALTHCHECK. `command` None is `NONE`; times in nanoseconds, 0 = not given."""

    command: Command | None
    interval: int
    timeout: int
    start_period: int
    start_interval: int
    retries: int
    span: Span


@value
class Onbuild:
    """ONBUILD: the instruction's text, parsed again when a later build triggers it.

    Its heredocs follow it on lines of their own, as in the image's configuration.
    """

    text: str
    span: Span


@value
class Maintainer:
    name: str
    span: Span


@value
class Unset:
    """UNSET, in extended recipes: takes back what the base or a line above set.

    `what` is an instruction's name in upper case: ENV, LABEL, EXPOSE, VOLUME (these
    with `names`, none = all of them), ENTRYPOINT, CMD, USER, HEALTHCHECK, STOPSIGNAL.
    """

    what: str
    names: tuple[Word, ...]
    span: Span


Instruction = (
    Arg
    | Env
    | Label
    | Run
    | Copy
    | Workdir
    | User
    | StopSignal
    | Cmd
    | Entrypoint
    | Shell
    | Expose
    | Volume
    | Healthcheck
    | Onbuild
    | Maintainer
    | Unset
)


@value
class Stage:
    """FROM and what follows it. `index` counts from 0."""

    index: int
    base: From
    instructions: tuple[Instruction, ...]

    @classmethod
    def later(
        cls, index: int, base: From, decode: Callable[[], tuple[Instruction, ...]]
    ) -> Stage:
        """A stage whose instructions are read when they are first asked for: a build
        needs few of the stages that a cache brings back."""
        stage = object.__new__(cls)
        stage.__dict__.update(index=index, base=base, _decode=decode)
        return stage

    if not TYPE_CHECKING:  # for a type checker it would make every name an attribute

        def __getattr__(self, name: str) -> object:
            """The instructions, which only a stage made by `later` lacks."""
            if name != "instructions" or "_decode" not in self.__dict__:
                raise AttributeError(name)
            decode = self.__dict__.pop("_decode")
            self.__dict__["instructions"] = found = decode()
            return found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stage) and self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(self._fields())

    def __repr__(self) -> str:
        return f"Stage{self._fields()!r}"

    def _fields(self) -> tuple[object, ...]:
        return self.index, self.base, self.instructions


@value
class Finding:
    """What a check has to say: a rule's name, `error` or `warning`, and where."""

    rule: str
    level: str
    message: str
    hint: str
    span: Span


@value
class Directive:
    """A comment that means something: `# syntax=`, `# escape=`, `# check=` at the top
    of the file (the heading), `# check=` above an instruction, `# lamina: ...` among
    the comments before the first instruction."""

    name: str
    value: str
    heading: bool
    span: Span


@value
class Recipe:
    """A parsed recipe. `escape` is the escape character that its directive chose."""

    source: Source
    escape: str
    global_args: tuple[Arg, ...]
    stages: tuple[Stage, ...]
    directives: tuple[Directive, ...] = ()
    dialect: Dialect = DOCKERFILE
