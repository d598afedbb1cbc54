"""The store: layers, images and references of one user, shared by many processes.

    <root>/index.sqlite     what is here (oci/store/index.py)
    <root>/layers/HEX/      one directory a layer, used directly as an overlay lower
    <root>/skeletons/HEX    what gives an applied layer's tar back, byte for byte
    <root>/tmp/             workspaces; <root>/trash/ what is being deleted
    <root>/locks/           one file for each piece of work that only one may do

What it can do with layers is in layers.py, with images and names in images.py.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time

from lamina.oci.errors import InUse, StoreError
from lamina.oci.store.images import Image, ImageRow, Images
from lamina.oci.store.index import Index
from lamina.oci.store.layer import NEVER, Layer
from lamina.oci.store.shelf import COARSE

# Who opens the store needs the names of what is in it.
__all__ = ("NEVER", "Image", "ImageRow", "Layer", "Store")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lamina.oci.files.workspace import Workspace

_FOLDERS = ("layers", "skeletons", "tmp", "trash", "locks")


class Store(Images):
    """An open store. Threads may share it; close it at the end."""

    @classmethod
    def open(cls, root: str) -> Store:
        """The store at `root`, made when it is not there; raises StoreError."""
        try:
            if not os.path.isdir(f"{root}/locks"):
                _create(root)
        except OSError as error:
            raise StoreError(
                f"The store {root} cannot be made: {error.strerror}.",
                hint="Name another place with LAMINA_ROOT.",
            ) from error
        store = cls(root, Index(f"{root}/index.sqlite"), _overlay_namespace())
        store.forget_lost_layers()
        return store

    def close(self) -> None:
        """Close the index; what was published is brought to the disk behind us, and
        what was discarded deleted, or left by who was killed."""
        self.index.close()
        if self._discarded:
            from lamina.oci.files.removal import remove_later

            remove_later(self._discarded)
        self.settle()
        with contextlib.suppress(OSError):
            if os.listdir(f"{self.root}/tmp"):
                from lamina.oci.files.workspace import collect_later

                collect_later(f"{self.root}/tmp")

    def settle(self) -> None:
        """Bring what was published to the disk, behind us: a crash of the machine would
        take it otherwise. For who keeps the store open; `close` does it, too."""
        if self._settling and _has_ended(self._settling):
            self._settling = 0
        if self.published:
            from lamina.oci.store.durability import settle_later

            self._settling = settle_later(self.root)
            self.published = not self._settling

    def workspace(self) -> Workspace:
        """A private directory on the store's file system; use it with `with`.

        Those of processes that died are removed first.
        """
        from lamina.oci.files import workspace

        place = f"{self.root}/tmp"
        if os.listdir(place):
            workspace.collect(place)
        return workspace.Workspace(place)

    # What keeps layers from garbage collection

    def pin(self, owner: str, layers: Iterable[str]) -> None:
        """Keep `layers` while `owner` ("container:ID") stands on them; or NotFound."""
        contents = tuple(layers)
        with self.transaction() as run:
            self.require_layers(contents)
            run.executemany(
                "INSERT OR IGNORE INTO pin VALUES (?,?)",
                [(owner, content) for content in contents],
            )

    def unpin(self, owner: str) -> None:
        """Let go of what `owner` kept."""
        self.index.rows("DELETE FROM pin WHERE owner=?", owner)

    # Values that can always be computed again

    def recall(self, kind: str, key: str) -> bytes | None:
        """A memo, if it is here; that it was of use is noted, exactly to an hour."""
        row = self.index.row(
            "SELECT value, used FROM memo WHERE kind=? AND key=?", kind, key
        )
        if row is None:
            return None
        now = int(time.time())
        if row[1] < now - COARSE:
            # Nothing depends on it: a full disk does not matter here.
            with contextlib.suppress(StoreError):
                self.index.rows(
                    "UPDATE memo SET used=? WHERE kind=? AND key=?", now, kind, key
                )
        return bytes(row[0])

    def remember(self, kind: str, key: str, data: bytes) -> None:
        """Keep a memo; garbage collection may drop it at any time."""
        self.index.rows(
            "INSERT OR REPLACE INTO memo VALUES (?,?,?,?)",
            *(kind, key, data, int(time.time())),
        )

    @contextlib.contextmanager
    def alone(
        self,
        key: str,
        cancelled: Callable[[], bool] = lambda: False,
        waits: Callable[[], None] = lambda: None,
    ) -> Iterator[None]:
        """Only one process and thread at a time is in the block for `key`.

        The lock is the kernel's: it ends with its holder, however that dies. Waiting
        ends with InUse once `cancelled`; `waits` is called when it begins.
        """
        path = f"{self.root}/locks/{key.replace(':', '-').replace('/', '-')}"
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                _wait_for_lock(descriptor, cancelled, waits)
            except BaseException:
                os.close(descriptor)
                raise
            with contextlib.suppress(FileNotFoundError):
                if os.stat(path).st_ino == os.fstat(descriptor).st_ino:
                    break
            os.close(descriptor)
        try:
            yield
        finally:
            os.unlink(path)
            os.close(descriptor)


def _wait_for_lock(
    descriptor: int, cancelled: Callable[[], bool], waits: Callable[[], None]
) -> None:
    """flock(2), in steps of 20 ms so that an interrupted build does not hang in it."""
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if not told:
                told = True
                waits()
            if cancelled():
                raise InUse("Stopped while another build made the same step.") from None
            time.sleep(0.02)


def _create(root: str) -> None:
    os.makedirs(root, mode=0o700, exist_ok=True)
    for folder in _FOLDERS:
        os.makedirs(f"{root}/{folder}", mode=0o700, exist_ok=True)
    from lamina.oci.store.reserve import keep

    keep(root)


def _overlay_namespace() -> str:
    """`trusted` needs CAP_SYS_ADMIN in the first user namespace, else `user`."""
    with open("/proc/self/uid_map", encoding="utf-8") as file:
        first = file.readline().split()
    whole = first == ["0", "0", "4294967295"]
    return "trusted" if whole and os.geteuid() == 0 else "user"


def _has_ended(child: int) -> bool:
    """Whether a child process is over; then it is no zombie any longer."""
    try:
        return os.waitpid(child, os.WNOHANG)[0] == child
    except ChildProcessError:
        return True  # somebody else has collected it
