"""Lock: one process at a time, by flock(2): the kernel takes it from who dies."""

from __future__ import annotations

import os


class Lock:
    """Held from its making to `close`, or to the end of a `with` block."""

    def __init__(self, path: str, flags: int = os.O_RDWR | os.O_CREAT) -> None:
        """The lock of a file, made where it is missing; waits for whoever has it."""
        import fcntl

        self._fd = os.open(path, flags | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX)
        except BaseException:
            self.close()
            raise

    @classmethod
    def of_folder(cls, path: str) -> Lock:
        """The lock of a folder that is there."""
        return cls(path, os.O_RDONLY | os.O_DIRECTORY)

    def __enter__(self) -> None:
        """Held already."""

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the next one have it."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1
