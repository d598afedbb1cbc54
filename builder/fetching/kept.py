"""Kept: downloads that stay for later builds, and what their servers said of them."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import time
from typing import TYPE_CHECKING

from lamina.builder.fetching.validator import Validator
from lamina.oci.digest import Digest
from lamina.values import value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from lamina.builder.memos import Memos

_KIND = "download"
# A file that no build used for so long goes when another one comes.
_UNUSED = 30 * 24 * 3600
_NEW = "new-"
_YOUNG = 60
_CHUNK = 1 << 20


@value
class KeptFile:
    """A file by its digest; its name, its time (ns) and what asks for it again."""

    digest: Digest
    name: str
    mtime: int
    validator: Validator


class Kept:
    """The files in `directory`, each named by its digest; `memos` knows addresses."""

    def __init__(self, directory: str, memos: Memos | None) -> None:
        self._directory = directory
        self._memos = memos

    def find(self, url: str) -> KeptFile | None:
        """What an address gave before, if the file is still here."""
        data = (
            self._memos.recall(_KIND, _name(url)) if self._memos is not None else None
        )
        if data is None:
            return None
        digest, name, mtime, etag, modified = json.loads(data)
        found = KeptFile(Digest(digest), name, mtime, Validator(etag, modified))
        try:
            os.utime(self.path(found))
        except OSError:
            return None
        return found

    def path(self, file: KeptFile) -> str:
        return f"{self._directory}/{file.digest.hex}"

    def is_sound(self, file: KeptFile) -> bool:
        """Whether the file still has the bytes that its digest is of."""
        seen = hashlib.sha256()
        try:
            with open(self.path(file), "rb") as stream:
                while data := stream.read(_CHUNK):
                    seen.update(data)
        except OSError:
            return False
        return seen.hexdigest() == file.digest.hex

    @contextlib.contextmanager
    def new(self) -> Iterator[IO[bytes]]:
        """A file to write to, gone again if that fails, and on the disk at the end:
        after a power cut nothing of its name is empty."""
        os.makedirs(self._directory, 0o700, exist_ok=True)
        self._collect()
        path = f"{self._directory}/{_NEW}{os.getpid()}-{time.monotonic_ns()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC

        def opener(name: str, _: int) -> int:
            return os.open(name, flags, 0o600)

        try:
            with open(path, "wb", opener=opener) as file:
                # Ends with this process, however it dies.
                fcntl.flock(file, fcntl.LOCK_EX)
                yield file
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            os.unlink(path)
            raise

    def keep(self, url: str, path: str, file: KeptFile) -> None:
        """Give a new file its name, and note where it is from."""
        os.rename(path, self.path(file))
        if self._memos is not None:
            etag, modified = file.validator.etag, file.validator.modified
            fields = (file.digest, file.name, file.mtime, etag, modified)
            self._memos.remember(_KIND, _name(url), json.dumps(fields).encode())

    def _collect(self) -> None:
        """Remove what was not used for long, and what died while it came."""
        if self._memos is None:
            return
        before = time.time() - _UNUSED
        for name in os.listdir(self._directory):
            path = f"{self._directory}/{name}"
            with contextlib.suppress(FileNotFoundError):
                dead = name.startswith(_NEW) and _is_dead(path)
                if dead or os.stat(path).st_mtime < before:
                    os.unlink(path)


def _is_dead(path: str) -> bool:
    """Whether nobody writes to a new file any more."""
    with open(path, "rb") as file:
        # Between its making and its lock a file is not dead, but very young.
        if os.fstat(file.fileno()).st_mtime > time.time() - _YOUNG:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _name(url: str) -> str:
    """An address as the key of a memo, which tells no password."""
    return Digest.of(url.encode(errors="surrogateescape"))
