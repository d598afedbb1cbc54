"""The terminal's master on its way to who holds it: over a socket, by name of the
`--console-socket` that engines listen on (runc's docs/terminals.md)."""

from __future__ import annotations

import _socket

from lamina.runtime.errors import ContainerError


def send(path: str, master: int) -> None:
    """Send the master to who listens at `path`; raises ContainerError."""
    kind = _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC
    line = _socket.socket(_socket.AF_UNIX, kind)
    try:
        line.connect(path)
        rights = master.to_bytes(4, "little")
        ancillary = ((_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights),)
        line.sendmsg((b"/dev/ptmx",), ancillary, _socket.MSG_NOSIGNAL)
    except OSError as error:
        raise ContainerError(
            f"cannot send the terminal to {path}: {error.strerror}"
        ) from error
    finally:
        line.close()
