"""The instructions of a recipe: frozen nodes, each with its Span."""

from __future__ import annotations

from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.lang.source import Span
    from lamina.lang.words import Command, Heredoc, Mount, Pair, Word


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
    """SHELL: the program that runs shell forms, its arguments, and their places."""

    args: tuple[str, ...]
    places: tuple[Span, ...]
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
