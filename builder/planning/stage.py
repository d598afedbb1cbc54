"""apply: how instructions change what a stage is.

Each function takes a state and an instruction and gives the next state; those that
make a layer (steps.py) add a step to the graph through `scope.add`. Nothing
here touches a disk.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

from lamina.builder.errors import InvalidInstruction
from lamina.builder.planning import history, steps
from lamina.builder.planning.ports import parse_ports, port_names
from lamina.builder.planning.state import (
    DEFAULT_PATH,
    DEFAULT_SHELL,
    StageState,
    noted,
)
from lamina.lang import nodes, quirks, words
from lamina.lang.expand import expand_list
from lamina.oci.config import Healthcheck, ImageConfig
from lamina.oci.strict_json import MAX_DOCUMENT
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from lamina.builder.planning.scope import Scope
    from lamina.lang.words import Command


# Read by who scans what was built; no variables of steps, nor of words
# (`nonEnvArgs` of BuildKit's dockerfile2llb/convert.go).
NOT_EXPORTED = frozenset({"BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"})


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
    """The state after one instruction. Raises InvalidInstruction where variables have
    made more of it than an image can hold."""
    after = _APPLY[type(instruction)](state, instruction, scope)
    if after.size > MAX_DOCUMENT:
        raise InvalidInstruction(
            f"Here the image's configuration gets more than {MAX_DOCUMENT >> 20} MiB.",
            instruction.span,
            hint="An image keeps what its variables hold, and its history says it "
            "again.",
        )
    scope.spend(after.size - state.size, instruction.span)
    return after


def _arg(state: StageState, arg: nodes.Arg, scope: Scope) -> StageState:
    env, args, shown = dict(state.env), dict(state.args), []
    for name, default in arg.args:
        given = scope.argument(name, default, state.env)
        shown.append(name if given is None else f"{name}={given}")
        args[name] = given
        if given is not None and name not in NOT_EXPORTED:
            env[name] = given
    state = replace(state, env=env, args=args)
    return noted(state, " ".join(("ARG", *shown)))


def _pairs(
    state: StageState, pairs: tuple[words.Pair, ...], scope: Scope
) -> list[tuple[str, str]]:
    """What pairs say, their names and values expanded before any of them counts."""
    given = []
    for pair in pairs:
        name = state.expand(pair.key, scope.escape)
        if not name and not scope.dialect.keeps(quirks.EMPTY_NAMES):
            raise InvalidInstruction(
                "The name is empty here.",
                pair.key.span,
                hint="Give its variable a value, or a default: ${NAME:-name}.",
            )
        given.append((name, state.expand(pair.value, scope.escape)))
    return given


def _env(state: StageState, env: nodes.Env, scope: Scope) -> StageState:
    given = _pairs(state, env.pairs, scope)
    new = dict(given)
    state = replace(
        state, variables={**state.image_env, **new}, env={**state.env, **new}
    )
    return noted(state, history.pairs("ENV", given))


def _label(state: StageState, label: nodes.Label, scope: Scope) -> StageState:
    given = _pairs(state, label.pairs, scope)
    labels = {**state.config.labels, **dict(given)}
    state = replace(state, config=replace(state.config, labels=labels))
    return noted(state, history.pairs("LABEL", given))


def _unset(state: StageState, unset: nodes.Unset, scope: Scope) -> StageState:
    from lamina.builder.planning.unset import unset as take_back

    return noted(*take_back(state, unset, scope))


def _user(state: StageState, user: nodes.User, scope: Scope) -> StageState:
    given = state.expand(user.user, scope.escape)
    state = replace(state, config=replace(state.config, user=given))
    return noted(state, f"USER {given}")


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
    return noted(state, f"STOPSIGNAL {given}")


def _argv(state: StageState, command: Command) -> tuple[str, ...]:
    if isinstance(command, words.ExecForm):
        return command.args
    return (*(state.config.shell or DEFAULT_SHELL), command.text)


def _cmd(state: StageState, cmd: nodes.Cmd, _scope: Scope) -> StageState:
    argv = _argv(state, cmd.command)
    config = replace(state.config, cmd=argv, args_escaped=True)
    state = replace(state, config=config, has_cmd=True)
    return noted(state, history.quoted("CMD", argv))


def _entrypoint(
    state: StageState, entrypoint: nodes.Entrypoint, _scope: Scope
) -> StageState:
    """ENTRYPOINT; a CMD that this stage did not set itself is dropped with it."""
    argv = _argv(state, entrypoint.command)
    cmd = state.config.cmd if state.has_cmd else None
    state = replace(state, config=replace(state.config, entrypoint=argv, cmd=cmd))
    return noted(state, history.quoted("ENTRYPOINT", argv))


def _shell(state: StageState, shell: nodes.Shell, _scope: Scope) -> StageState:
    state = replace(state, config=replace(state.config, shell=shell.args))
    return noted(state, history.listed("SHELL", shell.args))


def _expose(state: StageState, expose: nodes.Expose, scope: Scope) -> StageState:
    found = port_names(
        parse_ports(text, word.span)
        # BuildKit's order, of which the history tells.
        for word in sorted(expose.ports, key=lambda word: word.text)
        for text in expand_list(word, state.env, scope.escape)
    )
    merged = _merged(state.config.exposed_ports, found)
    state = replace(state, config=replace(state.config, exposed_ports=merged))
    return noted(state, history.listed("EXPOSE", found))


def _volume(state: StageState, volume: nodes.Volume, scope: Scope) -> StageState:
    paths = [state.expand(word, scope.escape) for word in volume.paths]
    if not all(paths):
        raise InvalidInstruction("A VOLUME path is empty here.", volume.span)
    merged = _merged(state.config.volumes, paths)
    state = replace(state, config=replace(state.config, volumes=merged))
    return noted(state, history.listed("VOLUME", paths))


def _merged(known: tuple[str, ...], more: Iterable[str]) -> tuple[str, ...]:
    """Both, each once, in order. `known` is in order already: a recipe may add to it a
    thousand times."""
    places = ((bisect_left(known, one), one) for one in set(more))
    new = [one for at, one in places if known[at : at + 1] != (one,)]
    return tuple(sorted((*known, *sorted(new))))


def _healthcheck(
    state: StageState, check: nodes.Healthcheck, _scope: Scope
) -> StageState:
    if check.command is None:
        test: tuple[str, ...] = ("NONE",)
    elif isinstance(check.command, words.ExecForm):
        test = ("CMD", *check.command.args)
    else:
        test = ("CMD-SHELL", check.command.text)
    times = (check.interval, check.timeout, check.start_period, check.start_interval)
    made = Healthcheck(test, *times, check.retries)
    state = replace(state, config=replace(state.config, healthcheck=made))
    return noted(state, history.healthcheck(made))


def _onbuild(state: StageState, onbuild: nodes.Onbuild, _scope: Scope) -> StageState:
    triggers = (*state.config.on_build, onbuild.text)
    return replace(state, config=replace(state.config, on_build=triggers))


def _maintainer(
    state: StageState, maintainer: nodes.Maintainer, _scope: Scope
) -> StageState:
    state = replace(state, config=replace(state.config, author=maintainer.name))
    return noted(state, f"MAINTAINER {maintainer.name}")


_APPLY: Mapping[type, Callable[[StageState, Any, Scope], StageState]] = {
    nodes.Arg: _arg,
    nodes.Env: _env,
    nodes.Label: _label,
    nodes.Run: steps.run,
    nodes.Copy: steps.copy,
    nodes.Workdir: steps.workdir,
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
