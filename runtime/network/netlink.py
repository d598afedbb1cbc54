"""Netlink, as little as a container's start needs: build messages, send, check.

pyroute2 speaks all of netlink, but importing it takes longer than everything else
that `lamina run` does (docs/decisions/0003-container-networks.md), so the way that
every container takes is encoded here. netlink(7), rtnetlink(7); the numbers are in
<linux/netlink.h>.
"""

from __future__ import annotations

import _socket  # socket.py imports enum and selectors: 10 ms
import errno
import os
import sys
from struct import Struct

from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ORDER = sys.byteorder
ROUTE = 0
NETFILTER = 12

REPLACE = 0x100
EXCLUSIVE = 0x200
CREATE = 0x400
APPEND = 0x800
DUMP = 0x300

_REQUEST = 0x01
_DUMP_INTERRUPTED = 0x10
_ACK = 0x04
_ERROR = 2
_DONE = 3
_NESTED = 0x8000
_TYPE_MASK = 0x3FFF
_TLVS = 0x200
_EXTENDED_TEXT = 1

_HEADER = Struct("=IHHII")
_ATTRIBUTE = Struct("=HH")
_INT = Struct("=i")

_SOL_NETLINK = 270
_CAP_ACK = 10
_EXTENDED_ACK = 11
_STRICT_CHECK = 12


class NetlinkError(OSError):
    """The kernel refused a request; `strerror` is its own explanation if it gave one.

    `index` says which of the messages sent together was refused.
    """

    def __init__(self, code: int, text: str, index: int) -> None:
        super().__init__(code, text or os.strerror(code))
        self.index = index


@value
class Message:
    """A request: its type, flags beyond REQUEST and ACK, header and attributes."""

    kind: int
    flags: int
    body: bytes


def attribute(kind: int, payload: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    size = 4 + len(payload)
    return _ATTRIBUTE.pack(size, kind) + payload + bytes(-size % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    """An attribute that holds attributes."""
    return attribute(kind | _NESTED, b"".join(attributes))


def text(kind: int, words: str) -> bytes:
    return attribute(kind, words.encode() + b"\0")


def u8(kind: int, number: int) -> bytes:
    return attribute(kind, bytes((number,)))


def u32(kind: int, number: int) -> bytes:
    """A number in the machine's order, as rtnetlink has it."""
    return attribute(kind, number.to_bytes(4, ORDER))


def be32(kind: int, number: int) -> bytes:
    """A number in network order, as nfnetlink has it; signed ones wrap."""
    return attribute(kind, (number & 0xFFFFFFFF).to_bytes(4, "big"))


def attributes(body: bytes, offset: int = 0) -> dict[int, bytes]:
    """The attributes in `body` from `offset` on, by type; the last of a type wins."""
    return dict(sequence(body, offset))


def sequence(body: bytes, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """The attributes in `body` from `offset` on, in order."""
    while offset + 4 <= len(body):
        size, kind = _ATTRIBUTE.unpack_from(body, offset)
        if size < 4:
            return
        yield kind & _TYPE_MASK, body[offset + 4 : offset + size]
        offset += (size + 3) & ~3


def new_socket(protocol: int) -> _socket.socket:
    kind = _socket.SOCK_RAW | _socket.SOCK_CLOEXEC
    return _socket.socket(_socket.AF_NETLINK, kind, protocol)


class Socket:
    """A netlink socket, for the network namespace of the thread that makes it, or for
    that of who has `made` it."""

    def __init__(self, protocol: int, made: _socket.socket | None = None) -> None:
        self._socket = made or new_socket(protocol)
        self._sequence = 0
        for option in (_CAP_ACK, _EXTENDED_ACK, _STRICT_CHECK):
            try:
                self._socket.setsockopt(_SOL_NETLINK, option, 1)
            except OSError as error:
                if error.errno != errno.ENOPROTOOPT:
                    raise

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def close(self) -> None:
        self._socket.close()

    def request(self, *messages: Message) -> list[bytes]:
        """Send `messages` in one datagram; the bodies of what came back.

        Raises NetlinkError for the first that fails; the kernel still carries out
        those behind it.
        """
        for _ in range(5):
            first = self._send(messages)
            try:
                return self._replies(first, len(messages))
            except _Interrupted:
                continue  # a change came between: the answer would be torn
        raise NetlinkError(errno.EBUSY, "the tables change too fast to be read", 0)

    def batch(
        self, begin: Message, messages: tuple[Message, ...], end: Message
    ) -> None:
        """Carry out all of `messages` or none: nfnetlink's transactions.

        Raises NetlinkError; `index` counts `begin` as -1.
        """
        # Refusals come without being asked for; hundreds of receipts would not fit
        # into what the kernel holds for us.
        first = self._send((begin, *messages, end), receipts=0)
        failure = None
        # The kernel works while we send, so all that it has to say is here now.
        for data in iter(self._pending, b""):
            for kind, flags, number, body in _split(data):
                code = -_INT.unpack_from(body)[0] if kind == _ERROR else 0
                if code and number >= first and failure is None:
                    words = _explanation(body, flags)
                    failure = NetlinkError(code, words, number - first - 1)
        if failure is not None:
            raise failure

    def _send(self, messages: tuple[Message, ...], receipts: int = _ACK) -> int:
        """Send in one datagram; the sequence number of the first."""
        first = self._sequence
        packets: list[bytes] = []
        for message in messages:
            flags = message.flags | _REQUEST | receipts
            size = _HEADER.size + len(message.body)
            header = _HEADER.pack(size, message.kind, flags, self._sequence, 0)
            packets += (header, message.body, bytes(-size % 4))
            self._sequence += 1
        self._socket.sendto(b"".join(packets), (0, 0))
        return first

    def _pending(self) -> bytes:
        try:
            return self._socket.recv(1 << 16, _socket.MSG_DONTWAIT)
        except BlockingIOError:
            return b""

    def _replies(self, first: int, count: int) -> list[bytes]:
        """Read until each of `count` messages was acknowledged."""
        waiting = set(range(first, first + count))
        failure: NetlinkError | None = None
        torn = False
        found = []
        while waiting:
            for kind, flags, number, body in _split(self._socket.recv(1 << 16)):
                if number < first:
                    continue
                torn = torn or bool(flags & _DUMP_INTERRUPTED)
                if kind not in (_ERROR, _DONE):
                    found.append(body)
                    continue
                waiting.discard(number)
                code = -_INT.unpack_from(body)[0] if len(body) >= 4 else 0
                if code and failure is None:
                    words = _explanation(body, flags) if kind == _ERROR else ""
                    failure = NetlinkError(code, words, number - first)
        if failure is not None:
            raise failure
        if torn:
            raise _Interrupted
        return found


class _Interrupted(Exception):
    pass


def _split(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """The messages in a datagram: type, flags, sequence number, body."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        size, kind, flags, number, _ = _HEADER.unpack_from(data, offset)
        if size < _HEADER.size:
            return
        yield kind, flags, number, data[offset + _HEADER.size : offset + size]
        offset += (size + 3) & ~3


def _explanation(body: bytes, flags: int) -> str:
    """The kernel's own words, after the error code and the header it answers."""
    if not flags & _TLVS:
        return ""
    words = attributes(body, 4 + _HEADER.size).get(_EXTENDED_TEXT, b"")
    return words.rstrip(b"\0").decode(errors="replace")
