"""StageState: what a stage is at one line, and how instructions change it.

Each function takes a state and an instruction and gives the next state; those that
make a layer add a step to the graph through `scope.add`. Nothing here touches a disk.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from types import MappingProxyType

from lamina.builder import history
from lamina.builder.errors import InvalidInstruction
from lamina.builder.graph import CopyOp, Inline, RunOp, WorkdirOp
from lamina.builder.mounts import plan_mount
from lamina.lang import nodes, quirks
from lamina.lang.expand import expand, expand_heredoc, expand_list
from lamina.oci.config import Healthcheck, ImageConfig
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from lamina.builder.graph import Operation
    from lamina.builder.scope import Scope
    from lamina.lang.nodes import Command, Heredoc, Word
    from lamina.lang.source import Span

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEFAULT_SHELL = ("/bin/sh", "-c")
# What tools write into files when they are asked for a time: the same on every day.
STEP_EPOCH = "315532800"
NOTHING: Mapping[str, str] = MappingProxyType({})


@value
class StageState:
    """`env` is what words expand with (ENV and ARG, the last writer wins), `args` the
    ARGs in scope (None: one without a value), `tip` the step whose files the next one
    stands on."""

    index: int
    title: str
    config: ImageConfig
    tip: int
    env: Mapping[str, str] = NOTHING
    args: Mapping[str, str | None] = MappingProxyType({})
    has_cmd: bool = False

    def expand(self, word: Word, escape: str) -> str:
        return expand(word, self.env, escape)


def base_state(index: int, title: str, config: ImageConfig, tip: int) -> StageState:
    """The state right after FROM: the base's config, with a PATH."""
    env = dict(pair.partition("=")[::2] for pair in config.env)
    if "PATH" not in env:
        config = replace(config, env=(*config.env, f"PATH={DEFAULT_PATH}"))
        env["PATH"] = DEFAULT_PATH
    return StageState(index, title, config, tip, env=env)


def apply(
    state: StageState, instruction: nodes.Instruction, scope: Scope
) -> StageState:
    """The state after one instruction."""
    return _APPLY[type(instruction)](state, instruction, scope)


def _arg(state: StageState, arg: nodes.Arg, scope: Scope) -> StageState:
    env, args, shown = dict(state.env), dict(state.args), []
    for name, default in arg.args:
        given = scope.argument(name, default, state.env)
        shown.append(name if given is None else f"{name}={given}")
        args[name] = given
        if given is not None:
            env[name] = given
    state = replace(state, env=env, args=args)
    return _noted(state, " ".join(("ARG", *shown)))


def _env(state: StageState, env: nodes.Env, scope: Scope) -> StageState:
    given = [
        (state.expand(p.key, scope.escape), state.expand(p.value, scope.escape))
        for p in env.pairs
    ]
    config_env = dict(pair.partition("=")[::2] for pair in state.config.env)
    config_env.update(given)
    config = replace(state.config, env=tuple(f"{k}={v}" for k, v in config_env.items()))
    state = replace(state, config=config, env={**state.env, **dict(given)})
    return _noted(state, history.pairs("ENV", given))


def _label(state: StageState, label: nodes.Label, scope: Scope) -> StageState:
    given = [
        (state.expand(p.key, scope.escape), state.expand(p.value, scope.escape))
        for p in label.pairs
    ]
    labels = {**state.config.labels, **dict(given)}
    state = replace(state, config=replace(state.config, labels=labels))
    return _noted(state, history.pairs("LABEL", given))


def _unset(state: StageState, unset: nodes.Unset, scope: Scope) -> StageState:
    from lamina.builder.unset import unset as take_back

    return _noted(*take_back(state, unset, scope))


def _run(state: StageState, run: nodes.Run, scope: Scope) -> StageState:
    if run.test and not scope.tests:
        return state
    _check_devices(run, scope)
    args, scripts = _run_args(state, run)
    mounts = tuple(
        plan_mount(mount, state.env, state.config.working_dir, state.index, scope)
        for mount in run.mounts
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
    )
    text = " ".join(args) if isinstance(run.command, nodes.ExecForm) else args[-1]
    if run.test:
        _step(state, scope, operation, f"TEST {_one_line(text)}", run.span)
        return state
    state = _step(state, scope, operation, f"RUN {_one_line(text)}", run.span)
    arguments = {name: state.env.get(name, "") for name in state.args}
    return _layered(state, history.run(args, _seen(arguments, run.env)))


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
    if isinstance(run.command, nodes.ExecForm):
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


