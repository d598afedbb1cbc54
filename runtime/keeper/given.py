"""What a keeper is given of a container: plain data, and descriptors."""

from __future__ import annotations

import _socket
import errno
import marshal
import os

from lamina.runtime import syscalls
from lamina.runtime.cgroups.cgroup import Cgroup
from lamina.runtime.cgroups.hierarchy import DELEGATION
from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation import wire
from lamina.runtime.isolation.binds import set_attributes
from lamina.runtime.keeper.health import Check
from lamina.runtime.keeper.lending import HUB, MEMORY, VOLUME, borrow
from lamina.runtime.keeper.log import LogWriter
from lamina.runtime.keeper.networks import Networks
from lamina.runtime.keeper.restarts import Policy
from lamina.runtime.owner import Owner
from lamina.runtime.spec import Mount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from lamina.runtime.network.published import Published

_SIGCHLD = 17


class Given:
    """One container's data, as containers/handing.py makes it, and its descriptors by
    kind; `close` lets go of the latter.

    `namespaces`: those it joins, its network first. `cgroups`: the files to write to.
    `sources`: what its binds are of, in the host's mount namespace. `held`: what only
    has to stay open while it lives.
    """

    def __init__(
        self, data: dict[str, Any], fds: dict[str, list[int]], host: Host
    ) -> None:
        self.id: str = data["id"]
        self.root: str = data["root"]
        self.place = f"{self.root}/containers/{self.id}"
        self.name: str = data["name"]
        self.actor: dict[str, str] = data["actor"]
        # What the journal is told at the end: networks (ID and kind), volumes.
        self.told_networks: dict[str, tuple[str, str]] = data["told"]["networks"]
        self.told_volumes: tuple[str, ...] = data["told"]["volumes"]
        self.early: bytes = data["early"]
        self.late: bytes = data["late"]
        # The runtime that is to launch it: its `program` and the `namespaces` to join;
        # {} when this process does.
        self.foreign: dict[str, Any] = data["foreign"]
        self.state: dict[str, Any] = data["state"]
        # Limits, attributes, whether rotated files are compressed (log.py).
        self._log: tuple[int, int, str, bool] | None = data["log"]
        self.terminal: bool = data["terminal"]
        self.stdin: bool = data["stdin"]
        self.once: bool = data["once"]
        self.remove: bool = data["remove"]
        self.detached: bool = data["detached"]
        self.policy = Policy(*data["policy"])
        # The signal that asks it to end, and how long to wait then (s, -1: for ever).
        self.stop: tuple[int, int] = data["stop"]
        self.check = Check(*data["check"]) if data["check"] else None
        self.probe: dict[str, Any] = data["probe"]
        self.binds = tuple(Mount(*fields) for fields in data["binds"])
        self._cgroup: str = data["cgroup"]
        # Whose namespaces are joined: types and containers' directories, in order.
        self.lenders: tuple[tuple[str, str], ...] = data["lenders"]
        # Which of the sources is another's /dev/shm, and that container's directory.
        self.memory: tuple[int, str] = data["memory"]
        owner = Owner.parse(data["owner"])
        assert owner is not None
        self.owner = owner
        self._host = host
        self.namespaces, self.cgroups = fds["namespaces"], fds["cgroups"]
        self.sources, self._held = fds["sources"], fds["held"]
        self.mounts = fds["mounts"]
        # What others may have of it beside namespaces (lending.py).
        self.lendable = {VOLUME + n: self.sources[at] for n, at in data["volumes"]}
        if data["hub"]:
            self.lendable |= dict(zip(HUB, self._held[-2:], strict=True))
        published: Published | None = None
        if data["ports"] is not None:
            from lamina.runtime.network.published import taken_over

            ports, serving = data["ports"], fds["serving"]
            namespace = self.namespaces[0] if ports["inside"] else None
            published = taken_over(ports, serving, namespace, _socket_inside)
        inside = self.namespaces[0] if self.namespaces else -1
        self.networks = Networks(data["endpoints"], owner, published, inside)
        self.networks.inside = _socket_inside
        if data["hub"]:
            self.networks.hub = self._held[-2]
        self.resolver: dict[str, Any] | None = data["resolver"]
        self.resolving = fds["resolving"]

    @property
    def published(self) -> Published | None:
        """Its open ports."""
        return self.networks.published

    def tell_of_networks(self, identity: str = "") -> None:
        """At the end those are told of that it is on now; `identity` is a new one's."""
        told = self.told_networks
        names = [one["name"] for one in self.networks.described()]
        self.told_networks = {
            name: told.get(name, (identity, "bridge")) for name in names
        }

    def enter_cgroups(self, files: list[int], path: str) -> None:
        """Have new processes join these cgroups: limits may have come in others, and
        it may have had none. `path` is its cgroup's."""
        self._cgroup = path
        for fd in self.cgroups:
            os.close(fd)
        self.cgroups = files
        if self.late:
            parts = {**self.late_parts(), "cgroups": len(files)}
            self.late = marshal.dumps(parts)

    def hold_hub(self, fds: list[int]) -> None:
        """Keep the hub of the user's networks, on one of which it is from now on."""
        if HUB[0] in self.lendable:
            for fd in fds:
                os.close(fd)
            return
        self._held += fds
        self.networks.hub = fds[0]
        self.lendable |= dict(zip(HUB, fds, strict=True))

    def late_parts(self) -> dict[str, Any]:
        """The second part of the launch (isolation/children.py)."""
        return wire.load(self.late)

    def current_name(self) -> str:
        """Its name, which may be another one by now: names are links to IDs."""
        folder = f"{self.root}/names"
        try:
            if os.readlink(f"{folder}/{self.name}") == self.id:
                return self.name
        except OSError:
            pass
        for name in os.listdir(folder):
            try:
                if os.readlink(f"{folder}/{name}") == self.id:
                    return name
            except OSError:
                continue
        return self.name

    @property
    def cgroup(self) -> Cgroup | None:
        """Its cgroup, in the hierarchies that it is in by now."""
        return Cgroup(self._cgroup, self._host.cgroups) if self._cgroup else None

    def oom_killed(self) -> bool:
        """Whether the kernel has killed one of its processes for want of memory."""
        group = self.cgroup
        return group is not None and group.oom_killed

    def freeze(self, frozen: bool) -> None:
        """Stop all of its processes, or let them go on; raises ContainerError."""
        group = self.cgroup
        if group is None:
            raise ContainerError(
                "The container has no cgroup, so it cannot be paused.",
                hint=DELEGATION,
            )
        if frozen:
            group.freeze()
        else:
            group.thaw()

    def close(self) -> None:
        """The container is no more."""
        for fd in (*self.namespaces, *self.cgroups, *self.sources, *self._held):
            os.close(fd)

    def new_log(self) -> LogWriter | None:
        """Its log, where it is to have one."""
        if self._log is None:
            return None
        max_size, max_files, attrs, compressed = self._log
        visit = self.visit_host if compressed else None
        return LogWriter(f"{self.place}/log", max_size, max_files, attrs, visit)

    def visit_host(self) -> None:
        """In a child: be where the host's paths are."""
        syscalls.setns(self._host.mounts, syscalls.CLONE_NEWNS)

    @property
    def shares_processes(self) -> bool:
        """Whether its end leaves processes: it is in a pid namespace of others."""
        return not marshal.loads(self.early)["new"] & syscalls.CLONE_NEWPID

    def borrow_anew(self) -> None:
        """Join what those have now whose namespaces are shared; raises OSError and
        ContainerError."""
        for number, (kind, place) in enumerate(self.lenders):
            if place:
                fresh = borrow(place, (kind,))[0]
                os.close(self.namespaces[number])
                self.namespaces[number] = fresh


