"""TCP connections of a network namespace: which wait for a request, and ending those.

sock_diag(7); <linux/inet_diag.h>, <linux/tcp.h> (struct tcp_info). What is in the
thread's own network namespace is seen.
"""

from __future__ import annotations

import errno
from struct import Struct

from lamina.runtime.network import netlink
from lamina.runtime.network.netlink import Message, attributes
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SOCK_DIAG = 4
_BY_FAMILY, _DESTROY = 20, 21
_FAMILIES = (2, 10)  # AF_INET, AF_INET6
_TCP = 6
# TCP_ESTABLISHED, TCP_CLOSE_WAIT: 1 << state.
_STATES = 1 << 1 | 1 << 8
_INFO = 2
_REQUEST = Struct("=BBBxI48s")
_HEAD = Struct("=BBxx48sIII")
_HEAD_SIZE = 72
# Of struct tcp_info: milliseconds since data was sent and received; bytes that were
# acknowledged and received.
_SENT, _RECEIVED = Struct("=44xI"), Struct("=52xI")
_BYTES = Struct("=120xQQ")
# What the end of the handshake counts as.
_HANDSHAKE = 1


@value
class Connection:
    """One that a server here has accepted, or will. `rests` is for how long (s) nothing
    came or went while nobody waits for an answer, -1.0 while somebody does."""

    family: int
    identity: bytes
    rests: float


def connections(ports: frozenset[int]) -> tuple[Connection, ...]:
    """Those to `ports`; none where the kernel does not tell (CONFIG_INET_DIAG)."""
    found: list[Connection] = []
    try:
        with netlink.Socket(_SOCK_DIAG) as diag:
            for family in _FAMILIES:
                asked = _REQUEST.pack(
                    family, _TCP, 1 << (_INFO - 1), _STATES, bytes(48)
                )
                answers = diag.request(Message(_BY_FAMILY, netlink.DUMP, asked))
                found += _read(answers, ports)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EPROTONOSUPPORT, errno.EBUSY):
            raise
    return tuple(found)


def abort(ended: Iterable[Connection]) -> int:
    """Reset connections: how many there were; 0 where the kernel cannot
    (CONFIG_INET_DIAG_DESTROY)."""
    number = 0
    with netlink.Socket(_SOCK_DIAG) as diag:
        for one in ended:
            asked = _REQUEST.pack(one.family, _TCP, 0, _STATES, one.identity)
            try:
                diag.request(Message(_DESTROY, 0, asked))
                number += 1
            except netlink.NetlinkError as error:
                if error.errno == errno.EOPNOTSUPP:
                    return 0
                if error.errno != errno.ENOENT:  # it ended by itself
                    raise
    return number


def _read(answers: Iterable[bytes], ports: frozenset[int]) -> Iterator[Connection]:
    for answer in answers:
        family, _, identity, _, unread, unsent = _HEAD.unpack_from(answer)
        if int.from_bytes(identity[:2], "big") not in ports:
            continue
        info = attributes(answer, _HEAD_SIZE).get(_INFO, b"")
        yield Connection(family, identity, _rest(info, unread or unsent))


def _rest(info: bytes, queued: int) -> float:
    """See Connection.rests. Who spoke last is told by the times, which are those of the
    kernel's clock: a short request may have its answer's."""
    if queued or len(info) < _BYTES.size:
        return -1.0
    (sent,), (received,) = _SENT.unpack_from(info), _RECEIVED.unpack_from(info)
    answered, asked = _BYTES.unpack_from(info)
    if sent > received or (sent == received and asked and answered <= _HANDSHAKE):
        return -1.0
    rests: int = min(sent, received)
    return rests / 1000
