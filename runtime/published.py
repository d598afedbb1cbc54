"""Publishing ports: the host port is bound first, then led to the container.

The bound socket keeps the port from others, says so when somebody has it already,
and serves what the kernel's map does not (forwarder.py).
"""

from __future__ import annotations

import _socket
import errno
import os

from lamina.runtime import conntrack, firewall, netlink, portmap
from lamina.runtime.errors import NetworkError
from lamina.runtime.firewall import Element
from lamina.runtime.forwarder import Forwarder
from lamina.runtime.network_state import Lock, Network, explained, network_of
from lamina.runtime.owner import Owner
from lamina.runtime.ports import PROTOCOLS, PortMapping
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.endpoint import Endpoint

_V4, _V6 = _socket.AF_INET, _socket.AF_INET6
_KINDS = {"tcp": _socket.SOCK_STREAM, "sctp": _socket.SOCK_STREAM}
_TRIES = 16
_BACKLOG = 512


class Published:
    """Ports that are open until `close`, or until this process is gone.

    `ports` are the mappings with the host ports that they got. The owner watches
    `fileno()` and calls `serve()` when it is readable.
    """

    def __init__(self, ports: tuple[PortMapping, ...], forwarder: Forwarder) -> None:
        self.ports = ports
        self._forwarder = forwarder
        self._led: tuple[Network, tuple[Element, ...]] | None = None

    def __enter__(self) -> Published:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        return self._forwarder.fileno()

    def serve(self) -> None:
        """Pass on what waits, without blocking."""
        self._forwarder.serve()

    def close(self) -> None:
        """Lead the ports nowhere and give them back; a second time does nothing."""
        # The rules first: a port that is free again must not lead to us.
        if self._led is not None:
            network, elements = self._led
            self._led = None
            with Lock(network):
                _withdraw(network, elements)
        self._forwarder.close()

    def lead(self, network: Network, address: str) -> None:
        """Have the kernel lead IPv4 to the container at `address`."""
        elements = tuple(
            Element(
                mapping.host_ip,
                mapping.host_port,
                PROTOCOLS[mapping.protocol],
                address,
                mapping.container_port,
            )
            for mapping in self.ports
            if ":" not in mapping.host_ip
        )
        self._led = network, elements
        owner = Owner.of(address)
        with Lock(network), _nft() as nft:
            _withdraw(network, portmap.stale(network.ports))
            for element in elements:
                portmap.record(network.ports, element, owner)
            try:
                firewall.publish(nft, network.table, elements)
            except netlink.NetlinkError as error:
                # Somebody flushed the rules just now. We serve the ports ourselves
                # until the next container puts them up again, from the record.
                if error.errno != errno.ENOENT:
                    raise
            _forget_flows(nft, elements)


def publish(
    state_dir: str, endpoint: Endpoint, ports: tuple[PortMapping, ...]
) -> Published:
    """Open `ports` of the host for the container at `endpoint`.

    Raises NetworkError when a port is taken, saying by whom if that can be seen.
    """
    opened = forward(ports, endpoint.address)
    try:
        with explained("the kernel refuses to publish a port"):
            opened.lead(network_of(state_dir), endpoint.address)
    except BaseException:
        opened.close()
        raise
    return opened


def forward(
    ports: tuple[PortMapping, ...], address: str, namespace: int | None = None
) -> Published:
    """Open `ports` of the host; this process passes on what arrives there.

    With `namespace` it dials from inside that network namespace, which is how an
    ordinary user reaches a container whose address the host knows nothing of.
    """
    forwarder = Forwarder(namespace)
    got = []
    try:
        for mapping in ports:
            bound, sockets = bind(mapping)
            got.append(bound)
            target = (address, mapping.container_port)
            for socket in sockets:
                if mapping.protocol == "udp":
                    forwarder.add_datagram(socket, target)
                else:
                    forwarder.add_stream(socket, target)
    except BaseException:
        forwarder.close()
        raise
    return Published(tuple(got), forwarder)


def collect(state_dir: str) -> int:
    """Close the ports that killed processes left open: how many there were."""
    network = network_of(state_dir)
    if not os.path.isdir(network.ports):
        return 0
    with Lock(network), explained("the kernel refuses to close a port"):
        left = portmap.stale(network.ports)
        _withdraw(network, left)
    return len(left)


def _withdraw(network: Network, elements: tuple[Element, ...]) -> None:
    """Remove from map and record; the caller holds the lock."""
    if not elements:
        return
    with _nft() as nft:
        firewall.withdraw(nft, network.table, elements)
        for element in elements:
            portmap.forget(network.ports, element)
        _forget_flows(nft, elements)


def _forget_flows(nft: netlink.Socket, elements: tuple[Element, ...]) -> None:
    for element in elements:
        if element.protocol == PROTOCOLS["udp"]:
            conntrack.forget(nft, element.protocol, element.host_port)


def _nft() -> netlink.Socket:
    return netlink.Socket(netlink.NETFILTER)


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
        from lamina.runtime.port_users import user_of

        user = user_of(mapping.protocol, port)
        by = f" by {user}" if user else ""
        return NetworkError(
            f"port {where} is already in use{by}",
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
        f"cannot publish on port {where}/{mapping.protocol}: {error.strerror}",
        hint=hints.get(error.errno or 0, ""),
    )
