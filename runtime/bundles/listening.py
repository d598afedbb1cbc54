"""The listener of a seccomp profile: who decides on calls with SCMP_ACT_NOTIFY.

It waits at a socket, `linux.seccomp.listenerPath`, and is sent the filter's descriptor
with the state of the process that has the filter (runtime-spec, config-linux.md, The
Container Process State). The process itself sends it, as the first thing that it does
under the filter: so the profile has to let it.
"""

from __future__ import annotations

import _socket
import os

from lamina.oci.json_writer import text
from lamina.runtime import syscalls
from lamina.runtime.bundles import fields, state
from lamina.runtime.bundles.json_text import InvalidJson
from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation.seccomp import NOTIFY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.runtime.bundles.fields import Object
    from lamina.runtime.bundles.state import Record
    from lamina.runtime.spec import Spec

_SENDING = "sendmsg"
_PERMISSIVE = ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG")


class Listener:
    """A connection to a profile's listener, and its `fd`, which is for the child."""

    def __init__(self, profile: Object, known: Record) -> None:
        path = fields.text(profile, "listenerPath")
        self._metadata = fields.text(profile, "listenerMetadata")
        self._known = known
        kind = _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC
        self._line = _socket.socket(_socket.AF_UNIX, kind)
        try:
            self._line.connect(path)
        except OSError as error:
            self._line.close()
            raise ContainerError(
                f"cannot reach the seccomp listener {path}: {error.strerror}"
            ) from error

    @property
    def fd(self) -> int:
        return self._line.fileno()

    def sender(self, seen: str, proc: int) -> Callable[[int], None]:
        """What sends the filter's descriptor, for this process, whose container is in
        the state `seen`; `proc` is the host's /proc."""
        pid = int(os.readlink("self", dir_fd=proc))
        told = {
            "ociVersion": self._known.version,
            "fds": ["seccompFd"],
            "pid": pid,
            "metadata": self._metadata,
            "state": state.as_json(self._known, seen, _first(self._known) or pid),
        }
        message = text(told).encode()

        def send(filter_: int) -> None:
            rights = filter_.to_bytes(4, "little")
            ancillary = ((_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights),)
            self._line.sendmsg((message,), ancillary, _socket.MSG_NOSIGNAL)
            os.close(filter_)

        return send

    def close(self) -> None:
        self._line.close()


def listener_of(spec: Spec, known: Record) -> Listener | None:
    """The listener of a container's profile, where it needs one; raises ContainerError
    for a profile that it cannot be sent the filter under."""
    profile = spec.seccomp
    if profile is None or NOTIFY not in _actions(profile):
        return None
    if not fields.text(profile, "listenerPath"):
        raise InvalidJson(f"seccomp: {NOTIFY} needs a `listenerPath`")
    if not _allows_sending(profile):
        raise InvalidJson(
            f"seccomp: with {NOTIFY} the profile has to allow {_SENDING}(2), by which "
            "the listener gets the filter"
        )
    return Listener(profile, known)


def _actions(profile: Object) -> tuple[str, ...]:
    rules = fields.objects(profile, "syscalls")
    default = fields.text(profile, "defaultAction")
    return (default, *(fields.text(rule, "action") for rule in rules))


def _allows_sending(profile: Object) -> bool:
    default, *_ = _actions(profile)
    for rule in fields.objects(profile, "syscalls"):
        if _SENDING in fields.texts(rule, "names"):
            allowed = fields.text(rule, "action") in _PERMISSIVE
            return allowed and not fields.objects(rule, "args")
    return default in _PERMISSIVE


def _first(known: Record) -> int:
    return known.process.pid if known.process is not None else 0


def with_listener(flags: int, listener: Listener | None) -> int:
    """The flags of seccomp(2) that have it give the descriptor of the filter.

    One thread needs no synchronising, which does not go with it.
    """
    if listener is None:
        return flags
    return flags & ~syscalls.SECCOMP_TSYNC | syscalls.SECCOMP_NEW_LISTENER
