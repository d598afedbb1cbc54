"""`RUN --mount=type=bind`: files of the context or of a stage, seen by a step.

Sources are found inside their tree by the kernel (openat2(2)) and handed on as a
detached mount (CVE-2024-1753). What a step writes to one that is `rw` ends with it.

Files of a folder are copied first (kept_copies.py). What a step makes of them is known
by what they were when its key was made, so it must not see what is written to them
meanwhile; nor who owns them here, nor what `.dockerignore` leaves out, nor a socket.
"""

from __future__ import annotations

import os
import posixpath
import stat
import threading

from lamina.builder.errors import MissingSource
from lamina.builder.sources.choice import mounted
from lamina.builder.sources.items import TreeItem
from lamina.runtime import paths, syscalls
from lamina.runtime.isolation.snapshot import Snapshot, mount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.builder.solving.graph import RunMount
    from lamina.builder.solving.layers import Layers
    from lamina.builder.solving.work import Work
    from lamina.builder.sources.reads import Reads
    from lamina.oci.store.store import Store


class Binds:
    """Makes the bind mounts of a build's steps; `place` is a directory for copies that
    are not kept. `cancelled` ends waiting for another build's."""

    def __init__(
        self, store: Store, reads: Reads, place: str, cancelled: Callable[[], bool]
    ) -> None:
        self._store = store
        self._reads = reads
        self._place = place
        self._cancelled = cancelled
        self._stages: dict[Layers, int] = {}
        self._nothing = f"{place}/nothing"
        os.mkdir(self._nothing)
        self._lock = threading.Lock()
        self._visible: dict[tuple[int, str, str], int] = {}
        # Copies that were begun, done or not.
        self._begun = 0

    def mount(self, work: Work, wanted: RunMount, place: str) -> int:
        """A detached mount of what is wanted; changes to it go to `place`."""
        root = self._root(work, wanted)
        try:
            source = paths.open_in_root(root, wanted.source or "/")
        except OSError as error:
            raise MissingSource(
                f"{wanted.source} cannot be mounted on {wanted.target}: "
                f"{error.strerror}."
            ) from error
        finally:
            os.close(root)
        try:
            if not wanted.writable:
                return syscalls.open_tree(source, recursive=False)
            if stat.S_ISDIR(os.fstat(source).st_mode):
                return _scratch_directory(source, place)
            return _scratch_file(source, place)
        finally:
            os.close(source)

    def _root(self, work: Work, wanted: RunMount) -> int:
        """A descriptor of the tree that the source is in."""
        if wanted.origin >= 0:
            return os.dup(self._stage(work.origins[wanted.origin]))
        return os.dup(self._copied(work, wanted))

    def close(self) -> None:
        """Unmount what steps have seen, who have ended."""
        for root in (*self._visible.values(), *self._stages.values()):
            os.close(root)
        self._visible.clear()
        self._stages.clear()

    def _stage(self, layers: Layers) -> int:
        """A descriptor of a stage's root; of two layers at least, see `_copied`."""
        root = self._reads.root(layers)
        if len(layers) > 1:
            return root
        with self._lock:
            if layers not in self._stages:
                paths = tuple(map(self._store.layer_path, layers))
                self._stages[layers] = mount((*paths, self._nothing))
            return self._stages[layers]

    def _copied(self, work: Work, wanted: RunMount) -> int:
        """A descriptor of a copy of the source, which steps that mount the same share.

        Of two layers, without a third to write to: a layer of the store by itself would
        be a mount that a step with all privileges can make writable.
        """
        from lamina.builder.ops.kept_copies import copy_of

        source = wanted.source or "."
        chosen, name = mounted(wanted.source), f"mount {wanted.target}"
        with self._lock:
            selection = self._reads.as_keyed(work, name, chosen, wanted.origin)
            key = (wanted.origin, source, selection.digest)
            if key not in self._visible:
                dest = posixpath.normpath("/" + source)
                if dest != "/" and any(
                    isinstance(i, TreeItem) for i in selection.items
                ):
                    dest += "/"
                copy = copy_of(
                    self._store,
                    selection,
                    dest,
                    self._reads.folder(wanted.origin),
                    self._new_place,
                    self._cancelled,
                )
                self._visible[key] = mount((copy, self._nothing))
            return self._visible[key]

    def _new_place(self) -> str:
        made = f"{self._place}/{self._begun}"
        self._begun += 1
        os.mkdir(made)
        os.chmod(made, 0o755)
        return made


def _scratch_directory(source: int, place: str) -> int:
    """A writable view of a directory, with the directory's own mode and owner."""
    os.makedirs(f"{place}/upper")
    os.mkdir(f"{place}/work")
    status = os.fstat(source)
    os.chown(f"{place}/upper", status.st_uid, status.st_gid)
    os.chmod(f"{place}/upper", stat.S_IMODE(status.st_mode))
    lower = f"/proc/self/fd/{source}"
    return mount(Snapshot((lower,), f"{place}/upper", f"{place}/work"))


def _scratch_file(source: int, place: str) -> int:
    """A copy of a file, with the file's own mode and owner."""
    from lamina.builder.sources.transfer import Transfer

    given = os.open(f"/proc/self/fd/{source}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        status = os.fstat(given)
        made = os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            Transfer().copy(given, made, status.st_size)
            os.fchown(made, status.st_uid, status.st_gid)
            os.fchmod(made, stat.S_IMODE(status.st_mode))
        finally:
            os.close(made)
    finally:
        os.close(given)
    return syscalls.open_tree(place, recursive=False)