class Host:
    """Ways back to the host, opened before this process left its mounts behind."""

    def __init__(self) -> None:
        flags = os.O_RDONLY | os.O_CLOEXEC
        self.mounts = os.open("/proc/self/ns/mnt", flags)
        # A path for as long as this process lives.
        try:
            self._cgroups = os.open("/sys/fs/cgroup", flags | os.O_DIRECTORY)
        except OSError:
            self._cgroups = -1
        self.cgroups = f"/proc/self/fd/{self._cgroups}"


def clone_mounts(given: Given) -> list[int]:
    """New detached mounts of the sources; a child makes them, on the host's side.

    Only who is in the mount namespace of a mount may clone it (open_tree(2)).
    """
    number, lender = given.memory
    lent = borrow(lender, (MEMORY,)) if lender else []
    ours, theirs = wire.pair()
    pid, pidfd = syscalls.clone3(0, _SIGCHLD)
    if pid == 0:
        try:
            given.visit_host()
            trees = tuple(
                lent[0] if lent and place == number else _tree(source, mount)
                for place, (source, mount) in enumerate(
                    zip(given.sources, given.binds, strict=True)
                )
            )
            for tree, mount in zip(trees, given.binds, strict=True):
                set_attributes(tree, mount)
            wire.send(theirs, {}, trees)
        finally:
            os._exit(0)
    theirs.close()
    os.close(pidfd)
    for fd in lent:
        os.close(fd)
    data, fds = wire.receive(ours)
    ours.close()
    os.waitpid(pid, 0)
    if not data:
        raise OSError(errno.ENOENT, "a source is gone")
    return fds


def _tree(source: int, mount: Mount) -> int:
    return syscalls.open_tree(source, recursive="bind" not in mount.options)


def _socket_inside(
    namespace: int, make: Callable[[], _socket.socket]
) -> _socket.socket:
    """A socket made in another network namespace, by a child: this process may have
    no threads, and could not come back."""
    ours, theirs = wire.pair()
    pid, pidfd = syscalls.clone3(0, _SIGCHLD)
    if pid == 0:
        try:
            syscalls.setns(namespace, syscalls.CLONE_NEWNET)
            made = make()  # or it would be closed before it is sent
            wire.send(theirs, {}, (made.fileno(),))
        finally:
            os._exit(0)
    theirs.close()
    os.close(pidfd)
    _, fds = wire.receive(ours)
    ours.close()
    os.waitpid(pid, 0)
    if not fds:
        raise OSError(errno.ENETUNREACH, "no socket")
    return _socket.socket(fileno=fds[0])


def by_kind(counts: dict[str, int], fds: list[int]) -> dict[str, list[int]]:
    """Descriptors that came one after the other, so many of each kind."""
    found = {}
    for kind, count in counts.items():
        found[kind], fds = fds[:count], fds[count:]
    assert not fds, "descriptors that nobody counted"
    return found
