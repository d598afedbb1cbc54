"""What `RUN --mount` puts into a step: caches, secrets, other files, tmpfs.

Each becomes a detached mount, handed to the container by descriptor: nothing is ever
attached on the host. Secrets lie on a tmpfs of their own.
"""

from __future__ import annotations

import errno
import fcntl
import os
import posixpath

from lamina.builder.errors import MissingSource
from lamina.builder.graph import CONTEXT_ORIGIN
from lamina.builder.selection import TreeItem
from lamina.oci.digest import Digest
from lamina.runtime import paths, syscalls
from lamina.runtime.snapshot import Snapshot, mount
from lamina.runtime.spec import Mount, Spec
from lamina.runtime.stage import new_file_system
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.builder.graph import RunMount, RunOp
    from lamina.builder.inputs import BuildInputs
    from lamina.builder.reads import Reads
    from lamina.builder.selection import Selection
    from lamina.builder.solver import Work
    from lamina.oci.store import Store

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Extra:
    """The mounts of one step and the variables that secrets became."""

    def __init__(self) -> None:
        self.env: tuple[str, ...] = ()
        self.fds: tuple[int, ...] = ()
        self._mounts: tuple[Mount, ...] = ()
        self._held: list[int] = []

    def __enter__(self) -> Extra:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in (*self.fds, *self._held):
            os.close(descriptor)

    def add_to(self, spec: Spec) -> Spec:
        return replace(spec, mounts=(*spec.mounts, *self._mounts))

    def bind(self, target: str, descriptor: int, *, writable: bool) -> None:
        """A detached mount, ours from now on."""
        options = ("bind", "rw" if writable else "ro")
        self._mounts += (Mount(target, "bind", "", options),)
        self.fds += (descriptor,)

    def tmpfs(self, target: str, size: int) -> None:
        options = ("nosuid", "nodev", *((f"size={size}",) if size else ()))
        self._mounts += (Mount(target, "tmpfs", "tmpfs", options),)

    def hold(self, descriptor: int) -> None:
        """Keep a descriptor, and the lock on it, until the step is over."""
        self._held.append(descriptor)


