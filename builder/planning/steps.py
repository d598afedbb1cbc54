"""RUN, TEST, COPY, ADD and WORKDIR: the instructions that add a step to the graph."""

from __future__ import annotations

import posixpath

from lamina.builder.errors import InvalidInstruction
from lamina.builder.planning import history
from lamina.builder.planning.entitlements import check_entitlements
from lamina.builder.planning.mounts import plan_mounts
from lamina.builder.planning.state import DEFAULT_SHELL, StageState, layered, noted
from lamina.builder.solving.graph import CopyOp, Inline, RunOp, WorkdirOp
from lamina.lang import nodes, quirks, words
from lamina.lang.expand import expand_heredoc
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.builder.planning.scope import Scope
    from lamina.builder.solving.graph import Operation
    from lamina.lang.source import Span
    from lamina.lang.words import Heredoc, Word

# What tools write into files when they are asked for a time: the same on every day.
STEP_EPOCH = "315532800"


def run(state: StageState, run: nodes.Run, scope: Scope) -> StageState:
    """RUN, or TEST: then the state stays as it is."""
    if run.test and not scope.tests:
        return state
    check_entitlements(run, scope)
    _check_devices(run, scope)
    args, scripts = _run_args(state, run)
    mounts = plan_mounts(
        run.mounts, state.env, state.config.working_dir, state.index, scope
    )
    operation = RunOp(
        args=args,
        env=_run_env(state, run.env),
        cwd=state.config.working_dir or "/",
        user=state.config.user,
        network=scope.network if run.network == "default" else run.network,
        security=run.security,
        scripts=scripts,
        mounts=mounts,
        test=run.test,
        no_cache=run.no_cache,
        max_age=run.max_age,
        hosts=scope.hosts,
    )
    scope.spend(
        _length(operation.env, *(m.target + m.source for m in mounts)), run.span
    )
    text = " ".join(args) if isinstance(run.command, words.ExecForm) else args[-1]
    if scripts:
        text = scripts[0].body
    if run.test:
        _step(state, scope, operation, f"TEST {_one_line(text)}", run.span)
        return state
    state = _step(state, scope, operation, f"RUN {_one_line(text)}", run.span)
    arguments = {
        name: state.env.get(name, given or "") for name, given in state.args.items()
    }
    return layered(state, history.run(args, _seen(arguments, run.env)))


def _length(texts: tuple[str, ...], *more: str) -> int:
    """What texts take, each some bytes beside its characters."""
    return sum(len(text) + 50 for text in (*texts, *more))


def _check_devices(run: nodes.Run, scope: Scope) -> None:
    """Steps get no devices; one that is not required may be missing anywhere."""
    for given in run.devices:
        name, _, option = given.partition(",")
        if option:
            raise InvalidInstruction(
                f"The device {name} is required, and steps get no devices.",
                run.span,
                hint="Without `,required` the step runs, and finds none.",
            )
        scope.warn(f"--device={name}: steps get no devices.", run.span)


def _run_args(
    state: StageState, run: nodes.Run
) -> tuple[tuple[str, ...], tuple[Inline, ...]]:
    """argv and the files that it needs: the three forms of heredocs in a RUN."""
    if isinstance(run.command, words.ExecForm):
        return run.command.args, ()
    shell = state.config.shell or DEFAULT_SHELL
    text = run.command.text
    if len(run.heredocs) == 1 and _is_only_heredoc(text, run.heredocs[0]):
        body = run.heredocs[0].content
        if not body.startswith("#!"):
            return (*shell, body), ()
        path = f"/dev/pipes/{run.heredocs[0].name}"
        return (*shell, path), (Inline(path, body),)
    for heredoc in run.heredocs:
        text += f"\n{heredoc.body}{heredoc.name}"
    return (*shell, text), ()


def _is_only_heredoc(text: str, heredoc: Heredoc) -> bool:
    """Whether a RUN says `<<NAME` and nothing else, however NAME is quoted."""
    word = text.strip()
    if not word.startswith("<<"):
        return False
    name = word[2:].removeprefix("-").strip()
    return name.translate(str.maketrans("", "", "\"'\\")) == heredoc.name


def _run_env(state: StageState, names: tuple[str, ...] | None) -> tuple[str, ...]:
    """The environment of a step: of `--env` only what it names, and what every
    process needs."""
    always = None if names is None else (*names, "PATH", "HOME")
    env = _seen(state.env, always)
    asked = names is None or "SOURCE_DATE_EPOCH" in names
    if not asked or state.args.get("SOURCE_DATE_EPOCH") is None:
        env.setdefault("SOURCE_DATE_EPOCH", STEP_EPOCH)
    return tuple(f"{key}={given}" for key, given in sorted(env.items()))


def _seen(given: Mapping[str, str], names: tuple[str, ...] | None) -> dict[str, str]:
    return {k: v for k, v in given.items() if names is None or k in names}


