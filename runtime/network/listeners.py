"""Binding host ports: what holds a port, and says so when somebody has it already."""

from __future__ import annotations

import _socket
import errno

from lamina.runtime.errors import NetworkError
from lamina.runtime.network.ports import PROTOCOLS, PortMapping
from lamina.values import replace

_V4, _V6 = _socket.AF_INET, _socket.AF_INET6
_KINDS = {"tcp": _socket.SOCK_STREAM, "sctp": _socket.SOCK_STREAM}
_TRIES = 16
_BACKLOG = 512


def bind(mapping: PortMapping) -> tuple[PortMapping, list[_socket.socket]]:
    """The mapping with a host port that was free, and the sockets that hold it."""
    last = max(mapping.host_port, mapping.host_last)
    ports = tuple(range(mapping.host_port, last + 1)) if last else (0,) * _TRIES
    for number, port in enumerate(ports, 1):
        try:
            sockets = _listeners(mapping, port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and number < len(ports):
                continue
            raise _refused(mapping, port, error) from error
        found = sockets[0].getsockname()[1]
        return replace(mapping, host_port=found, host_last=0), sockets
    raise AssertionError("there is always a port to try")


def _listeners(mapping: PortMapping, port: int) -> list[_socket.socket]:
    """Sockets on the port, for IPv4 and IPv6 where no address is given."""
    if mapping.host_ip:
        family = _V6 if ":" in mapping.host_ip else _V4
        return [_listener(mapping, family, mapping.host_ip, port)]
    sockets = [_listener(mapping, _V4, "0.0.0.0", port)]
    try:
        taken = sockets[0].getsockname()[1]
        sockets.append(_listener(mapping, _V6, "::", taken))
    except OSError as error:
        # A host without IPv6 has nothing to publish there.
        if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            sockets[0].close()
            raise
    return sockets


def _listener(
    mapping: PortMapping, family: int, address: str, port: int
) -> _socket.socket:
    kind = _KINDS.get(mapping.protocol, _socket.SOCK_DGRAM)
    protocol = PROTOCOLS[mapping.protocol]
    socket = _socket.socket(family, kind | _socket.SOCK_CLOEXEC, protocol)
    try:
        if family == _V6:
            socket.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY, 1)
        if kind == _socket.SOCK_STREAM:
            # Connections of the server before may still be in TIME_WAIT.
            socket.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        socket.bind((address, port))
        if kind == _socket.SOCK_STREAM:
            socket.listen(_BACKLOG)
    except BaseException:
        socket.close()
        raise
    return socket


def _refused(mapping: PortMapping, port: int, error: OSError) -> NetworkError:
    """What bind(2) said, in words."""
    where = f"{mapping.host_ip}:{port}" if mapping.host_ip else f"{port}"
    if error.errno == errno.EADDRINUSE:
        from lamina.runtime.network.port_users import user_of

        user = user_of(mapping.protocol, port)
        by = f" by {user}" if user else ""
        return NetworkError(
            f"Port {where} is already in use{by}.",
            hint=f"Choose another: `-p {port + 1}:{mapping.container_port}`, or "
            f"`-p {mapping.container_port}` for any free one.",
        )
    hints = {
        errno.EACCES: "An ordinary user has the ports from 1024 on; see "
        "/proc/sys/net/ipv4/ip_unprivileged_port_start.",
        errno.EADDRNOTAVAIL: "It has to be an address of this host: `ip address`.",
        errno.EPROTONOSUPPORT: "This kernel does not know the protocol.",
    }
    return NetworkError(
        f"Cannot publish on port {where}/{mapping.protocol}: {error.strerror}.",
        hint=hints.get(error.errno or 0, ""),
    )
