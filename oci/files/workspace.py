"""Private directories of one process, and what to do when that process died.

A workspace lies on the store's file system, so that what was made in it can be
renamed into place. Its owner holds an flock on it; the kernel drops the lock with
the process, so a workspace without a lock is garbage. No pid is ever trusted.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time

from lamina.oci.errors import StoreError
from lamina.oci.files.removal import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# MNT_DETACH and UMOUNT_NOFOLLOW of umount(2).
_DETACH = 2 | 8
_COLLECT = (
    "import sys; sys.path.insert(0, {!r}); "
    "from lamina.oci.files.workspace import collect; collect(sys.argv[1])"
)


class Workspace:
    """A locked directory below `parent`, removed when the `with` block ends."""

    def __init__(self, parent: str) -> None:
        self._parent = parent
        self.path, self._lock = _create(parent)

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the directory and what is left in it."""
        if self._lock >= 0:
            try:
                remove_tree(self.path)
            except KeyboardInterrupt:
                # Ctrl-C ends what was done in the directory, not its removal.
                remove_tree(self.path)
                raise
            finally:
                os.close(self._lock)
                self._lock = -1
            _open.discard(self.path)

    def directory(self, name: str, mode: int = 0o755) -> str:
        """A new directory in the workspace, with exactly `mode`."""
        path = f"{self.path}/{name}"
        os.mkdir(path)
        os.chmod(path, mode)
        return path


# The workspaces of this process that were not removed yet.
_open: set[str] = set()


def clear() -> None:
    """Remove what an interrupt left between two lines: its process is about to end,
    and nobody holds these workspaces any more."""
    for path in list(_open):
        with contextlib.suppress(OSError):
            remove_tree(path)


def _create(parent: str) -> tuple[str, int]:
    path = f"{parent}/{int(time.time())}-{os.urandom(8).hex()}"
    _open.add(path)
    with held(parent, alone=False):
        try:
            os.mkdir(path, 0o700)
        except OSError as error:
            raise space_error(error, parent) from error
        lock = os.open(path, _DIRECTORY)
        fcntl.flock(lock, fcntl.LOCK_EX)
    return path, lock


@contextlib.contextmanager
def held(parent: str, *, alone: bool) -> Iterator[None]:
    """No workspace is made below `parent` by others while one is `alone` in here.

    What is then there and locked is all that is at work: garbage collection stands
    on that (oci/garbage/).
    """
    descriptor = os.open(parent, _DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def names(parent: str) -> tuple[list[str], list[str]]:
    """The workspaces below `parent` that are at work, and those of dead owners.

    To be relied on only by who is alone (`held`).
    """
    living: list[str] = []
    dead: list[str] = []
    for name in sorted(os.listdir(parent)):
        (dead if is_dead(f"{parent}/{name}") else living).append(name)
    return living, dead


def collect(parent: str) -> int:
    """Remove the workspaces whose owners are gone; how many those were.

    One that can't be removed now, such as one that a tool still writes to after the
    death of who started it, is left for the next who comes.
    """
    with held(parent, alone=True):
        dead = names(parent)[1]
    count = 0
    for name in dead:
        with contextlib.suppress(OSError):
            if _is_free_of_mounts(f"{parent}/{name}"):
                remove_tree(f"{parent}/{name}")
                count += 1
    return count


def collect_later(parent: str) -> None:
    """Start `collect` in a process of its own, if there is something for it: what a
    process left that was killed may be large, and nobody waits for its removal."""
    try:
        with held(parent, alone=True):
            dead = names(parent)[1]
    except OSError:
        return
    if not dead:
        return
    import sys

    import lamina
    from lamina.oci.files.removal import run_later

    package = os.path.dirname(os.path.dirname(os.path.abspath(lamina.__file__)))
    run_later((sys.executable, "-I", "-c", _COLLECT.format(package), parent))


def made(name: str) -> int:
    """When a workspace of this name was made, in Unix seconds.

    It is in the name: every time that a directory has changes with what is in it.
    """
    seconds = name.partition("-")[0]
    return int(seconds) if seconds.isascii() and seconds.isdigit() else 0


def is_dead(path: str) -> bool:
    """Whether nobody holds the lock of the workspace at `path`."""
    try:
        descriptor = os.open(path, _DIRECTORY)
    except OSError:
        return os.path.lexists(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _is_free_of_mounts(path: str) -> bool:
    """Detach what a dead owner left mounted below `path`; whether all of it went.

    What Lamina itself mounts dies with its namespaces, but a tool that it runs may do
    as it likes, and to remove a tree with /sys in it would be to remove in /sys.
    """
    mounted = _mounts_below(os.fsencode(os.path.realpath(path)))
    if not mounted:
        return True
    import ctypes

    libc = ctypes.CDLL(None)
    left = [place for place in reversed(mounted) if libc.umount2(place, _DETACH)]
    return not left


def _mounts_below(path: bytes) -> list[bytes]:
    """The places below `path` where something is mounted, inner ones last.

    The fifth word of a line is the place; blanks and such are octal (proc(5)).
    """
    with open("/proc/self/mountinfo", "rb") as lines:
        places = [line.split(b" ")[4] for line in lines]
    unescaped = [place.decode("unicode_escape").encode("latin-1") for place in places]
    return [place for place in unescaped if place.startswith(path + b"/")]


def space_error(error: OSError, where: str) -> StoreError:
    """An OSError of the store's disk as a sentence."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(
            f"No space left on the disk that holds {where}.",
            hint="`lamina system df` shows what the store uses, "
            "`lamina system prune` frees what nothing needs.",
        )
    return StoreError(f"The store cannot write to {where}: {error.strerror}.")
