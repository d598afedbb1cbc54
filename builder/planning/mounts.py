"""`RUN --mount=`: what a recipe asks for, as a RunMount of the graph."""

from __future__ import annotations

import posixpath

from lamina.builder.errors import InvalidInstruction
from lamina.builder.solving.graph import CACHE_ORIGIN, CONTEXT_ORIGIN, RunMount
from lamina.lang.mounts import MountOptions, mount_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.builder.planning.scope import Scope
    from lamina.lang.source import Span
    from lamina.lang.words import Mount

_MODES = {"cache": 0o755, "secret": 0o400, "ssh": 0o600}


def plan_mounts(
    mounts: tuple[Mount, ...],
    env: Mapping[str, str],
    folder: str,
    stage: int,
    scope: Scope,
) -> tuple[RunMount, ...]:
    """The mounts with their words expanded in `env`; `folder` is the WORKDIR.

    Raises RecipeError.
    """
    planned: list[RunMount] = []
    for mount in mounts:
        agents = sum(made.kind == "ssh" for made in planned)
        planned.append(_planned(mount, env, folder, stage, scope, agents))
    return tuple(planned)


def _planned(
    mount: Mount,
    env: Mapping[str, str],
    folder: str,
    stage: int,
    scope: Scope,
    agents: int,
) -> RunMount:
    options = mount_options(mount, env, scope.escape, scope.dialect)
    target = _target(options, folder, mount.span, agents)
    origin = CONTEXT_ORIGIN
    if options.from_:
        origin = scope.origin(options.from_, stage, mount.span)
    elif options.type != "bind":
        origin = CACHE_ORIGIN
    mode = options.mode if options.mode is not None else _MODES.get(options.type, 0)
    return RunMount(
        kind=options.type,
        target=target,
        source=options.source,
        origin=origin,
        writable=not options.readonly,
        id=_identity(options, target),
        sharing=options.sharing,
        size=options.size or 0,
        mode=mode,
        uid=options.uid or 0,
        gid=options.gid or 0,
        required=options.required,
        env=options.env,
    )


def _identity(options: MountOptions, target: str) -> str:
    if options.type == "secret":
        return options.id or options.source or posixpath.basename(target)
    if options.type == "ssh":
        return options.id or "default"
    return options.id or target


def _target(options: MountOptions, folder: str, span: Span, agents: int) -> str:
    """An absolute path; "" for a secret that is a variable only."""
    given = options.target
    if options.type == "ssh" and not given:
        return f"/run/buildkit/ssh_agent.{agents}"
    if options.type == "secret" and not given:
        name = posixpath.basename(options.id or options.source)
        return "" if options.env or not name else f"/run/secrets/{name}"
    if not given:
        raise InvalidInstruction(
            f"A {options.type} mount needs a target.",
            span,
            hint="Say where it appears: target=/path",
        )
    path = posixpath.normpath(posixpath.join(folder or "/", given))
    if path == "/":
        raise InvalidInstruction("A mount cannot replace `/`.", span)
    return path
