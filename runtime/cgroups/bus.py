"""D-Bus (dbus.freedesktop.org, D-Bus Specification): calls to a program, and signals.

A connection is one to a message bus, or to the program itself on a socket of its own.
This is the door to jeepney, of which only the wire format serves: its connections say
who they are by the number that a user has in here, which is another one in a user
namespace, and do without the sockets that are no bus.
"""

from __future__ import annotations

import _socket
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

_PATIENCE = 30.0  # seconds for an answer
_LINE = 4096
_BUS = ("/org/freedesktop/DBus", "org.freedesktop.DBus")


class Refusal(Exception):
    """An error for an answer: its `name`, and what it says."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text or name)
        self.name = name


class Bus:
    """A connection. `service` is who is called: on a bus, a name that it has there."""

    def __init__(self, line: _socket.socket, service: str, shared: bool) -> None:
        from jeepney.low_level import Parser

        self._line = line
        self._service = service
        self._parser = Parser()
        self._serial = 0
        self._signals: list[Any] = []
        self._shared = shared
        if shared:
            self.call(_BUS, "Hello")

    def close(self) -> None:
        self._line.close()

    def call(
        self,
        place: tuple[str, str],
        member: str,
        signature: str = "",
        body: tuple[Any, ...] = (),
    ) -> tuple[Any, ...]:
        """What a method answers; `place` is its object's path and interface.

        Raises Refusal, and OSError when the connection fails or nothing comes.
        """
        from jeepney.low_level import HeaderFields, MessageType

        self._send(place, member, signature, body)
        deadline = time.monotonic() + _PATIENCE
        while True:
            found = self._take(deadline)
            if found.header.fields.get(HeaderFields.reply_serial) != self._serial:
                continue
            if found.header.message_type == MessageType.error:
                name = found.header.fields[HeaderFields.error_name]
                text = found.body[0] if found.body else ""
                raise Refusal(name, text if isinstance(text, str) else name)
            return tuple(found.body)

    def expect(self, place: tuple[str, str], member: str) -> None:
        """Have signals of this name come to this connection."""
        if self._shared:
            path, interface = place
            rule = (
                f"type='signal',sender='{self._service}',path='{path}',"
                f"interface='{interface}',member='{member}'"
            )
            self.call(_BUS, "AddMatch", "s", (rule,))

    def wait(self, member: str, wanted: Callable[[tuple[Any, ...]], bool]) -> Any:
        """The content of the signal that is `wanted`, which may be here already."""
        from jeepney.low_level import HeaderFields

        deadline = time.monotonic() + _PATIENCE
        while True:
            while self._signals:
                found = self._signals.pop(0)
                named = found.header.fields.get(HeaderFields.member) == member
                if named and wanted(found.body):
                    return found.body
            self._take(deadline)

    def _send(
        self, place: tuple[str, str], member: str, signature: str, body: Any
    ) -> None:
        from jeepney.low_level import (
            Endianness,
            Header,
            HeaderFields,
            Message,
            MessageType,
        )

        fields = {
            HeaderFields.path: place[0],
            HeaderFields.interface: place[1],
            HeaderFields.member: member,
            HeaderFields.destination: _BUS[1] if place == _BUS else self._service,
        }
        if signature:
            fields[HeaderFields.signature] = signature
        self._serial += 1
        version, length = 1, -1
        kind = Endianness.little, MessageType.method_call, 0, version, length
        header = Header(*kind, self._serial, fields)
        self._line.settimeout(_PATIENCE)
        self._line.sendall(Message(header, body).serialise(self._serial))

    def _take(self, deadline: float) -> Any:
        """The next message; signals are kept, too."""
        from jeepney.low_level import MessageType

        while (found := self._parser.get_next_message()) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("no answer came")
            self._line.settimeout(left)
            data = self._line.recv(65536)
            if not data:
                raise ConnectionResetError("the connection was closed")
            self._parser.add_data(data)
        if found.header.message_type == MessageType.signal:
            self._signals.append(found)
        return found


def connect(places: Iterable[tuple[str, bool]], service: str) -> Bus:
    """The first that answers of these sockets; each with whether it is a bus, which
    others share, or the service itself.

    Raises OSError, the first one's.
    """
    failed: OSError | None = None
    for path, shared in places:
        for words in _introductions():
            try:
                line = _open(path, words)
            except PermissionError as error:
                failed = failed or error
                continue
            except OSError as error:
                failed = failed or error
                break
            try:
                return Bus(line, service, shared)
            except Refusal as refusal:
                line.close()
                raise OSError(f"{path}: {refusal}") from refusal
            except BaseException:
                line.close()
                raise
    raise failed or FileNotFoundError("no socket to connect to")


def _introductions() -> tuple[bytes, ...]:
    """Who we are. The kernel tells them, so the number may be left out; what is older
    than 2020 wants to hear it."""
    number = str(outer_id()).encode().hex().encode()
    return b"EXTERNAL\r\nDATA", b"EXTERNAL " + number


def _open(path: str, words: bytes) -> _socket.socket:
    """A connection on which calls can be sent.

    All is said at once, as systemd's own programs do: its private socket leaves a call
    lying that comes together with the last word of this (seen with 252).
    """
    line = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    try:
        line.settimeout(_PATIENCE)
        line.connect(path)
        line.sendall(b"\0AUTH " + words + b"\r\nBEGIN\r\n")
        while not (answer := _line(line)).startswith(b"OK"):
            if not answer.startswith(b"DATA"):
                raise PermissionError("it does not know this user")
    except BaseException:
        line.close()
        raise
    return line


def _line(line: _socket.socket) -> bytes:
    answer = b""
    while not answer.endswith(b"\r\n"):
        piece = line.recv(1)
        if not piece or len(answer) > _LINE:
            raise ConnectionResetError("the connection was closed")
        answer += piece
    return answer


def outer_id() -> int:
    """This user's number where the user namespace was made."""
    own = os.geteuid()
    with open("/proc/self/uid_map", encoding="ascii") as file:
        for line in file:
            inner, outer, count = map(int, line.split())
            if inner <= own < inner + count:
                return outer + own - inner
    return own