def copy(state: StageState, copy: nodes.Copy, scope: Scope) -> StageState:
    """COPY and ADD."""

    def words(word: Word | None) -> str:
        return state.expand(word, scope.escape) if word is not None else ""

    dest, sources = words(copy.dest), tuple(words(given) for given in copy.sources)
    keeps = scope.dialect.keeps
    if not (dest and all(sources)) and not keeps(quirks.EMPTY_WORDS):
        raise InvalidInstruction(
            f"A {'source' if dest else 'destination'} is empty here.",
            copy.span,
            hint="Give its variable a default: ${NAME:-file}.",
        )
    operation = CopyOp(
        add=copy.add,
        sources=sources,
        inline=tuple(_inline(heredoc, state) for heredoc in copy.heredocs),
        dest=_destination(state, dest),
        origin=-1
        if copy.from_ is None
        else scope.origin(words(copy.from_), state.index, copy.from_.span),
        chown=words(copy.chown),
        chmod=words(copy.chmod),
        link=copy.link and not (copy.chmod and keeps(quirks.LINK_CHMOD)),
        parents=copy.parents,
        exclude=copy.exclude,
        checksum=words(copy.checksum),
        unpack=copy.unpack,
        if_exists=copy.if_exists,
        keep_git_dir=copy.keep_git_dir,
    )
    scope.spend(_length(sources, *(file.body for file in operation.inline)), copy.span)
    if operation.checksum:
        _check_checksum(operation, copy.span)
    operation = replace(operation, quirks=_quirks_of(operation, scope))
    several = len(operation.sources) + len(operation.inline) > 1
    if several and not keeps(quirks.SEVERAL_SOURCES):
        _require_directory(operation.dest, copy.span)
    text = _one_line(copy.span.text)
    if not text.upper().startswith(("COPY", "ADD")):
        # A trigger of the base: the place of its FROM is not what it says.
        text = history.copy(operation, dest).removesuffix(" # buildkit")
    state = _step(state, scope, operation, text, copy.span)
    return layered(state, history.copy(operation, dest))


def _check_checksum(operation: CopyOp, span: Span) -> None:
    """One source, and one that is fetched: of anything else nothing would be checked.

    As in BuildKit (convert_copy.go).
    """
    from lamina.builder.fetching.downloads import is_remote

    fetched = list(filter(is_remote, operation.sources))
    if len(fetched) != 1 or len(operation.sources) + len(operation.inline) != 1:
        raise InvalidInstruction(
            "--checksum is for one source, an address or a repository.",
            span,
            hint="Files of the context are in the cache key by their content.",
        )


def _quirks_of(operation: CopyOp, scope: Scope) -> tuple[str, ...]:
    """The quirks that this step may have another result with: not all for all, or
    every key would be another one in compat."""
    wild = any(not {*"*?["}.isdisjoint(source) for source in operation.sources)
    several = wild or len(operation.sources) + len(operation.inline) > 1
    possible = {
        quirks.SEVERAL_SOURCES: several and not operation.dest.endswith("/"),
        quirks.UNKNOWN_OWNER: _has_name(operation.chown),
        quirks.EXCLUDED_FILES: wild and bool(operation.exclude),
    }
    return tuple(
        quirk.name
        for quirk, may in possible.items()
        if may and scope.dialect.keeps(quirk)
    )


def _has_name(owner: str) -> bool:
    """Whether an owner is more than numbers."""
    return bool(owner) and not owner.replace(":", "0").isdecimal()


def _inline(heredoc: Heredoc, state: StageState) -> Inline:
    body = expand_heredoc(heredoc, state.env) if heredoc.expand else heredoc.content
    return Inline(heredoc.name, body)


def _require_directory(dest: str, span: Span) -> None:
    if not dest.endswith("/"):
        raise InvalidInstruction(
            "Several sources need a directory as destination.",
            span,
            hint=f"End it with a slash: `{dest}/`.",
        )


def _destination(state: StageState, text: str) -> str:
    """An absolute path; a trailing slash or `/.` stays a trailing slash."""
    directory = text.endswith(("/", "/.")) or text in (".", "")
    path = posixpath.normpath(posixpath.join(state.config.working_dir or "/", text))
    path = "/" + path.lstrip("/")
    return path if not directory or path == "/" else path + "/"


def workdir(state: StageState, workdir: nodes.Workdir, scope: Scope) -> StageState:
    """WORKDIR: a step unless it is `/`, which is there."""
    given = state.expand(workdir.path, scope.escape)
    if not given and not scope.dialect.keeps(quirks.EMPTY_WORDS):
        raise InvalidInstruction("WORKDIR is empty here.", workdir.span)
    path = posixpath.normpath(posixpath.join(state.config.working_dir or "/", given))
    path = "/" + path.lstrip("/")
    state = replace(state, config=replace(state.config, working_dir=path))
    if path == "/":
        return noted(state, "WORKDIR /")
    lenient = scope.dialect.keeps(quirks.UNKNOWN_OWNER)
    user = state.config.user
    may = (quirks.UNKNOWN_OWNER.name,) if lenient and _has_name(user) else ()
    operation = WorkdirOp(path, user, may)
    state = _step(state, scope, operation, f"WORKDIR {path}", workdir.span)
    return layered(state, f"WORKDIR {path}")


def _step(
    state: StageState, scope: Scope, operation: Operation, text: str, span: Span
) -> StageState:
    return replace(state, tip=scope.add(state.title, state.tip, operation, text, span))


def _one_line(text: str) -> str:
    """`text` as a name: continuations joined, blanks folded, nothing in it that
    could steer a terminal."""
    line = " ".join(text.replace("\\\n", " ").split())
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