def _copy(state: StageState, copy: nodes.Copy, scope: Scope) -> StageState:
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
    )
    operation = replace(operation, quirks=_quirks_of(operation, scope))
    several = len(operation.sources) + len(operation.inline) > 1
    if several and not keeps(quirks.SEVERAL_SOURCES):
        _require_directory(operation.dest, copy.span)
    text = _one_line(copy.span.text)
    if not text.upper().startswith(("COPY", "ADD")):
        # A trigger of the base: the place of its FROM is not what it says.
        text = history.copy(operation, dest).removesuffix(" # buildkit")
    state = _step(state, scope, operation, text, copy.span)
    return _layered(state, history.copy(operation, dest))


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


def _workdir(state: StageState, workdir: nodes.Workdir, scope: Scope) -> StageState:
    given = state.expand(workdir.path, scope.escape)
    if not given and not scope.dialect.keeps(quirks.EMPTY_WORDS):
        raise InvalidInstruction("WORKDIR is empty here.", workdir.span)
    path = posixpath.normpath(posixpath.join(state.config.working_dir or "/", given))
    path = "/" + path.lstrip("/")
    state = replace(state, config=replace(state.config, working_dir=path))
    if path == "/":
        return _noted(state, "WORKDIR /")
    lenient = scope.dialect.keeps(quirks.UNKNOWN_OWNER)
    user = state.config.user
    may = (quirks.UNKNOWN_OWNER.name,) if lenient and _has_name(user) else ()
    operation = WorkdirOp(path, user, may)
    state = _step(state, scope, operation, f"WORKDIR {path}", workdir.span)
    return _layered(state, f"WORKDIR {path}")


def _user(state: StageState, user: nodes.User, scope: Scope) -> StageState:
    given = state.expand(user.user, scope.escape)
    state = replace(state, config=replace(state.config, user=given))
    return _noted(state, f"USER {given}")


def _stop_signal(
    state: StageState, stop_signal: nodes.StopSignal, scope: Scope
) -> StageState:
    import signal

    given = state.expand(stop_signal.signal, scope.escape)
    # RTMIN+3 is one too.
    name = given.upper().removeprefix("SIG").partition("+")[0].partition("-")[0]
    known = f"SIG{name}" in signal.Signals.__members__
    if given.isascii() and given.isdigit():
        most = signal.NSIG - 1
        if scope.dialect.keeps(quirks.SIGNAL_NUMBERS):
            most = int(given)
        known = 0 < int(given) <= most
    if not known:
        raise InvalidInstruction(
            f"There is no signal {given!r}.",
            stop_signal.span,
            hint="Name one as SIGTERM, or by its number.",
        )
    state = replace(state, config=replace(state.config, stop_signal=given))
    return _noted(state, f"STOPSIGNAL {given}")


def _argv(state: StageState, command: Command) -> tuple[str, ...]:
    if isinstance(command, nodes.ExecForm):
        return command.args
    return (*(state.config.shell or DEFAULT_SHELL), command.text)


def _cmd(state: StageState, cmd: nodes.Cmd, _scope: Scope) -> StageState:
    argv = _argv(state, cmd.command)
    config = replace(state.config, cmd=argv, args_escaped=True)
    state = replace(state, config=config, has_cmd=True)
    return _noted(state, history.quoted("CMD", argv))


def _entrypoint(
    state: StageState, entrypoint: nodes.Entrypoint, _scope: Scope
) -> StageState:
    """ENTRYPOINT; a CMD that this stage did not set itself is dropped with it."""
    argv = _argv(state, entrypoint.command)
    cmd = state.config.cmd if state.has_cmd else None
    state = replace(state, config=replace(state.config, entrypoint=argv, cmd=cmd))
    return _noted(state, history.quoted("ENTRYPOINT", argv))


def _shell(state: StageState, shell: nodes.Shell, _scope: Scope) -> StageState:
    state = replace(state, config=replace(state.config, shell=shell.args))
    return _noted(state, history.listed("SHELL", shell.args))


