"""Cache mounts: directories of the store that outlive steps, one for each id.

    <store>/caches/NAME/    NAME is the sha256 of the id and of what it began with
        about.json          {"id": as written, "seed": digest, "" without `from=`}
        0/                  the directory that steps see; 1/ and so on where private
                            ones were wanted while all others were in use
        0.asked             "755 0 0": mode, uid and gid that steps last asked for;
                            its mtime is when a step last used the directory

A step holds flock(2) on the directory that it uses, exclusively for `locked` and
`private`, which the kernel ends with the process. An id is hashed and never a path
(CVE-2024-9675); mode and owner are no part of it, so that two steps that differ in
them share one cache. Only `remove_cache_mount` takes a directory away: no garbage
collection and no `--no-cache` does.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
import time

from lamina.builder.ops.upper import give_away
from lamina.builder.solving.shared import Nobody
from lamina.oci.digest import Digest
from lamina.oci.errors import InUse
from lamina.oci.files.lock import Lock
from lamina.oci.files.removal import remove_tree
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.builder.events import Emit
    from lamina.builder.solving.graph import RunMount
    from lamina.builder.solving.shared import SharedCaches
    from lamina.builder.sources.items import Selection
    from lamina.oci.store.store import Store

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# After this many seconds in the queue for a locked cache the user is told.
_PATIENCE = 1.0


@value
class CacheMount:
    """A cache as it lies in the store: its directories, and when (seconds since 1970)
    a step last used one."""

    name: str
    id: str
    seed: str
    directories: tuple[str, ...]
    used: int


def cache_mounts(root: str) -> tuple[CacheMount, ...]:
    """All caches of the store in the folder `root`, by id."""
    found = []
    for name in _listed(f"{root}/caches"):
        place = f"{root}/caches/{name}"
        numbers = sorted(n for n in _listed(place) if n.isdecimal())
        try:
            with open(f"{place}/about.json", encoding="utf-8") as file:
                about = json.load(file)
            used = max(int(os.stat(f"{place}/{n}.asked").st_mtime) for n in numbers)
        except (OSError, ValueError):
            # Being made, or its maker was killed: its next user completes it.
            about, used = {"id": "", "seed": ""}, 0
        paths = tuple(f"{place}/{number}" for number in numbers)
        found.append(CacheMount(name, about["id"], about["seed"], paths, used))
    return tuple(sorted(found, key=lambda cache: (cache.id, cache.name)))


def remove_cache_mount(store: Store, name: str) -> bool:
    """Delete a cache; False when a step uses it."""
    place = f"{store.root}/caches/{name}"
    held = []
    try:
        for number in [n for n in _listed(place) if n.isdecimal()]:
            held.append(os.open(f"{place}/{number}", _DIRECTORY))
            fcntl.flock(held[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
        store.discard(place)
    except BlockingIOError:
        return False
    finally:
        for descriptor in held:
            os.close(descriptor)
    return True


def cache_name(wanted: RunMount, seed: Selection | None) -> str:
    """What the directory of a cache is called."""
    text = f"{wanted.id}\0{seed.digest}" if seed is not None else wanted.id
    return Digest.of(text.encode(errors="surrogateescape")).hex


class CacheMounts:
    """Gives the caches of one store to steps. `cancelled` ends waiting; with `fresh`
    each is empty when it is taken first, else one that is empty is filled with what
    `shared` has for it."""

    def __init__(
        self,
        store: Store,
        emit: Emit,
        cancelled: Callable[[], bool],
        fresh: bool,
        shared: SharedCaches = Nobody(),  # noqa: B008 (it has no state)
    ) -> None:
        self._store = store
        self._emit = emit
        self._cancelled = cancelled
        self._fresh = fresh
        self._shared = shared
        # Those that were taken: what comes before the first use is done.
        self._taken: set[str] = set()
        self._noting = threading.Lock()
        self._preparing: dict[str, threading.Lock] = {}

    def take(self, wanted: RunMount, seed: Selection | None) -> tuple[str, int]:
        """The directory of a cache, and the descriptor that keeps it while it is open.

        A locked one is waited for; with others in it a private one is another copy.
        Raises InUse when waiting is cancelled.
        """
        name = cache_name(wanted, seed)
        place = f"{self._store.root}/caches/{name}"
        self._describe(place, wanted, seed)
        self._prepare(name, wanted, f"{place}/0")
        number = 0
        while True:
            path = f"{place}/{number}"
            descriptor = self._open(path, wanted, seed)
            try:
                taken = self._lock(descriptor, wanted)
                if taken and _is_at(descriptor, path):
                    _dress(descriptor, f"{path}.asked", wanted)
                    return path, descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
            # Taken by others; or removed while we waited, then it is made again.
            number += not taken

    def _prepare(self, name: str, wanted: RunMount, path: str) -> None:
        """Before its first use empty a cache, if this build begins with none; else
        fill it, if it is empty and another machine has something for it."""
        with self._noting:
            preparing = self._preparing.setdefault(name, threading.Lock())
        with preparing:
            if name in self._taken:
                return
            self._taken.add(name)
            if not self._fresh:
                self._fill(name, path)
            elif not remove_cache_mount(self._store, name):
                self._say(f"the cache {wanted.id} is not emptied: another step has it")

    def _fill(self, name: str, path: str) -> None:
        if _listed(path):
            return
        made = self._shared.cache_mount(name)
        if made is None:
            return
        try:
            _replace_empty(path, made)
        finally:
            # It is still there when somebody was faster.
            remove_tree(made)

    def _describe(self, place: str, wanted: RunMount, seed: Selection | None) -> None:
        if os.path.exists(f"{place}/about.json"):
            return
        about = {"id": wanted.id, "seed": seed.digest if seed is not None else ""}
        os.makedirs(place, mode=0o700, exist_ok=True)
        made = f"{place}/.about.{os.urandom(4).hex()}"
        with open(made, "w", encoding="utf-8") as file:
            json.dump(about, file)
        os.rename(made, f"{place}/about.json")

    def _open(self, path: str, wanted: RunMount, seed: Selection | None) -> int:
        while True:
            try:
                return os.open(path, _DIRECTORY)
            except FileNotFoundError:
                self._plant(path, wanted, seed)

    def _plant(self, path: str, wanted: RunMount, seed: Selection | None) -> None:
        """Make the directory; others see it with all the files that it begins with."""
        from lamina.builder.ops.files import Arrival, copy_into

        with self._store.workspace() as space:
            made = space.directory("cache", 0o755)
            if seed is not None:
                copy_into(seed.items, None, made, Arrival("/"))
            try:
                _place(made, path)
            except FileNotFoundError:
                self._describe(os.path.dirname(path), wanted, seed)  # just removed

    def _lock(self, descriptor: int, wanted: RunMount) -> bool:
        """Whether the directory is ours now; False if a private one is not."""
        how = fcntl.LOCK_SH if wanted.sharing == "shared" else fcntl.LOCK_EX
        began = time.monotonic()
        told = False
        while True:
            try:
                fcntl.flock(descriptor, how | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if wanted.sharing == "private":
                    return False
            if self._cancelled():
                raise InUse("Stopped while another step had the cache.")
            if not told and time.monotonic() - began > _PATIENCE:
                told = True
                self._say(f"waiting for the cache {wanted.id}: another step has it")
            time.sleep(0.02)

    def _say(self, text: str) -> None:
        from lamina.builder.events import Note

        self._emit(Note(text))


def _place(made: str, path: str) -> None:
    """Rename, unless another step was first; rename(2) would replace an empty one."""
    with Lock.of_folder(os.path.dirname(path)):
        if not os.path.exists(path):
            os.rename(made, path)


def _replace_empty(path: str, made: str) -> None:
    """Let `path`, which is empty or not there, be `made`; unless a step uses it or has
    put something into it by now."""
    try:
        descriptor = os.open(path, _DIRECTORY)
    except FileNotFoundError:
        _place(made, path)
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(descriptor, path) and not os.listdir(descriptor):
            # Its mode and owner are those of the old one, and no longer asked for.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{path}.asked")
            # rename(2) replaces an empty directory; who waits for it looks once more.
            os.rename(made, path)
    except BlockingIOError:
        return
    finally:
        os.close(descriptor)


def _is_at(descriptor: int, path: str) -> bool:
    """Whether the open directory is still the one with that name."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _dress(descriptor: int, note: str, wanted: RunMount) -> None:
    """Give the directory the mode and owner that steps ask for, when they ask for
    other ones than the last time: what a step itself changed stays."""
    asked = f"{wanted.mode:o} {wanted.uid} {wanted.gid}"
    try:
        with open(note, encoding="ascii") as file:
            known = file.read()
    except FileNotFoundError:
        known = ""
    if known == asked:
        os.utime(note)
        return
    give_away(descriptor, (wanted.uid, wanted.gid), f"The cache {wanted.id}")
    os.fchmod(descriptor, wanted.mode)
    with open(note, "w", encoding="ascii") as file:
        file.write(asked)


def _listed(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except FileNotFoundError:
        return []
