"""What a RUN sees beside its root: caches, secrets, agents, other files, tmpfs.

Each becomes a detached mount, handed to the container by descriptor: nothing is ever
attached on the host. Secrets and scripts lie on a tmpfs of their own.
"""

from __future__ import annotations

import os

from lamina.builder.errors import MissingSource
from lamina.builder.ops.bind_mounts import Binds
from lamina.builder.ops.cache_mounts import CacheMounts, cache_name
from lamina.builder.ops.upper import give_away
from lamina.builder.sources.choice import mounted
from lamina.runtime import syscalls
from lamina.runtime.isolation.stage import new_file_system
from lamina.runtime.spec import Mount, Spec
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.builder.events import Emit
    from lamina.builder.inputs.build import BuildInputs
    from lamina.builder.ops.agents import Agents, Forwarder
    from lamina.builder.solving.graph import Inline, RunMount, RunOp
    from lamina.builder.solving.work import Work
    from lamina.builder.sources.items import Selection
    from lamina.builder.sources.reads import Reads
    from lamina.oci.files.workspace import Workspace
    from lamina.oci.store.store import Store

# BuildKit's limit (session/secrets, MaxSecretSize).
_LARGEST_SECRET = 500 << 10


class Extra:
    """The mounts of one step and the variables that secrets became."""

    def __init__(self) -> None:
        self.env: tuple[str, ...] = ()
        self._mounts: list[tuple[Mount, int]] = []
        self._held: list[int] = []
        self._forwarders: list[Forwarder] = []

    def __enter__(self) -> Extra:
        return self

    def __exit__(self, *_: object) -> None:
        for forwarder in self._forwarders:
            forwarder.close()
        for descriptor in (*self.fds, *self._held):
            os.close(descriptor)

    @property
    def fds(self) -> tuple[int, ...]:
        """The detached mounts, in the order of the mounts that they are for."""
        return tuple(fd for _, fd in self._ordered() if fd >= 0)

    def add_to(self, spec: Spec) -> Spec:
        more = (mount for mount, _ in self._ordered())
        return replace(spec, mounts=(*spec.mounts, *more))

    def _ordered(self) -> list[tuple[Mount, int]]:
        """Parents first, whatever order they were written in, as BuildKit does it."""
        return sorted(self._mounts, key=lambda made: made[0].destination)

    def bind(self, target: str, descriptor: int, *, writable: bool) -> None:
        """A detached mount, ours from now on."""
        options = ("bind", "rw" if writable else "ro")
        self._mounts.append((Mount(target, "bind", "", options), descriptor))

    def tmpfs(self, target: str, size: int, *, writable: bool) -> None:
        access = () if writable else ("ro",)
        limit = (f"size={size}",) if size else ()
        options = ("nosuid", "nodev", *access, *limit)
        self._mounts.append((Mount(target, "tmpfs", "tmpfs", options), -1))

    def hold(self, descriptor: int) -> None:
        """Keep a descriptor, and the lock on it, until the step is over."""
        self._held.append(descriptor)

    def forward(self, forwarder: Forwarder) -> None:
        """Keep an agent's socket open until the step is over."""
        self._forwarders.append(forwarder)


