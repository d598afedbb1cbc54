"""The zygote, seen by its owner: start it early, launch containers through it.

    zygote = Zygote.start(Options(keep=(store.root,)))
    sandbox = zygote.launch(spec, snapshot, (0, 1, 2), "none", bpf=filter)
    status = sandbox.wait()

A process with threads cannot fork safely, and a new interpreter for each step costs
30 ms; the zygote is one small process that forks quickly (isolation/init.py). `start`
returns at once and may be called long before the first launch.
"""

from __future__ import annotations

import _socket
import _thread
import errno
import marshal
import os
import select

from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation import wire
from lamina.runtime.isolation.binds import bind_fds
from lamina.runtime.isolation.booting import Booting, booting
from lamina.runtime.isolation.failures import not_permitted
from lamina.runtime.isolation.mounts import Plan, plan
from lamina.runtime.isolation.namespaces import Membership, membership, open_joined
from lamina.runtime.isolation.processes import namespaces_of
from lamina.runtime.isolation.request import (
    early_part,
    late_part,
    open_cgroups,
    process_of,
)
from lamina.runtime.isolation.sandbox import Sandbox, started
from lamina.runtime.isolation.snapshot import Snapshot
from lamina.runtime.spec import Process, Spec
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What there may be too few of, and what says how many.
_SCARCE = {errno.EMFILE: "ulimit -n", errno.EAGAIN: "ulimit -u"}


@value
class Options:
    """How a zygote is set up."""

    # The host's paths that layers lie below; other mounts of the host are left out of
    # containers' beginnings, which is faster.
    keep: tuple[str, ...] = ()
    # The directories of cgroups to join.
    cgroups: tuple[str, ...] = ()
    # Keep children waiting that are like those launched before.
    warm: bool = True
    # "string" for the way that old kernels need, see snapshot.py.
    overlay: str = ""
    # The module that it runs.
    program: str = "lamina.runtime.isolation.init"
    # One that keeps containers will have some on a network.
    network: bool = False
    # It is PID 1 of a pid namespace, so that the kernel ends all that it started when
    # it ends; without, it can launch into the pid namespaces of others, and who relies
    # on that end asks for `parent_death` (Process).
    own_pids: bool = True
    # It launches nothing itself, and has all of the host's mounts for who does.
    foreign: bool = False


@value
class Parts:
    """A launch as the zygote wants it: the part that many share, the rest, the plan of
    its mounts, and the namespaces to join (namespaces.open_joined)."""

    early: bytes
    late: bytes
    plan: Plan
    namespaces: Membership


