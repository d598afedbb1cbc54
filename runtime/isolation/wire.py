"""Messages between the zygote, its owner and its children: marshal over SEQPACKET.

One message is one datagram with its descriptors (SCM_RIGHTS). marshal needs no
import and both ends are the same interpreter; what is too long for a datagram
travels in a memfd, and more descriptors than it takes in a socket of their own: others
may write to the same end, so that a message stays one datagram.
"""

from __future__ import annotations

import _socket
import errno
import marshal
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LIMIT = 65536
# SCM_MAX_FD, net/scm.h.
_MAX_FDS = 253
_FD_SPACE = _socket.CMSG_SPACE(4 * _MAX_FDS)
_RIGHTS = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS)
_BIG = b"\0big"
# The message is in the socket that comes with this; before it some of its descriptors.
_MANY, _MORE = b"\0many", b"\0more"


def pair() -> tuple[_socket.socket, _socket.socket]:
    """Two connected ends, close-on-exec."""
    kind = _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC
    left, right = _socket.socketpair(_socket.AF_UNIX, kind)
    return left, right


def send(end: _socket.socket, message: Any, fds: tuple[int, ...] = ()) -> None:
    """Send a message; BrokenPipeError when nobody is left to read it."""
    data = message if isinstance(message, bytes) else marshal.dumps(message)
    memory = -1
    if len(data) >= _LIMIT:
        memory = os.memfd_create("message", os.MFD_CLOEXEC)
        os.write(memory, data)
        data, fds = _BIG, (memory, *fds)
    try:
        if len(fds) > _MAX_FDS:
            _send_many(end, data, fds)
        else:
            _send(end, data, fds)
    finally:
        if memory >= 0:
            os.close(memory)


def _send_many(end: _socket.socket, data: bytes, fds: tuple[int, ...]) -> None:
    aside, theirs = pair()
    try:
        while len(fds) > _MAX_FDS:
            _send(aside, _MORE, fds[:_MAX_FDS])
            fds = fds[_MAX_FDS:]
        _send(aside, data, fds)
        _send(end, _MANY, (theirs.fileno(),))
    finally:
        aside.close()
        theirs.close()


def _send(end: _socket.socket, data: bytes, fds: tuple[int, ...]) -> None:
    rights = b"".join(fd.to_bytes(4, "little") for fd in fds)
    ancillary = ((*_RIGHTS, rights),) if fds else ()
    end.sendmsg((data,), ancillary, _socket.MSG_NOSIGNAL)


def tell(end: _socket.socket, message: Any, fds: tuple[int, ...] = ()) -> bool:
    """Send to an end that may be gone by now; whether it was there."""
    try:
        send(end, message, fds)
    except OSError:
        return False
    return True


def receive(end: _socket.socket) -> tuple[bytes, list[int]]:
    """The next message's bytes and descriptors; b"" when the other end is closed.

    Raises OSError EMFILE when this process may not have so many descriptors.
    """
    data, fds = _receive(end)
    if data == _MANY:
        data, fds = _receive_many(fds[0])
    if data == _BIG:
        memory = fds.pop(0)
        try:
            data = os.pread(memory, os.fstat(memory).st_size, 0)
        finally:
            os.close(memory)
    return data, fds


def _receive_many(aside: int) -> tuple[bytes, list[int]]:
    end = _socket.socket(fileno=aside)
    fds: list[int] = []
    try:
        while True:
            data, more = _receive(end)
            fds += more
            if data != _MORE:
                return data, fds
    except OSError:
        _close(fds)
        raise
    finally:
        end.close()


def _receive(end: _socket.socket) -> tuple[bytes, list[int]]:
    flags = _socket.MSG_CMSG_CLOEXEC
    try:
        data, ancillary, truncated, _ = end.recvmsg(_LIMIT, _FD_SPACE, flags)
    except ConnectionResetError:
        return b"", []
    fds: list[int] = []
    for _, _, rights in ancillary:
        for offset in range(0, len(rights) - 3, 4):
            fds.append(int.from_bytes(rights[offset : offset + 4], "little"))
    if truncated & _socket.MSG_CTRUNC:
        _close(fds)
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    return data, fds


def _close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)


def load(data: bytes) -> dict[str, Any]:
    message = marshal.loads(data)
    assert isinstance(message, dict)
    return message
