"""Front: the published ports of containers that take each other's place.

The ports belong to this process and not to a container, and lead to one after the
other: for the kernel in one transaction, for connections that pass through here with
the next accept(2). While nothing can answer, who connects waits.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading

from lamina.runtime.network.network_state import explained, network_of
from lamina.runtime.network.published import reserve
from lamina.runtime.owner import Owner
from lamina.runtime.swap.host_ports import HostPort, hold
from lamina.runtime.swap.overlay import Overlay
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.network.ports import PortMapping

# Who is led there waits.
_NOWHERE = "0.0.0.0"


@value
class Place:
    """Where a container is: its address and the descriptor of its network namespace;
    `network` is the state directory of its network, "" where the host's kernel does not
    know the address."""

    address: str
    namespace: int
    network: str


class Front:
    """Ports that are open until `close`. Raises NetworkError when one is taken.

    Any thread may call; a thread of its own serves what the kernel does not.
    """

    def __init__(self, mappings: tuple[PortMapping, ...]) -> None:
        self._owner = Owner.of("watch")
        self._open = hold(mappings, ())
        # What the next container wants; it may not come to that.
        self._next = self._open
        self._published = reserve()
        for port in self._open:
            self._published.add(port.mapping, port.sockets, _NOWHERE)
        self._lock = threading.Lock()
        self._wake, self._end = os.pipe()
        self._thread = threading.Thread(target=self._serve, name="lamina-ports")
        self._thread.start()

    def __enter__(self) -> Front:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def ports(self) -> tuple[PortMapping, ...]:
        """Those that are open, with the numbers that they got."""
        return self._published.ports

    def hold(self, wanted: tuple[PortMapping, ...]) -> tuple[PortMapping, ...]:
        """The ports that the next container wants, with their numbers; they are open
        once it is led to. Raises NetworkError when one is taken."""
        with self._lock:
            found = hold(wanted, (*self._open, *self._spared()))
            self._drop_next(found)
            self._next = found
        return tuple(port.mapping for port in found)

    def lead(self, place: Place, ports: tuple[PortMapping, ...]) -> None:
        """Lead `ports`, open or held, to a container, at once; no others stay open."""
        with self._lock, explained("The kernel refuses to publish a port"):
            self._settle(place, ports)
            if place.network:
                network = network_of(place.network)
                self._published.move(network, place.address, self._owner)
            else:
                self._published.redirect(place.address, place.namespace)
            self._published.receive(None)
            self._published.rest(False)

    def overlay(self, page: bytes, passes: bool) -> None:
        """Answer browsers with `page` until the next `lead`; with `passes` all else
        goes where the ports led before."""
        with self._lock, explained("The kernel refuses to close a port"):
            self._published.receive(lambda found: Overlay(found, page, passes))

    def rest(self) -> None:
        """Lead them nowhere: who connects waits for the next `lead`."""
        with self._lock, explained("The kernel refuses to close a port"):
            self._published.receive(None)
            self._published.rest(True)

    def close(self) -> None:
        """Give the ports back."""
        if self._end < 0:
            return
        os.close(self._end)
        self._end = -1
        self._thread.join()
        os.close(self._wake)
        with self._lock:
            self._published.close()
            self._drop_next(())

    def _spared(self) -> tuple[HostPort, ...]:
        """What is held and not open."""
        return tuple(port for port in self._next if port not in self._open)

    def _drop_next(self, kept: tuple[HostPort, ...]) -> None:
        for port in self._spared():
            if port not in kept:
                port.close()

    def _settle(self, place: Place, ports: tuple[PortMapping, ...]) -> None:
        """Have `ports` open and nothing else."""
        held = (*self._open, *self._spared())
        wanted = tuple(port for port in held if port.mapping in ports)
        for port in self._open:
            if port not in wanted:
                self._published.remove(port.mapping, port.sockets)
        for port in wanted:
            if port not in self._open:
                self._published.add(port.mapping, port.sockets, place.address)
        self._drop_next(wanted)
        self._open = self._next = wanted

    def _serve(self) -> None:
        poll = select.poll()
        poll.register(self._published.fileno(), select.POLLIN)
        poll.register(self._wake, 0)
        while all(fd != self._wake for fd, _ in poll.poll()):
            # One client's trouble is not that of all.
            with self._lock, contextlib.suppress(OSError):
                self._published.serve()
