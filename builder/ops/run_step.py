"""RUN: one isolated process on a writable snapshot, its output told as it comes.

A build has one zygote, one network namespace that its steps share, and one cgroup that
the zygote sits in, so that a step costs neither a new interpreter nor a migration.
Everything that a step has started ends with its first process.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time

from lamina.builder.errors import StepFailed
from lamina.builder.events import StepOutput
from lamina.builder.ops.mount_points import take_away
from lamina.builder.ops.step_limits import StepLimits
from lamina.builder.ops.step_mounts import StepMounts
from lamina.builder.ops.step_spec import ETC_FILES, etc_files, step_spec
from lamina.lang.source import excerpt
from lamina.oci.files.ids import has_one_id
from lamina.runtime.cgroups import owned
from lamina.runtime.cgroups.owned import BUILD_PIDS
from lamina.runtime.errors import CommandNotFound
from lamina.runtime.isolation import seccomp
from lamina.runtime.isolation.fuse_marks import settle
from lamina.runtime.isolation.sandbox import ExitStatus, Sandbox
from lamina.runtime.isolation.snapshot import Snapshot
from lamina.runtime.isolation.stubs import stub_layer
from lamina.runtime.isolation.userns import require_namespaces
from lamina.runtime.isolation.zygote import Options, Zygote
from lamina.runtime.spec import (
    DEFAULT_CAPABILITIES,
    DeviceRule,
    Mount,
    Resources,
    Spec,
)
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.builder.events import Emit
    from lamina.builder.inputs.build import BuildInputs
    from lamina.builder.solving.graph import RunOp
    from lamina.builder.solving.work import Work
    from lamina.builder.sources.reads import Reads
    from lamina.oci.files.workspace import Workspace
    from lamina.oci.store.store import Store
    from lamina.runtime.cgroups.cgroup import Cgroup
    from lamina.runtime.containers.console import Console
    from lamina.runtime.containers.uplink import Uplink
    from lamina.runtime.paths import Created

# The last output that an error shows.
_SHOWN_LINES = 30
_KEPT_BYTES = 64 << 10
_NO_PROGRAM = (
    "Is it in this stage, and on PATH? A stage FROM scratch has no shell: copy a "
    "program into it, and give it to RUN as an array."
)
# Less than this is a full disk.
_FULL = 1 << 20


class Runner:
    """The runtime of one build. Several threads may run steps at once."""

    def __init__(
        self,
        store: Store,
        inputs: BuildInputs,
        reads: Reads,
        emit: Emit,
        workspace: Workspace,
    ) -> None:
        require_namespaces()
        self._store = store
        self._inputs = inputs
        self._emit = emit
        self._place = workspace.directory("runtime", 0o755)
        self._mounts = StepMounts(
            store, inputs, reads, emit, workspace, lambda: self._stopped
        )
        self._lock = threading.Lock()
        self._running: set[Sandbox] = set()
        self._stopped = False
        self._uplink: Uplink | None = None
        owned.collect()
        self._cgroup = owned.create("build", Resources(), ceiling=BUILD_PIDS)
        self._insecure: Cgroup | None = None
        self._zygote = Zygote.start(
            Options(keep=(store.root,), cgroups=self._cgroup.directories)
        )
        self._limits = StepLimits(inputs, emit, self._zygote.pid)
        self._stubs = stub_layer(store.root, container=False)
        self._bpf = seccomp.cached_profile(
            _made(f"{store.root}/seccomp"), DEFAULT_CAPABILITIES, one_id=has_one_id()
        )
        self._null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """End everything that is left of the build's steps."""
        self._zygote.close()
        self._mounts.close()
        self._cgroup.delete()
        if self._insecure is not None:
            self._insecure.delete()
        if self._uplink is not None:
            self._uplink.close()
        os.close(self._null)

    def stop(self) -> None:
        """Kill what runs; nothing new starts."""
        with self._lock:
            self._stopped = True
            for sandbox in self._running:
                sandbox.kill()

    def run(
        self,
        work: Work,
        operation: RunOp,
        lowers: tuple[str, ...],
        upper: str,
        place: str,
    ) -> None:
        """Run one step with its changes in `upper`; raises StepFailed."""
        network = self._network(operation.network)
        os.mkdir(f"{place}/work")
        snapshot = Snapshot((*lowers, self._stubs), upper, f"{place}/work")
        began = time.monotonic()
        with self._mounts.prepare(work, operation, place) as extra:
            files = self._file_mounts(operation.network)
            spec = step_spec(operation, self._inputs, extra.env, files)
            spec = extra.add_to(spec)
            with self._limits.of(work, spec) as group:
                status, created, output = self._launch(
                    work, spec, snapshot, network, extra.fds, group
                )
                out_of_memory = bool(status.code) and (group or self._cgroup).oom_killed
        settle(upper, snapshot.lowers, self._store.xattrs)
        take_away(upper, snapshot.lowers, created)
        if status.code:
            hint = self._out_of_memory() if out_of_memory else self._hint(status)
            raise _failure(work, status, output, hint, time.monotonic() - began)

    def enter(
        self,
        work: Work,
        operation: RunOp,
        lowers: tuple[str, ...],
        place: str,
        console: Console,
    ) -> int:
        """Run a command on `console`, as a step would; its exit code."""
        from lamina.runtime.containers.console import open_streams
        from lamina.runtime.containers.session import Session
        from lamina.runtime.containers.streams import size_of

        network = self._network(operation.network)
        for name in ("upper", "work"):
            os.mkdir(f"{place}/{name}")
        snapshot = Snapshot((*lowers, self._stubs), f"{place}/upper", f"{place}/work")
        typed = console.terminal >= 0
        with contextlib.ExitStack() as stack:
            extra = stack.enter_context(self._mounts.prepare(work, operation, place))
            files = self._file_mounts(operation.network)
            spec = step_spec(operation, self._inputs, extra.env, files)
            size = size_of(console.terminal) if typed else (0, 0)
            process = replace(spec.process, terminal=typed, console_size=size)
            spec = extra.add_to(replace(spec, process=process))
            streams, ends = open_streams(typed, console.stdin >= 0, stack)
            insecure = bool(spec.resources.devices)
            sandbox = self._zygote.launch(
                spec,
                snapshot,
                streams,
                network,
                extra.fds,
                bpf=b"" if insecure else self._bpf,
                cgroups=self._own_cgroup(insecure, None),
            )
        with sandbox:
            status = Session(sandbox, ends, console).run()
            assert status is not None, "a step's shell has no keys to leave it by"
            return status.code

    def _out_of_memory(self) -> str:
        limit = self._inputs.memory
        of = f"the limit of {limit >> 20} MiB" if limit else "the memory's end"
        more = "; give it more with --memory" if limit else ""
        return f"Out of memory: the kernel killed a process at {of}{more}."

    def _hint(self, status: ExitStatus) -> str:
        """What may have made a command fail that is not its own fault."""
        disk = os.statvfs(self._store.root)
        # btrfs counts no inodes: all its numbers of them are 0.
        no_inodes = disk.f_files and not disk.f_favail
        if disk.f_bavail * disk.f_frsize < _FULL or no_inodes:
            return (
                f"The disk that holds {self._store.root} is full: `lamina system "
                "prune` frees what nothing needs."
            )
        if status.code == 127:
            return "127: a command was not found. Does the image have it, on PATH?"
        return ""

    def _launch(
        self,
        work: Work,
        spec: Spec,
        snapshot: Snapshot,
        network: int | str,
        fds: tuple[int, ...],
        group: Cgroup | None,
    ) -> tuple[ExitStatus, tuple[Created, ...], bytes]:
        """Start the process, pass its output on, wait for its end."""
        reader, writer = os.pipe2(os.O_CLOEXEC)
        try:
            try:
                insecure = bool(spec.resources.devices)
                sandbox = self._zygote.launch(
                    spec,
                    snapshot,
                    (self._null, writer, writer),
                    network,
                    fds,
                    bpf=b"" if insecure else self._bpf,
                    cgroups=self._own_cgroup(insecure, group),
                )
            except CommandNotFound as error:
                error.hint = error.hint or _NO_PROGRAM
                raise
            finally:
                os.close(writer)
            with sandbox:
                self._note(sandbox)
                try:
                    output = self._pass_on(work.step.index, reader)
                    return sandbox.wait(), sandbox.created, output
                finally:
                    self._forget(sandbox)
        finally:
            os.close(reader)

    def _own_cgroup(self, insecure: bool, group: Cgroup | None) -> tuple[str, ...]:
        if group is not None:
            return group.directories
        return self._all_devices() if insecure else ()

    def _all_devices(self) -> tuple[str, ...]:
        """The cgroup of steps that are not isolated: the build's allows no device."""
        with self._lock:
            if self._insecure is None:
                rule = DeviceRule(True)
                self._insecure = owned.create(
                    "insecure", Resources(devices=(rule,)), ceiling=BUILD_PIDS
                )
            return self._insecure.directories

    def _note(self, sandbox: Sandbox) -> None:
        with self._lock:
            self._running.add(sandbox)
            if self._stopped:
                sandbox.kill()

    def _forget(self, sandbox: Sandbox) -> None:
        with self._lock:
            self._running.discard(sandbox)

    def _pass_on(self, step: int, reader: int) -> bytes:
        """Emit what comes from the pipe until nobody holds its other end."""
        kept = b""
        while data := os.read(reader, 1 << 16):
            self._emit(StepOutput(step, data))
            kept = (kept + data)[-_KEPT_BYTES:]
        return kept

    def _network(self, kind: str) -> int | str:
        """`none`, `host`, or the namespace that the build's steps share."""
        if kind in ("none", "host"):
            return kind
        with self._lock:
            if self._uplink is None:
                from lamina.runtime.containers.connecting import outbound

                self._uplink = outbound(f"build-{os.getpid()}")
            return self._uplink.namespace

    def _file_mounts(self, kind: str) -> tuple[Mount, ...]:
        """resolv.conf and hosts, as the steps on a network of this kind see them."""
        place = f"{self._place}/{kind}"
        with self._lock:
            if not os.path.isdir(place):
                os.mkdir(place)
                for name, text in etc_files(kind, self._uplink, self._inputs).items():
                    with open(f"{place}/{name}", "w", encoding="utf-8") as file:
                        # For every user of a step, whatever our caller's umask is.
                        os.fchmod(file.fileno(), 0o644)
                        file.write(text)
        return tuple(
            Mount(f"/etc/{name}", "bind", f"{place}/{name}", ("bind", "ro"))
            for name in ETC_FILES
        )


def _made(path: str) -> str:
    os.makedirs(path, mode=0o700, exist_ok=True)
    return path


def _failure(
    work: Work, status: ExitStatus, output: bytes, hint: str, seconds: float
) -> StepFailed:
    """What a failed step says: the place, its last lines, how it ended, what to do."""
    from lamina.builder.ops.output import printable

    ended = f"ended with exit code {status.code}"
    if status.signal:
        ended = f"was killed by signal {status.signal} ({_signal_name(status.signal)})"
    span = work.step.span
    lines = printable(output).rstrip().split("\n")[-_SHOWN_LINES:]
    shown = "\n".join(f"  | {line}" for line in lines if output)
    parts = [part for part in (shown, excerpt(span) if span else "") if part]
    return StepFailed(
        f"{work.step.name} {ended} after {seconds:.1f} s.",
        place=str(span) if span else "",
        excerpt="\n".join(parts),
        hint=hint,
    )


def _signal_name(number: int) -> str:
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:
        return "a real-time signal"
