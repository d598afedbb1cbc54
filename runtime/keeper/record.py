"""What a keeper writes down of a container: its state, and what it holds."""

from __future__ import annotations

import errno
import os

from lamina.oci.files.writing import write_all
from lamina.oci.json_writer import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# A file of the container's, and its size: that of a state with results of a check.
_SPARE = "state.spare"
_ROOM = 16 * 1024


def write_file(path: str, data: bytes, mode: int = 0o600) -> None:
    """Put a file in place whole: a reader sees the old one or the new one."""
    temporary = f"{path}.{os.getpid()}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(temporary, flags, mode)
    try:
        write_all(descriptor, data)
    except OSError:
        os.unlink(temporary)
        raise
    finally:
        os.close(descriptor)
    os.rename(temporary, path)


def write_state(place: str, state: Mapping[str, Any]) -> None:
    """Write a state into a container's directory; a full disk has the spare's room."""
    data = text(state).encode()
    try:
        write_file(f"{place}/state.json", data)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _use_spare(place, data)


def reserve(place: str) -> None:
    """Keep room for a state, so that how a container ends is known whatever it has done
    to the disk. Where there is none already, it will have to do."""
    try:
        descriptor = os.open(f"{place}/{_SPARE}", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, _ROOM)
        finally:
            os.close(descriptor)
    except OSError:
        return


def unreserve(place: str) -> None:
    """No state will be written any more."""
    try:  # noqa: SIM105 (contextlib is an import)
        os.unlink(f"{place}/{_SPARE}")
    except FileNotFoundError:
        pass


def _use_spare(place: str, data: bytes) -> None:
    spare = f"{place}/{_SPARE}"
    descriptor = os.open(spare, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.pwrite(descriptor, data, 0)
        os.ftruncate(descriptor, len(data))
    finally:
        os.close(descriptor)
    os.rename(spare, f"{place}/state.json")
    # The state before has made room.
    reserve(place)


def leave_stderr(place: str) -> None:
    """Let go of the caller's stderr: whoever reads it waits for its end. What Python
    says of a fault of ours goes to a file in the container's directory."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    fd = os.open(f"{place}/keeper.log", flags, 0o600)
    os.dup2(fd, 2)
    os.close(fd)


def mark_held(root: str, identity: str) -> None:
    """Note that a container holds something that only its keeper gives back."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
    os.close(os.open(f"{root}/live/{identity}", flags, 0o600))


def mark_free(root: str, identity: str) -> None:
    """Note that a container holds nothing."""
    try:  # noqa: SIM105 (contextlib is an import)
        os.unlink(f"{root}/live/{identity}")
    except FileNotFoundError:
        pass
