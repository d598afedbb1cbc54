"""Starting a container: all that it needs is prepared, and handed to its keeper.

The keeper (runtime/keeper) is the zygote that launches it. From then on it alone
attends to the container and writes its state, and gives back at the end what was taken
here; when it dies, however that is, the container dies with it, and whoever looks next
finds the record of a keeper that is gone (container.collect).
"""

from __future__ import annotations

import contextlib
import os

from lamina.runtime import syscalls
from lamina.runtime.containers import container as containers
from lamina.runtime.containers import (
    events,
    health,
    joining,
    log_settings,
    plan,
    process,
    resolving,
    state,
    stop,
    streams,
    volumes,
)
from lamina.runtime.containers.attached import Attached, Pipes
from lamina.runtime.containers.connecting import connect
from lamina.runtime.containers.mounting import Mounting
from lamina.runtime.containers.uplink import Uplink
from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation import wire
from lamina.runtime.isolation.binds import bind_fds
from lamina.runtime.isolation.namespaces import open_joined
from lamina.runtime.isolation.request import open_cgroups
from lamina.runtime.owner import Owner
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from typing import Any

    from lamina.oci.store.store import Store
    from lamina.runtime.cgroups.cgroup import Cgroup
    from lamina.runtime.containers.connecting import Connecting
    from lamina.runtime.containers.console import Console
    from lamina.runtime.containers.joining import Joined
    from lamina.runtime.containers.state import Container, State
    from lamina.runtime.isolation.namespaces import Membership
    from lamina.runtime.isolation.snapshot import Snapshot
    from lamina.runtime.isolation.zygote import Zygote
    from lamina.runtime.spec import Spec


class AlreadyStarted(ContainerError):
    """The container runs, or somebody else is starting it."""


@value
class _Ready:
    """What a start is made of. `sources` are what its binds are of; `joined.memory`
    among them is a mount already."""

    spec: Spec
    snapshot: Snapshot
    sources: tuple[int, ...]
    lendable: tuple[tuple[str, int], ...]
    joined: Joined
    pipes: Pipes

    @property
    def memory_place(self) -> int:
        """Where the mount for /dev/shm is in `sources`; -1 where it has its own."""
        memory = self.joined.memory
        return self.sources.index(memory) if memory >= 0 else -1

    def trees(self) -> tuple[int, ...]:
        """Detached mounts of the sources; the caller's to close."""
        memory = self.joined.memory
        binds = [mount for mount in self.spec.mounts if mount.type == "bind"]
        return tuple(
            os.dup(source)
            if source == memory
            else syscalls.open_tree(source, recursive="bind" not in mount.options)
            for source, mount in zip(self.sources, binds, strict=True)
        )

    def volumes(self) -> tuple[tuple[str, int], ...]:
        """The volumes that are mounts, and where they are in `sources`."""
        return tuple((n, self.sources.index(fd)) for n, fd in self.lendable)


