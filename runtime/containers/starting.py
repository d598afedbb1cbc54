"""Starting a container: all that it needs is prepared, and handed to its keeper.

The keeper (runtime/keeper) is the zygote that launches it. From then on it alone
attends to the container and writes its state, and gives back at the end what was taken
here; when it dies, however that is, the container dies with it, and whoever looks next
finds the record of a keeper that is gone (container.collect).
"""

from __future__ import annotations

import contextlib
import os

from lamina.runtime.containers import container as containers
from lamina.runtime.containers import (
    events,
    handing,
    health,
    joining,
    plan,
    process,
    resolving,
    state,
    streams,
    volumes,
)
from lamina.runtime.containers.attached import Attached, Pipes
from lamina.runtime.containers.connecting import connect
from lamina.runtime.containers.handing import Ready
from lamina.runtime.containers.mounting import Mounting
from lamina.runtime.containers.uplink import Uplink
from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation.binds import bind_fds
from lamina.runtime.isolation.namespaces import open_joined
from lamina.runtime.isolation.request import open_cgroups
from lamina.runtime.owner import Owner
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from typing import Any

    from lamina.oci.store.store import Store
    from lamina.runtime.cgroups.cgroup import Cgroup
    from lamina.runtime.containers.connecting import Connecting
    from lamina.runtime.containers.console import Console
    from lamina.runtime.containers.state import Container, State
    from lamina.runtime.isolation.namespaces import Membership
    from lamina.runtime.isolation.zygote import Parts, Zygote
    from lamina.runtime.spec import Spec


class AlreadyStarted(ContainerError):
    """The container runs, or somebody else is starting it."""


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
                raise AlreadyStarted("The container is running already.")
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
            snapshot = mounting.snapshot()
            ready = Ready(spec, snapshot, sources, lendable, joined, pipes)
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
            root, container = self.store.root, self._container
            resolving.write_files(root, container, self._uplink, linked)

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

            root, container = self.store.root, self._container
            return cgroup_below(root, container, self._owner, spec.resources)
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
        self, ready: Ready, stack: contextlib.ExitStack, detached: bool
    ) -> _socket.socket:
        """Hand all of it to the keeper; our end of the line to it."""
        assert self._cgroup is not None
        root, container, uplink = self.store.root, self._container, self._uplink
        bpf = process.seccomp_filter(root, container)
        parts, opened = self._opened(ready, bpf, stack)
        handed = uplink.hand_over()
        keep = {
            **handing.described(root, container),
            **handing.launch(parts),
            **handing.connection(handed),
            **handing.shared(ready, parts.namespaces, uplink.lender),
            "told": events.tell_taken(root, container, uplink.endpoints),
            "foreign": self._foreign(ready, parts.namespaces),
            "state": handing.plain(self._begun()),
            "detached": detached,
            "probe": health.probe(self._told, bpf),
            "cgroup": self._cgroup.path,
            "owner": str(self._owner),
        }
        fds = {
            **opened,
            "sources": ready.sources,
            "serving": handed.serving,
            "held": handed.held,
            "resolving": handed.resolving,
        }
        line = handing.send(self._zygote, ready.pipes, keep, fds)
        self._handed_over = True
        uplink.release()
        return line

    def _opened(
        self, ready: Ready, bpf: bytes, stack: contextlib.ExitStack
    ) -> tuple[Parts, dict[str, tuple[int, ...]]]:
        """The launch as data, and the descriptors that belong to it, by kind; `stack`
        closes them."""
        assert self._cgroup is not None
        network: int | str = self._uplink.namespace
        if network == -1:
            network = self._container.options.network
        cgroups = open_cgroups(self._cgroup.directories)
        trees = ready.trees()
        for fd in (*cgroups, *trees):
            stack.callback(os.close, fd)
        spec, snapshot = ready.spec, ready.snapshot
        parts = self._zygote.parts(spec, snapshot, network, bpf, len(cgroups))
        joined = open_joined(parts.namespaces)
        mounts = bind_fds(parts.plan.binds, trees)
        for fd in (*joined, *mounts):
            stack.callback(os.close, fd)
        return parts, {
            "namespaces": tuple(joined),
            "cgroups": tuple(cgroups),
            "mounts": tuple(mounts),
        }

    def _foreign(self, ready: Ready, spaces: Membership) -> dict[str, Any]:
        """What the keeper is told of another runtime; {} where it launches itself."""
        if self._is_ours:
            return {}
        from lamina.runtime.containers import foreign

        assert self._cgroup is not None
        return foreign.write_bundle(
            foreign.check(self._container.options),
            self._place,
            self._container,
            ready.spec,
            (spaces, ready.snapshot, self._cgroup.path),
        )

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
