"""DNS messages, as much as a resolver of a few names needs: RFC 1035, RFC 3596.

One question is read, and answered with addresses or a name; all else that the message
holds (EDNS, for one) is left aside, which its sender has to be prepared for.
"""

from __future__ import annotations

import _socket
from struct import Struct, error

from lamina.values import value

A, PTR, AAAA, ANY = 1, 12, 28, 255
_INTERNET = (1, ANY)
NO_ERROR, SERVER_FAILURE = 0, 2

_HEADER = Struct(">6H")
_QUESTION = Struct(">2H")
_RECORD = Struct(">3HIH")
_RESPONSE, _TRUNCATED = 0x8000, 0x0200
_RECURSION = 0x0080  # is available
_KEPT = 0x0110  # of the question's flags: recursion desired, checking disabled
_OPCODE = 0x7800
_QUESTION_NAME = 0xC00C  # a pointer to the first name of the message
# Whose answers change at any moment are not to be remembered.
_TTL = 0
# What a datagram may hold (RFC 1035, 4.2.1).
LARGEST = 512


@value
class Question:
    """What is asked: `name` in lower case, without the dot at its end; `end` is where
    the question ends in the message."""

    id: int
    flags: int
    name: str
    kind: int
    end: int


def parse(data: bytes) -> Question | None:
    """The question of a message; None for what is no question for a resolver."""
    try:
        identity, flags, count, answers, _, _ = _HEADER.unpack_from(data)
        if flags & (_RESPONSE | _OPCODE) or count != 1 or answers:
            return None
        name, at = _name(data, _HEADER.size)
        kind, family = _QUESTION.unpack_from(data, at)
    except (error, IndexError, ValueError):
        return None
    if family not in _INTERNET:
        return None
    return Question(identity, flags, name, kind, at + _QUESTION.size)


def answer(
    data: bytes, question: Question, found: tuple[bytes, ...], kind: int, code: int = 0
) -> bytes:
    """A message that answers with records of one `kind`, whose data is `found`."""
    flags = _RESPONSE | _RECURSION | question.flags & _KEPT | code
    header = _HEADER.pack(question.id, flags, 1, len(found), 0, 0)
    records = b"".join(
        _RECORD.pack(_QUESTION_NAME, kind, 1, _TTL, len(one)) + one for one in found
    )
    return header + data[_HEADER.size : question.end] + records


def shortened(message: bytes, question: Question) -> bytes:
    """A message for a datagram: where it holds too much, a word to ask by TCP."""
    if len(message) <= LARGEST:
        return message
    flags = int.from_bytes(message[2:4], "big") | _TRUNCATED
    header = _HEADER.pack(question.id, flags, 1, 0, 0, 0)
    return header + message[_HEADER.size : question.end]


def address(text: str) -> bytes:
    """An address as a record has it."""
    family = _socket.AF_INET6 if ":" in text else _socket.AF_INET
    return _socket.inet_pton(family, text)


def encoded(name: str) -> bytes:
    """A name as a record has it."""
    labels = [label.encode(errors="surrogateescape")[:63] for label in name.split(".")]
    return b"".join(bytes((len(label),)) + label for label in labels if label) + b"\0"


def reversed_address(name: str) -> str:
    """The address that a name in in-addr.arpa or ip6.arpa is of, or ""."""
    labels = name.split(".")
    if name.endswith(".in-addr.arpa") and len(labels) == 6:
        return ".".join(reversed(labels[:4]))
    if name.endswith(".ip6.arpa") and len(labels) == 34:
        digits = "".join(reversed(labels[:32]))
        try:
            return _socket.inet_ntop(_socket.AF_INET6, bytes.fromhex(digits))
        except ValueError:
            return ""
    return ""


def _name(data: bytes, at: int) -> tuple[str, int]:
    """The name at `at`, and where what follows begins. A question's has no pointers."""
    labels = []
    total = 0
    while size := data[at]:
        total += size + 1
        if size > 63 or total > 255:
            raise ValueError("no name")
        label = data[at + 1 : at + 1 + size]
        if len(label) < size:
            raise ValueError("cut short")
        labels.append(label.decode(errors="surrogateescape").lower())
        at += size + 1
    return ".".join(labels), at + 1