def _expose(state: StageState, expose: nodes.Expose, scope: Scope) -> StageState:
    found: list[str] = []
    for word in expose.ports:
        for text in expand_list(word, state.env, scope.escape):
            found += ports(text, word.span)
    found.sort()
    merged = tuple(sorted({*state.config.exposed_ports, *found}))
    state = replace(state, config=replace(state.config, exposed_ports=merged))
    return _noted(state, history.listed("EXPOSE", found))


def ports(text: str, span: Span) -> list[str]:
    """`[ip:][host:]port[-end][/proto]` as `port/proto`, one for each of a range."""
    numbers, _, protocol = text.rpartition(":")[2].partition("/")
    protocol = protocol.lower() or "tcp"
    first, _, last = numbers.partition("-")
    valid = first.isdigit() and (not last or last.isdigit())
    low, high = (int(first), int(last or first)) if valid else (1, 0)
    if not 0 <= low <= high <= 65535 or protocol not in ("tcp", "udp", "sctp"):
        raise InvalidInstruction(
            f"{text!r} is no port.",
            span,
            hint="Write `8080`, `8080/udp` or a range `8000-8010`.",
        )
    return [f"{port}/{protocol}" for port in range(low, high + 1)]


def _volume(state: StageState, volume: nodes.Volume, scope: Scope) -> StageState:
    paths = [state.expand(word, scope.escape) for word in volume.paths]
    if not all(paths):
        raise InvalidInstruction("A VOLUME path is empty here.", volume.span)
    merged = tuple(sorted({*state.config.volumes, *paths}))
    state = replace(state, config=replace(state.config, volumes=merged))
    return _noted(state, history.listed("VOLUME", paths))


def _healthcheck(
    state: StageState, check: nodes.Healthcheck, _scope: Scope
) -> StageState:
    if check.command is None:
        test: tuple[str, ...] = ("NONE",)
    elif isinstance(check.command, nodes.ExecForm):
        test = ("CMD", *check.command.args)
    else:
        test = ("CMD-SHELL", check.command.text)
    times = (check.interval, check.timeout, check.start_period, check.start_interval)
    made = Healthcheck(test, *times, check.retries)
    state = replace(state, config=replace(state.config, healthcheck=made))
    return _noted(state, history.healthcheck(made))


def _onbuild(state: StageState, onbuild: nodes.Onbuild, _scope: Scope) -> StageState:
    triggers = (*state.config.on_build, onbuild.text)
    return replace(state, config=replace(state.config, on_build=triggers))


def _maintainer(
    state: StageState, maintainer: nodes.Maintainer, _scope: Scope
) -> StageState:
    state = replace(state, config=replace(state.config, author=maintainer.name))
    return _noted(state, f"MAINTAINER {maintainer.name}")


def _step(
    state: StageState, scope: Scope, operation: Operation, text: str, span: Span
) -> StageState:
    return replace(state, tip=scope.add(state.title, state.tip, operation, text, span))


def _noted(state: StageState, text: str) -> StageState:
    entries = (*state.config.history, history.empty(text))
    return replace(state, config=replace(state.config, history=entries))


def _layered(state: StageState, text: str) -> StageState:
    entries = (*state.config.history, history.layer(text))
    return replace(state, config=replace(state.config, history=entries))


def _one_line(text: str) -> str:
    """`text` as a name: continuations joined, blanks folded, nothing in it that
    could steer a terminal."""
    line = " ".join(text.replace("\\\n", " ").split())
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)


_APPLY: Mapping[type, Callable[[StageState, Any, Scope], StageState]] = {
    nodes.Arg: _arg,
    nodes.Env: _env,
    nodes.Label: _label,
    nodes.Run: _run,
    nodes.Copy: _copy,
    nodes.Workdir: _workdir,
    nodes.User: _user,
    nodes.StopSignal: _stop_signal,
    nodes.Cmd: _cmd,
    nodes.Entrypoint: _entrypoint,
    nodes.Shell: _shell,
    nodes.Expose: _expose,
    nodes.Volume: _volume,
    nodes.Healthcheck: _healthcheck,
    nodes.Onbuild: _onbuild,
    nodes.Maintainer: _maintainer,
    nodes.Unset: _unset,
}