class Start:
    """One start of a container by a keeper; `warning` says what could not be limited.

    What is prepared belongs to this process until it is handed over.
    """

    def __init__(self, store: Store, zygote: Zygote, container: Container) -> None:
        self.warning = ""
        self.store = store
        self._zygote = zygote
        self._container = self._told = container
        self._place = state.directory(store.root, container.id)
        self._owner = Owner.of(container.id, zygote.pid)
        self._uplink = Uplink()
        self._cgroup: Cgroup | None = None
        self._handed_over = False

    def claim(self) -> None:
        """Make sure that nobody else starts it: for one that was created before.

        Raises AlreadyStarted.
        """
        from lamina.runtime.containers import writers

        root, identity = self.store.root, self._container.id
        with state.locked(root):
            known = state.load_state(root, identity)
            if known.keeper is not None and known.keeper.alive:
                raise AlreadyStarted("the container is running already")
            claimed = replace(state.unseen(known), keeper=Owner.of(identity))
            state.save_state(root, identity, claimed)
        writers.wait(self._place)

    def run(
        self,
        console: Console | None,
        connecting: Connecting | None = None,
        detached: bool = True,
    ) -> Attached:
        """Start the command, watched by `console`; unless it is `detached` it ends when
        this process does.

        Raises ContainerError when that fails: the container stays as it was then, as
        with docker, or goes when it is one of `--rm`. `connecting` is its connection,
        where that was begun before.
        """
        from lamina.runtime.isolation.userns import require_namespaces

        try:
            require_namespaces()
            if connecting is None:
                self._uplink = connect(self.store.root, self._container, self._owner)
            attached = self._hand_over(console, connecting, detached)
        except BaseException as error:
            if not self._handed_over:
                self._failed(error)
            raise
        try:
            attached.started()
        except BaseException:
            attached.close()
            raise
        return attached

    def _hand_over(
        self, console: Console | None, connecting: Connecting | None, detached: bool
    ) -> Attached:
        linked, self._told = self._linked()
        container = self._told
        found = volumes.of_container(container.options, container.config)
        etc = resolving.FILES
        joined = joining.join(self.store.root, container.options)
        spec = plan.plan(container, found, etc, joined.namespaces)
        if console is not None and console.terminal >= 0:
            size = streams.size_of(console.terminal)
            spec = replace(spec, process=replace(spec.process, console_size=size))
        self._cgroup = self._make_cgroup(spec)
        if connecting is not None:
            self._prepare(spec, connecting.namespace())
            self._uplink = connecting.result()
        self._write_etc(linked)
        pipes = Pipes(wanted_streams(container, console))
        with contextlib.ExitStack() as stack:
            stack.callback(pipes.close_theirs)
            stack.callback(joined.close)
            lender = self._uplink.lender
            mounting = Mounting(self.store, container, self._place, stack, lender)
            sources = mounting.sources(found, etc, joined.memory)
            lendable = tuple(mounting.lendable.items())
            asked = (spec, mounting.snapshot(), sources, lendable)
            ready = _Ready(*asked, joined, pipes)
            if console is not None:
                events.tell(self.store.root, container, "attach")
            line = self._send(ready, stack, detached)
        self._readdress()
        return Attached(line, pipes.ends)

    def _linked(self) -> tuple[tuple[tuple[str, str], ...], Container]:
        """What `--link` gives on the default network: lines of /etc/hosts, and the
        container with variables about the others."""
        if not self._container.options.links:
            return (), self._container
        from lamina.runtime.containers import linking

        found = linking.links(self.store.root, self._container.options)
        told = linking.started(self.store.root, self._container, found)
        return linking.host_lines(found), told

    def _readdress(self) -> None:
        """Others may link to it, and have the address of its last start."""
        if os.path.exists(f"{self._place}/linkers"):
            from lamina.runtime.containers.linking import readdress

            readdress(self.store.root, self._container)

    def _write_etc(self, linked: tuple[tuple[str, str], ...]) -> None:
        """A container that shares another one's network has that one's files, too."""
        if not self._uplink.lender:
            asked = (self.store.root, self._container, self._uplink, linked)
            resolving.write_files(*asked)

    def _prepare(self, spec: Spec, namespace: int) -> None:
        """Have the keeper begin with what needs no root and no way out; `namespace` is
        closed."""
        assert self._cgroup is not None
        if namespace < 0:
            return
        try:
            if self._is_ours:
                self._zygote.prepare(spec, namespace, bool(self._cgroup.directories))
        finally:
            os.close(namespace)

    @property
    def _is_ours(self) -> bool:
        """Whether the keeper launches it itself, and no other runtime."""
        return self._container.options.runtime in ("", "lamina")

    def _make_cgroup(self, spec: Spec) -> Cgroup:
        if self._container.options.cgroup_parent:
            from lamina.runtime.containers.placing import cgroup_below

            asked = (self.store.root, self._container, self._owner, spec.resources)
            return cgroup_below(*asked)
        from lamina.runtime.cgroups.owned import collect, create

        collect()
        owner = self._owner
        group = create(self._container.id, spec.resources, owner=owner)
        if group.warning and not group.exists:
            from lamina.runtime.containers.placing import scoped

            group, self.warning = scoped(self._container, owner, spec.resources, group)
            return group
        self.warning = group.warning
        return group

    def _send(
        self, ready: _Ready, stack: contextlib.ExitStack, detached: bool
    ) -> _socket.socket:
        """Hand all of it to the keeper; our end of the line to it."""
        assert self._cgroup is not None
        network: int | str = self._uplink.namespace
        if network == -1:
            network = self._container.options.network
        bpf = process.seccomp_filter(self.store.root, self._container)
        cgroups = open_cgroups(self._cgroup.directories)
        trees = ready.trees()
        for fd in (*cgroups, *trees):
            stack.callback(os.close, fd)
        parts = self._zygote.parts(
            ready.spec, ready.snapshot, network, bpf, len(cgroups)
        )
        joined = open_joined(parts.namespaces)
        mounts = bind_fds(parts.plan.binds, trees)
        for fd in (*joined, *mounts):
            stack.callback(os.close, fd)
        handed = self._uplink.hand_over()
        kinds = (
            tuple(joined),
            tuple(cgroups),
            tuple(mounts),
            ready.sources,
            handed.serving,
            handed.held,
            handed.resolving,
        )
        taken = (self.store.root, self._container, self._uplink.endpoints)
        lenders = dict(ready.joined.lenders)
        if self._uplink.lender:
            lenders["network"] = self._uplink.lender
        keep = {
            **_described(self.store, self._container),
            "told": events.tell_taken(*taken),
            "lenders": tuple(
                (kind, lenders.get(kind, "")) for kind, _ in parts.namespaces.joined
            ),
            "volumes": ready.volumes(),
            "memory": (ready.memory_place, ready.joined.memory_of),
            "foreign": self._foreign(ready, parts.namespaces),
            "early": parts.early,
            "late": parts.late,
            "warm": False,
            "state": self._begun().__dict__,
            "detached": detached,
            "probe": health.probe(self._told, bpf),
            "binds": tuple(tuple(m.__dict__.values()) for m in parts.plan.binds),
            "cgroup": self._cgroup.path,
            "endpoints": handed.endpoints,
            "ports": handed.ports,
            "resolver": handed.resolver,
            "hub": handed.hub,
            "owner": str(self._owner),
            "counts": tuple(len(fds) for fds in kinds),
        }
        keep["state"] = _plain(keep["state"])
        line, theirs = wire.pair()
        request = {"op": "keep", "streams": ready.pipes.streams, "keep": keep}
        fds = tuple(fd for kind in kinds for fd in kind)
        try:
            self._zygote.send(request, (theirs.fileno(), *ready.pipes.theirs, *fds))
        except BaseException:
            line.close()
            raise
        finally:
            theirs.close()
        self._handed_over = True
        self._uplink.release()
        return line

    def _foreign(self, ready: _Ready, spaces: Membership) -> dict[str, Any]:
        """What the keeper is told of another runtime; {} where it launches itself."""
        if self._is_ours:
            return {}
        from lamina.runtime.containers import foreign

        assert self._cgroup is not None
        program = foreign.check(self._container.options)
        found = (spaces, ready.snapshot, self._cgroup.path)
        asked = (program, self._place, self._container, ready.spec)
        return foreign.write_bundle(*asked, found)

    def _begun(self) -> State:
        """The container's state while its keeper starts it."""
        assert self._cgroup is not None
        known = state.load_state(self.store.root, self._container.id)
        begun = replace(
            known,
            keeper=self._owner,
            error="",
            endpoints=self._uplink.endpoints,
            ports=tuple(str(mapping) for mapping in self._uplink.ports),
            cgroup=self._cgroup.path,
            restart_count=0,
            health=None,
            stopped=False,
        )
        # Before it is handed over: what dies from here on has it collected.
        state.save_state(self.store.root, self._container.id, begun)
        return begun

    def _failed(self, error: BaseException) -> None:
        """Give back what was taken for a start that came to nothing."""
        if self._cgroup is not None:
            self._cgroup.kill()
            self._cgroup.delete()
        self._uplink.close()
        if self._container.options.remove:
            containers.remove(self.store, self._container)
            return
        code = error.exit_code if isinstance(error, ContainerError) else 125
        known = state.load_state(self.store.root, self._container.id)
        failed = replace(
            known,
            keeper=None,
            init=None,
            exit_code=code,
            error=str(error),
            endpoints=(),
            ports=(),
            cgroup="",
        )
        state.save_state(self.store.root, self._container.id, failed)


