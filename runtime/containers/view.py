"""A container's root with its mounts, as a descriptor: what `cp` reads and writes.

Of one that runs it is its own root, in its own mount namespace (/proc/PID/root). Of one
that doesn't, layers and volumes are mounted in a namespace that ends with this process.
Paths in it are for openat2(2) with RESOLVE_IN_ROOT: whatever the container does with
its links meanwhile, none leads out (CVE-2018-15664).
"""

from __future__ import annotations

import contextlib
import os
import time

from lamina.runtime import paths, syscalls
from lamina.runtime.containers import state, volumes, writers
from lamina.runtime.containers.mounting import Mounting
from lamina.runtime.errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.oci.store.store import Store
    from lamina.runtime.containers.state import Container
    from lamina.runtime.owner import Owner

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


@contextlib.contextmanager
def view(store: Store, container: Container, writes: bool) -> Iterator[int]:
    """A container's root, for as long as the block takes.

    While one that does not run is written to, nobody can start it.
    """
    place = state.directory(store.root, container.id)
    while True:
        with writers.alone(place) if writes else contextlib.nullcontext():
            found = state.see(store.root, container.id)
            if found.is_running and found.init is not None:
                break
            if found.keeper is None or not writes:
                with _at_rest(store, container, place, writes) as root:
                    yield root
                return
        time.sleep(0.01)  # it is being started
    root = running_root(found.init)
    try:
        yield root
    finally:
        os.close(root)


def running_root(init: Owner) -> int:
    """The root directory of a process, as it sees it; raises ContainerError."""
    pidfd = state.open_process(init)
    try:
        if pidfd is None:
            raise ContainerError("The container has just ended.")
        _join_users(pidfd)
        root = os.open(f"/proc/{init.pid}/root", _FOLDER)
        # The number may have become another process's since.
        if not init.alive:
            os.close(root)
            raise ContainerError("The container has just ended.")
        return root
    finally:
        if pidfd is not None:
            os.close(pidfd)


def _join_users(pidfd: int) -> None:
    """An ordinary user becomes root where the container's root is."""
    if os.geteuid() != 0:
        syscalls.setns(pidfd, syscalls.CLONE_NEWUSER)
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)


@contextlib.contextmanager
def _at_rest(
    store: Store, container: Container, place: str, writes: bool
) -> Iterator[int]:
    """Layers and volumes of a container that does not run."""
    from lamina.runtime.isolation import snapshot, userns

    userns.enter()
    with contextlib.ExitStack() as stack:
        mounting = Mounting(store, container, place, stack)
        made = mounting.snapshot()
        if not writes:
            # Its volumes may lack their mount points, which come to lie elsewhere.
            space = stack.enter_context(store.workspace())
            upper, work = (space.directory(name, 0o755) for name in ("upper", "work"))
            made = snapshot.Snapshot((made.upper, *made.lowers), upper, work)
        overlay = snapshot.mount(made)
        stack.callback(os.close, overlay)
        if writes and container.options.read_only:
            syscalls.mount_setattr(overlay, syscalls.MOUNT_ATTR_RDONLY)
        root = _attached(overlay, f"{place}/merged")
        stack.callback(os.close, root)
        created: list[paths.Created] = []
        stack.callback(_remove_mount_points, root, created)
        for volume, source in mounting.attachable():
            target = _mount_point(root, volume.destination, source, created)
            if target >= 0:
                stack.callback(_detach, _bound(volume, source, target))
        yield root


def _attached(overlay: int, place: str) -> int:
    """A descriptor of the overlay's root, where this process alone can see it."""
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
    with contextlib.suppress(FileExistsError):
        os.mkdir(place, 0o700)
    target = os.open(place, _FOLDER)
    try:
        syscalls.move_mount(overlay, target)
    finally:
        os.close(target)
    return os.open(place, _FOLDER)


def _mount_point(
    root: int, path: str, source: int, created: list[paths.Created]
) -> int:
    """Where a volume goes; -1 where a root that is read-only has no place for it."""
    import stat

    directory = stat.S_ISDIR(os.fstat(source).st_mode)
    try:
        return paths.ensure(root, path, directory, created)
    except OSError:
        return -1


def _bound(volume: volumes.Volume, source: int, target: int) -> int:
    """Bind `source` over `target`, which is closed; a descriptor of the mount."""
    try:
        tree = syscalls.open_tree(source)
        if volume.read_only:
            flag = syscalls.MOUNT_ATTR_RDONLY
            syscalls.mount_setattr(tree, flag, recursive=True)
        syscalls.move_mount(tree, target)
        return tree
    finally:
        os.close(target)


def _detach(tree: int) -> None:
    syscalls.umount2(f"/proc/self/fd/{tree}", syscalls.MNT_DETACH)
    os.close(tree)


def _remove_mount_points(root: int, created: list[paths.Created]) -> None:
    paths.remove_created(root, tuple(created))


# proc, sysfs, cgroup, cgroup2, devpts, mqueue, debugfs, tracefs, securityfs, bpf
# (linux/magic.h).
_OF_THE_KERNEL = frozenset(
    (
        *(0x9FA0, 0x62656572, 0x27E0EB, 0x63677270, 0x1CD1, 0x19800202),
        *(0x64626720, 0x74726163, 0x73636673, 0xCAFE4A11),
    )
)


def is_of_the_kernel(fd: int) -> bool:
    """Whether what lies there are no files but what the kernel tells and takes."""
    return syscalls.filesystem(fd) in _OF_THE_KERNEL