class StepMounts:
    """Makes the mounts of a build's steps."""

    def __init__(self, store: Store, inputs: BuildInputs, reads: Reads) -> None:
        self._store = store
        self._inputs = inputs
        self._reads = reads

    def prepare(self, work: Work, operation: RunOp, place: str) -> Extra:
        """The mounts of one step; leave the returned block when it is over."""
        extra = Extra()
        try:
            for number, wanted in enumerate(operation.mounts):
                self._add(extra, work, wanted, f"{place}/mount{number}")
        except BaseException:
            extra.__exit__()
            raise
        return extra

    def _add(self, extra: Extra, work: Work, wanted: RunMount, place: str) -> None:
        if wanted.kind == "tmpfs":
            extra.tmpfs(wanted.target, wanted.size)
        elif wanted.kind == "cache":
            self._cache(extra, work, wanted)
        elif wanted.kind == "secret":
            self._secret(extra, wanted)
        else:
            self._bind(extra, work, wanted, place)

    def _cache(self, extra: Extra, work: Work, wanted: RunMount) -> None:
        """A directory that outlives steps; its id is hashed and never a path.

        One with `from` begins with those files; with others it is another cache.
        """
        folder = f"{self._store.root}/caches"
        os.makedirs(folder, mode=0o700, exist_ok=True)
        seed = self._seed(work, wanted)
        text = f"{wanted.id}\0{seed.digest}" if seed is not None else wanted.id
        name = Digest.of(text.encode()).hex
        number = 0
        while True:
            path = f"{folder}/{name}" + (f".{number}" if number else "")
            if seed is not None and not os.path.exists(path):
                self._plant(seed, wanted, path)
            descriptor = _directory(path, wanted)
            if wanted.sharing == "shared":
                break
            if wanted.sharing == "locked":
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                break
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                os.close(descriptor)
                number += 1
        extra.hold(descriptor)
        extra.bind(wanted.target, syscalls.open_tree(path), writable=wanted.writable)

    def _seed(self, work: Work, wanted: RunMount) -> Selection | None:
        from lamina.builder.record import ContextRead

        if wanted.origin < 0:
            return None
        chosen = ContextRead((wanted.source or "/",), (), False)
        return self._reads.select(chosen, wanted.origin, work.origins)

    def _plant(self, seed: Selection, wanted: RunMount, path: str) -> None:
        """Make the directory with the files in it; others see it with all of them."""
        from lamina.builder.files import Arrival, copy_into

        with self._store.workspace() as space:
            made = space.directory("cache", 0o755)
            copy_into(seed.items, None, made, Arrival("/"))
            os.chown(made, wanted.uid, wanted.gid)
            os.chmod(made, wanted.mode)
            try:
                os.rename(made, path)
            except OSError as error:
                # Another build was first, and uses it already.
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise

    def _secret(self, extra: Extra, wanted: RunMount) -> None:
        path = self._inputs.secrets.get(wanted.id)
        if path is None:
            if wanted.required:
                raise MissingSource(
                    f"The secret {wanted.id!r} is required and was not given.",
                    hint=f"Give it: --secret id={wanted.id},src=FILE",
                )
            return
        with open(path, "rb") as file:
            data = file.read()
        if wanted.env:
            extra.env += (f"{wanted.env}={data.decode()}",)
        if wanted.target:
            extra.bind(wanted.target, _secret_file(data, wanted), writable=False)

    def _bind(self, extra: Extra, work: Work, wanted: RunMount, place: str) -> None:
        """Files of the context or of a stage; what is written to them is lost."""
        if wanted.origin != CONTEXT_ORIGIN:
            root = self._reads.root(work.origins[wanted.origin])
        elif self._inputs.ignore.strip():
            root = self._visible(extra, wanted, f"{place}.files")
        else:
            root = os.open(self._inputs.context, _DIRECTORY)
            extra.hold(root)
        source = paths.open_in_root(root, wanted.source or "/")
        try:
            if wanted.writable and os.path.isdir(f"/proc/self/fd/{source}"):
                tree = _scratch_copy(source, place)
            else:
                tree = syscalls.open_tree(source, recursive=False)
        finally:
            os.close(source)
        extra.bind(wanted.target, tree, writable=wanted.writable)

    def _visible(self, extra: Extra, wanted: RunMount, place: str) -> int:
        """A copy of the source without what `.dockerignore` leaves out: a step must
        not see files that its key does not know."""
        from lamina.builder.files import Arrival, copy_into
        from lamina.builder.record import ContextRead

        os.mkdir(place, 0o755)
        source = wanted.source or "."
        chosen = ContextRead((source,), (), False)
        selection = self._reads.select(chosen, CONTEXT_ORIGIN, {})
        dest = posixpath.normpath("/" + source)
        if dest != "/" and any(isinstance(i, TreeItem) for i in selection.items):
            dest += "/"
        copy_into(selection.items, None, place, Arrival(dest))
        root = os.open(place, _DIRECTORY)
        extra.hold(root)
        return root


def _directory(path: str, wanted: RunMount) -> int:
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        return os.open(path, _DIRECTORY)
    os.chown(path, wanted.uid, wanted.gid)
    os.chmod(path, wanted.mode)
    return os.open(path, _DIRECTORY)


def _secret_file(data: bytes, wanted: RunMount) -> int:
    """A file on a tmpfs that nothing else can reach, as a mount."""
    place = new_file_system("tmpfs", (("mode", "700"), ("size", "1m")))
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        file = os.open("secret", flags, 0o400, dir_fd=place)
        try:
            os.write(file, data)
            os.fchown(file, wanted.uid, wanted.gid)
            os.fchmod(file, wanted.mode)
        finally:
            os.close(file)
        path = os.open("secret", os.O_PATH | os.O_CLOEXEC, dir_fd=place)
        try:
            return syscalls.open_tree(path, recursive=False)
        finally:
            os.close(path)
    finally:
        os.close(place)


def _scratch_copy(source: int, place: str) -> int:
    """A writable view of a directory whose changes end with the step."""
    os.makedirs(f"{place}/upper")
    os.mkdir(f"{place}/work")
    lower = f"/proc/self/fd/{source}"
    return mount(Snapshot((lower,), f"{place}/upper", f"{place}/work"))