def _described(store: Store, container: Container) -> dict[str, Any]:
    """What of a container does not depend on the start."""
    options = container.options
    name, _, most = options.restart.partition(":")
    return {
        "id": container.id,
        "root": store.root,
        "name": container.name,
        "actor": events.described(container),
        "log": log_settings.settings(container),
        "terminal": options.terminal,
        "stdin": options.interactive,
        # A terminal has no end that one of its readers could cause.
        "once": options.interactive and not (options.detached or options.terminal),
        "remove": options.remove,
        "policy": (name, int(most or 0)),
        "stop": (stop.stop_signal(container), stop.patience_of(container)),
        "check": health.check_of(container.config),
    }


def wanted_streams(container: Container, console: Console | None) -> tuple[str, ...]:
    """The streams for which a client needs a pipe."""
    if console is None:
        return ()
    names = []
    if console.stdin >= 0 and container.options.interactive:
        names.append("stdin")
    if console.stdout >= 0:
        names.append("stdout")
    if console.stderr >= 0 and not container.options.terminal:
        names.append("stderr")
    return tuple(names)


def _plain(given: Any) -> Any:
    """A state's fields as what marshal can carry."""
    if isinstance(given, tuple):
        return tuple(map(_plain, given))
    if isinstance(given, dict):
        return {name: _plain(inner) for name, inner in given.items()}
    return _plain(dict(given.__dict__)) if hasattr(given, "__dict__") else given