class StepMounts:
    """Makes the mounts of a build's steps. `cancelled` ends waiting for caches."""

    def __init__(
        self,
        store: Store,
        inputs: BuildInputs,
        reads: Reads,
        emit: Emit,
        workspace: Workspace,
        cancelled: Callable[[], bool],
    ) -> None:
        self._inputs = inputs
        self._reads = reads
        self._workspace = workspace
        place = workspace.directory("visible", 0o700)
        self._binds = Binds(store, reads, place, cancelled)
        self._caches = CacheMounts(
            store, emit, cancelled, inputs.fresh_caches, reads.shared
        )
        self._agents: Agents | None = None

    def close(self) -> None:
        """End what was started for steps."""
        self._binds.close()
        if self._agents is not None:
            self._agents.close()

    def prepare(self, work: Work, operation: RunOp, place: str) -> Extra:
        """The mounts of one step; leave the returned block when it is over."""
        extra = Extra()
        try:
            for number, wanted in enumerate(operation.mounts):
                self._add(extra, work, wanted, f"{place}/mount{number}")
            self._add_caches(extra, work, operation)
            for script in operation.scripts:
                extra.bind(script.name, _script(script), writable=False)
            self._add_agent_variable(extra, operation)
        except BaseException:
            extra.__exit__()
            raise
        return extra

    def _add(self, extra: Extra, work: Work, wanted: RunMount, place: str) -> None:
        if wanted.kind == "tmpfs":
            extra.tmpfs(wanted.target, wanted.size, writable=wanted.writable)
        elif wanted.kind == "secret":
            self._secret(extra, wanted)
        elif wanted.kind == "ssh":
            self._agent(extra, wanted)
        elif wanted.kind == "bind":
            tree = self._binds.mount(work, wanted, place)
            extra.bind(wanted.target, tree, writable=wanted.writable)

    def _add_caches(self, extra: Extra, work: Work, operation: RunOp) -> None:
        """In the order of their names: two steps that lock the same caches must not
        wait for each other. A cache that is mounted twice is taken once."""
        seeded = [
            (cache_name(wanted, seed), wanted, seed)
            for wanted in operation.mounts
            if wanted.kind == "cache"
            for seed in [self._seed(work, wanted)]
        ]
        taken: dict[str, str] = {}
        for name, wanted, seed in sorted(seeded, key=lambda given: given[0]):
            if name not in taken:
                taken[name], descriptor = self._caches.take(wanted, seed)
                extra.hold(descriptor)
            tree = syscalls.open_tree(taken[name])
            extra.bind(wanted.target, tree, writable=wanted.writable)

    def _seed(self, work: Work, wanted: RunMount) -> Selection | None:
        if wanted.origin < 0:
            return None
        chosen = mounted(wanted.source)
        return self._reads.select(chosen, wanted.origin, work.origins)

    def _secret(self, extra: Extra, wanted: RunMount) -> None:
        path = self._inputs.secrets.get(wanted.id)
        if path is None:
            if wanted.required:
                raise MissingSource(
                    f"The secret {wanted.id!r} is required and was not given.",
                    hint=f"Give it: --secret id={wanted.id},src=FILE",
                )
            return
        data = _read_secret(path, wanted.id)
        if wanted.env:
            if b"\0" in data:
                raise MissingSource(
                    f"The secret {wanted.id!r} has a NUL byte, which no variable can.",
                    hint="Mount it as a file: leave env= away.",
                )
            extra.env += (f"{wanted.env}={data.decode(errors='surrogateescape')}",)
        if wanted.target:
            owner = (wanted.uid, wanted.gid)
            tree = _file_mount(data, wanted.mode, owner)
            extra.bind(wanted.target, tree, writable=False)

    def _agent(self, extra: Extra, wanted: RunMount) -> None:
        from lamina.builder.ops.agents import Agents

        if self._agents is None:
            place = self._workspace.directory("agents", 0o700)
            self._agents = Agents(self._inputs.ssh, place)
        if not self._agents.knows(wanted.id):
            if wanted.required:
                raise MissingSource(
                    f"The ssh agent {wanted.id!r} is required and was not given.",
                    hint=f"Give it: --ssh {wanted.id}, with SSH_AUTH_SOCK set, "
                    f"or --ssh {wanted.id}=KEYFILE",
                )
            return
        identity, mode = wanted.id, wanted.mode
        forwarder = self._agents.forward(identity, mode, wanted.uid, wanted.gid)
        extra.forward(forwarder)
        tree = syscalls.open_tree(forwarder.path, recursive=False)
        extra.bind(wanted.target, tree, writable=False)

    def _add_agent_variable(self, extra: Extra, operation: RunOp) -> None:
        """SSH_AUTH_SOCK is the first agent, unless the image says otherwise."""
        given = [pair.partition("=")[0] for pair in (*operation.env, *extra.env)]
        for wanted in operation.mounts:
            known = wanted.id in self._inputs.ssh
            if wanted.kind == "ssh" and known and "SSH_AUTH_SOCK" not in given:
                extra.env += (f"SSH_AUTH_SOCK={wanted.target}",)
                return


def _read_secret(path: str, identity: str) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST_SECRET + 1)
    except OSError as error:
        raise MissingSource(
            f"The secret {identity!r} cannot be read from {path}: {error.strerror}."
        ) from error
    if len(data) > _LARGEST_SECRET:
        raise MissingSource(
            f"The secret {identity!r} is larger than {_LARGEST_SECRET >> 10} KiB.",
            hint="Files of that size are for --mount=type=bind.",
        )
    return data


def _script(script: Inline) -> int:
    """A script of the recipe (a heredoc with `#!`), as a program that all may run."""
    return _file_mount(script.body.encode(errors="surrogateescape"), 0o755, (0, 0))


def _file_mount(data: bytes, mode: int, owner: tuple[int, int]) -> int:
    """A file on a tmpfs that nothing else can reach, as a mount."""
    size = f"{(len(data) >> 10) + 64}k"
    place = new_file_system("tmpfs", (("mode", "700"), ("size", size)))
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with open(os.open("file", flags, 0o400, dir_fd=place), "wb") as file:
            file.write(data)
            file.flush()
            give_away(file.fileno(), owner, "A secret")
            os.fchmod(file.fileno(), mode)
        path = os.open("file", os.O_PATH | os.O_CLOEXEC, dir_fd=place)
        try:
            return syscalls.open_tree(path, recursive=False)
        finally:
            os.close(path)
    finally:
        os.close(place)