class Zygote:
    """The owner's end. Every method may be called from any thread."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._lock = _thread.allocate_lock()
        self._closed = False
        self._last: tuple[dict[str, Any], Plan, bytes] | None = None
        self._process = self._begin()

    @classmethod
    def start(cls, options: Options | None = None) -> Zygote:
        """Begin to start a zygote; its errors show at the first launch."""
        return cls(options or Options())

    def prepare(
        self, spec: Spec, network: int | str = "", own_cgroup: bool = False
    ) -> None:
        """Say what the first launch will be like: a child gets ready for it.

        Of `spec` count the mounts of /proc, /dev and /sys, names, sysctls, masks and
        capabilities; `own_cgroup`: launch will be given cgroups.
        """
        found = membership(spec.namespaces, network)
        _, early = self._planned(spec, found, own_cgroup)
        joined = open_joined(found)
        wire.tell(self._process.line, {"op": "prepare", "early": early}, tuple(joined))
        for fd in joined:
            os.close(fd)

    @property
    def pid(self) -> int:
        """Its process, once that is spawned; -1 when it could not be."""
        return self._process.pid

    @property
    def lives(self) -> bool:
        """Whether nothing is known that keeps it from launching: it boots, or waits."""
        return not _hung_up(self._process.line)

    def parts(
        self,
        spec: Spec,
        snapshot: Snapshot | int,
        network: int | str,
        bpf: bytes,
        cgroups: int,
    ) -> Parts:
        """A launch as data; see `launch`, `cgroups` is how many there are."""
        found = membership(spec.namespaces, network)
        planned, early = self._planned(spec, found, bool(cgroups))
        layers = None if isinstance(snapshot, int) else snapshot
        late = late_part(spec, planned, layers, bpf, cgroups)
        return Parts(early, marshal.dumps(late), planned, found)

    def launch(  # noqa: PLR0913 (what a container is made of)
        self,
        spec: Spec,
        snapshot: Snapshot | int,
        stdio: tuple[int, int, int] = (0, 1, 2),
        network: int | str = "",
        mount_fds: tuple[int, ...] = (),
        *,
        bpf: bytes = b"",
        cgroups: tuple[str, ...] = (),
    ) -> Sandbox:
        """Start a container; returns once its command has been executed.

        `snapshot`: its root, or the descriptor of a detached mount. `network`: a
        network namespace's descriptor, "host", or "none" for an own one with only
        a loopback, instead of what the spec's namespaces say. `mount_fds`: detached
        mounts for those bind mounts of the spec that have no source, in order. `bpf`:
        the seccomp filter. `cgroups`: cgroup directories of its own. All descriptors
        stay the caller's.

        Raises CommandNotFound, NotExecutable, NotPermitted, ContainerError.
        """
        parts = self.parts(spec, snapshot, network, bpf, len(cgroups))
        request = {
            "op": "launch",
            "early": parts.early,
            "late": parts.late,
            "joined": len(parts.namespaces.joined),
            "warm": self._options.warm,
        }
        opened = open_joined(parts.namespaces)
        try:
            opened += open_cgroups(cgroups)
            count = len(opened)
            opened += bind_fds(parts.plan.binds, mount_fds)
            root = (snapshot,) if isinstance(snapshot, int) else ()
            fds = (*opened[:count], *root, *opened[count:])
            return self._ask(request, (*stdio, *fds))
        finally:
            for fd in opened:
                os.close(fd)

    def launch_exec(
        self,
        pidfd: int,
        process: Process,
        stdio: tuple[int, int, int] = (0, 1, 2),
        *,
        bpf: bytes = b"",
        cgroups: tuple[str, ...] = (),
    ) -> Sandbox:
        """Start one more process in the container whose first process `pidfd` is.

        The container has to be one of this zygote's. Raises as launch.
        """
        request = {
            "op": "exec",
            "process": process_of(process),
            "bpf": bpf,
            "namespaces": namespaces_of(pidfd),
            "detached": False,
        }
        opened = open_cgroups(cgroups)
        try:
            return self._ask(request, (*stdio, pidfd, *opened))
        finally:
            for fd in opened:
                os.close(fd)

    def close(self) -> None:
        """End the zygote and with it everything it started; returns when it is over."""
        self._closed = True
        self._process.end()

    def __enter__(self) -> Zygote:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, request: dict[str, Any], fds: tuple[int, ...]) -> Sandbox:
        """Send a request; wait until the command was executed, or why it was not."""
        return started(lambda ends: self.send(request, (*ends, *fds)), self.died)

    def send(self, request: dict[str, Any], fds: tuple[int, ...]) -> None:
        """Hand the zygote a request; raises ContainerError."""
        try:
            wire.send(self._process.line, request, fds)
        except OSError as error:
            if error.errno in (errno.EPIPE, errno.ECONNRESET, errno.EBADF):
                raise self.died() from None
            raise ContainerError(
                f"Cannot ask for a container: {error.strerror}.",
                hint="Each of its volumes is an open file: raise `ulimit -n`.",
            ) from error

    def _planned(
        self, spec: Spec, found: Membership, own_cgroup: bool
    ) -> tuple[Plan, bytes]:
        """The plan, and the part of a request that many launches share."""
        # The steps of a build are alike: 0.4 ms each that the last plan can save.
        alike = {
            **spec.__dict__,
            "process": spec.process.terminal,
            "namespaces": (found.new, found.joins, found.own),
            "capabilities": spec.process.capabilities,
            "own_cgroup": own_cgroup,
        }
        last = self._last
        if last is not None and last[0] == alike:
            return last[1], last[2]
        planned = plan(spec)
        data = marshal.dumps(early_part(spec, planned, found, own_cgroup))
        self._last = alike, planned, data
        return planned, data

    def _begin(self) -> Booting:
        """A process, to which requests can queue at once, told what it is for."""
        chosen = self._options
        process = booting(chosen.program, chosen.own_pids)
        options = {
            "keep": chosen.keep,
            "overlay": chosen.overlay,
            "network": chosen.network,
            "foreign": chosen.foreign,
        }
        opened = open_cgroups(chosen.cgroups)
        try:
            wire.tell(process.line, options, tuple(opened))
        finally:
            for fd in opened:
                os.close(fd)
        return process

    def died(self) -> ContainerError:
        """Why the zygote does not answer; starts another one if it was killed."""
        if self._closed:
            return ContainerError("What containers are started from has been closed.")
        failure = self._process.failure
        if failure is not None and failure.errno in _SCARCE:
            return ContainerError(
                f"No container can be started: {failure.strerror}.",
                hint=f"Raise `{_SCARCE[failure.errno]}`.",
            )
        if failure is not None:
            return not_permitted(failure)
        with self._lock:
            if not _hung_up(self._process.line):
                # It could not take the descriptors; or another thread has replaced it.
                return ContainerError(
                    "The container was not started.",
                    hint="If it happens again: are too many files open (`ulimit -n`)?",
                )
            if not self._closed:
                self._process.end()
                self._process = self._begin()
        return ContainerError(
            "The process that containers are started from was killed.",
            hint="The kernel may have run out of memory: see `dmesg`.",
        )


def _hung_up(line: _socket.socket) -> bool:
    """Whether nobody has the other end any more."""
    poll = select.poll()
    poll.register(line.fileno(), 0)
    return bool(poll.poll(0))
