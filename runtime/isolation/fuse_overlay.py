"""Layers as one root where the kernel's overlay can't: fuse-overlayfs(1).

The kernel wants a file system below that can hold what it marks files with; NFS, or an
overlay itself, as the disk of a container is one, cannot. A process then does the same
in user space. It ends by itself when nobody has the mount any more.
"""

from __future__ import annotations

import _thread
import os
import time

from lamina.runtime import syscalls
from lamina.runtime.errors import ContainerError, NotPermitted
from lamina.runtime.isolation import fuse_marks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_FOLDERS = ("/usr/bin", "/usr/local/bin", "/bin")
_NAME = "fuse-overlayfs"
_DEVICE = "/dev/fuse"
# Where it is mounted for a moment, in a mount namespace of its own.
_PLACE = "/sys"
_PATIENCE = 10.0  # seconds until it is mounted
# Those that were started and may have ended.
_children: set[int] = set()


def program() -> str:
    """Its path; "" where it is not installed."""
    for folder in _FOLDERS:
        if os.access(f"{folder}/{_NAME}", os.X_OK):
            return f"{folder}/{_NAME}"
    return ""


def mount(
    lowers: tuple[str, ...], upper: str = "", work: str = "", volatile: bool = True
) -> int:
    """The descriptor of a detached mount of a Snapshot's parts, as snapshot.mount gives
    it; raises ContainerError."""
    name = program()
    if not name:
        raise ContainerError(
            "The kernel's overlay cannot be used where the store lies, and "
            f"{_NAME} is not installed.",
            hint="Have the store on another file system (LAMINA_ROOT), or "
            f"`sudo apt install {_NAME}`.",
        )
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        raise NotPermitted(
            f"{_NAME} cannot be used: {_DEVICE} cannot be opened.",
            hint=f"As root: `modprobe fuse; chmod 0666 {_DEVICE}`; or have the store "
            "on a file system that the kernel's overlay can use (LAMINA_ROOT).",
        )
    _collect()
    words = ["lowerdir=" + ":".join(map(_escaped, lowers))]
    if upper:
        fuse_marks.sign(upper)
        words += [f"upperdir={_escaped(upper)}", f"workdir={_escaped(work)}"]
        words += ["volatile"] if volatile else []
    return in_own_mounts(lambda: _mounted(name, ",".join(words)))


def in_own_mounts(act: Callable[[], int]) -> int:
    """`act` in a thread that has a mount namespace of its own, so that nothing shows or
    stays on the host; what it gives or raises."""
    done = _thread.allocate_lock()
    done.acquire()
    result: list[int | BaseException] = []

    def work() -> None:
        try:
            syscalls.unshare(syscalls.CLONE_NEWNS)
            syscalls.mount("", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
            result.append(act())
        except BaseException as error:
            result.append(error)
        finally:
            done.release()

    _thread.start_new_thread(work, ())
    done.acquire()
    outcome = result[0]
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def _mounted(name: str, options: str) -> int:
    """See fuse-overlayfs(1). A root without an upper directory is read-only."""
    before = os.stat(_PLACE).st_dev
    log = os.memfd_create("log", os.MFD_CLOEXEC)
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        streams = [
            (os.POSIX_SPAWN_DUP2, fd, n) for n, fd in enumerate((null, log, log))
        ]
        words = (name, "-f", "-o", options, _PLACE)
        child = os.posix_spawn(name, words, {}, file_actions=streams, setsid=True)
        _children.add(child)
        deadline = time.monotonic() + _PATIENCE
        while os.stat(_PLACE).st_dev == before:
            if _ended(child) or time.monotonic() > deadline:
                said = os.pread(log, 4096, 0).decode(errors="replace").strip()
                raise ContainerError(f"{_NAME} cannot mount the layers: {said}.")
            time.sleep(0.001)
        tree = syscalls.open_tree(_PLACE, recursive=False)
        # It would be its own reason to live on.
        syscalls.umount2(_PLACE, syscalls.MNT_DETACH)
        return tree
    finally:
        os.close(log)
        os.close(null)


def _escaped(path: str) -> str:
    for character in "\\,:":
        path = path.replace(character, f"\\{character}")
    return path


def _ended(child: int) -> bool:
    try:
        ended = os.waitpid(child, os.WNOHANG)[0] == child
    except ChildProcessError:
        ended = True
    if ended:
        _children.discard(child)
    return ended


def _collect() -> None:
    """Wait for those that have ended, so that no remains pile up."""
    for child in tuple(_children):
        _ended(child)
