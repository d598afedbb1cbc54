"""UNSET: what a base or a line above set is taken out of the config again.

What is left is as if nobody had set it: `UNSET ENV PATH` leaves the PATH of a stage
whose base has none. That there was nothing to take back is told and no error, since
a base may stop to set something at any time.
"""

from __future__ import annotations

from lamina.builder.planning.ports import parse_ports, port_names
from lamina.builder.planning.state import DEFAULT_PATH, StageState
from lamina.lang.expand import expand_list
from lamina.lang.suggest import did_you_mean
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from lamina.builder.planning.scope import Scope
    from lamina.lang.nodes import Unset
    from lamina.lang.source import Span

# A range of ports may be long.
_MOST_WARNINGS = 10
# The config's field, and what it holds when nobody set it.
_FIELDS: Mapping[str, tuple[str, object]] = {
    "CMD": ("cmd", None),
    "ENTRYPOINT": ("entrypoint", None),
    "HEALTHCHECK": ("healthcheck", None),
    "STOPSIGNAL": ("stop_signal", ""),
    "USER": ("user", ""),
}


def unset(
    state: StageState, instruction: Unset, scope: Scope
) -> tuple[StageState, str]:
    """The state without what is taken back, and what history says of it."""
    what = instruction.what
    if what in _FIELDS:
        return _field(state, instruction, scope), f"UNSET {what}"
    given = _names(state, instruction, scope)
    there = _SET_BY[what](state)
    gone = frozenset(given) if instruction.names else frozenset(there)
    missing = [name for name in given if name not in there]
    for name in missing[:_MOST_WARNINGS]:
        _nothing(scope, f"{what} {name}", instruction.span, (name, there))
    if not instruction.names and not there:
        _nothing(scope, what, instruction.span)
    return _without(state, what, gone), " ".join(("UNSET", what, *given))


def _names(state: StageState, instruction: Unset, scope: Scope) -> tuple[str, ...]:
    """The names as the config spells them."""
    if instruction.what == "EXPOSE":
        texts = [
            text
            for word in instruction.names
            for text in expand_list(word, state.env, scope.escape)
        ]
        return port_names(parse_ports(text, instruction.span) for text in texts)
    return tuple(state.expand(word, scope.escape) for word in instruction.names)


_SET_BY: Mapping[str, Callable[[StageState], Collection[str]]] = {
    "ENV": lambda state: state.image_env,
    "LABEL": lambda state: state.config.labels,
    "EXPOSE": lambda state: state.config.exposed_ports,
    "VOLUME": lambda state: state.config.volumes,
}


def _without(state: StageState, what: str, gone: frozenset[str]) -> StageState:
    config = state.config
    if what == "ENV":
        return _without_variables(state, gone)
    if what == "LABEL":
        labels = {key: v for key, v in config.labels.items() if key not in gone}
        config = replace(config, labels=labels)
    elif what == "EXPOSE":
        config = replace(config, exposed_ports=_others(config.exposed_ports, gone))
    else:
        config = replace(config, volumes=_others(config.volumes, gone))
    return replace(state, config=config)


def _others(given: Iterable[str], gone: frozenset[str]) -> tuple[str, ...]:
    return tuple(one for one in given if one not in gone)


def _without_variables(state: StageState, gone: frozenset[str]) -> StageState:
    """They leave the image and the steps; an ARG of the same name goes with them."""
    gone &= frozenset(state.image_env)
    kept = {k: v for k, v in state.image_env.items() if k not in gone}
    env = {key: given for key, given in state.env.items() if key not in gone}
    args = {key: given for key, given in state.args.items() if key not in gone}
    kept.setdefault("PATH", DEFAULT_PATH)
    env.setdefault("PATH", DEFAULT_PATH)
    return replace(state, variables=kept, env=env, args=args)


def _field(state: StageState, instruction: Unset, scope: Scope) -> StageState:
    name, empty = _FIELDS[instruction.what]
    if getattr(state.config, name) == empty:
        _nothing(scope, instruction.what, instruction.span)
    config = replace(state.config, **{name: empty})
    if instruction.what == "CMD":
        config = replace(config, args_escaped=False)
    return replace(state, config=config)


def _nothing(
    scope: Scope,
    what: str,
    span: Span,
    near: tuple[str, Collection[str]] | None = None,
) -> None:
    hint = did_you_mean(*near) if near is not None else ""
    scope.warn(f"UNSET {what}: nothing has set it here. {hint}".rstrip(), span)
