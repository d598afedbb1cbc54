"""Serving: a service of one container after the other, each from a newer image.

The new one starts beside the old one, is awaited, and gets the ports in one step; the
old one answers what it was asked, and stops. What does not become ready goes, and the
old one goes on. Two that must not run at once follow each other instead.
"""

from __future__ import annotations

import contextlib
import threading
import time

from lamina.runtime.containers import container as containers
from lamina.runtime.containers.connecting import published_ports, wanted_ports
from lamina.runtime.containers.container import configure
from lamina.runtime.containers.endpoints import is_networked
from lamina.runtime.containers.state import load_container
from lamina.runtime.errors import ContainerError
from lamina.runtime.swap.front import Front
from lamina.runtime.swap.readiness import Gate, await_ready, eager
from lamina.runtime.swap.replica import Listener, Replica, replica_of
from lamina.runtime.swap.service import gate_ports, stops_first
from lamina.runtime.swap.spare import Spare, Spares

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.oci.config import ImageConfig
    from lamina.oci.digest import Digest
    from lamina.oci.store.store import Store
    from lamina.runtime.network.ports import PortMapping
    from lamina.runtime.swap.service import Service

# So many old ones may be finishing; the oldest is stopped for a further one.
_MOST_DRAINING = 3
_DRAIN_PAUSE = 0.05
# How long (s) one that has to stop first may answer what it was asked: short requests
# do not fail, and one that is held for an event holds nobody up for long.
_FINISHING, _FINISH_PAUSE = 1.0, 0.005
# So many sandboxes wait: the second is for a save that comes while the first is used.
_SPARES = 2


class Serving:
    """The service while it runs; one thread swaps, any may ask and close. Raises
    NetworkError when a port is taken."""

    def __init__(self, store: Store, service: Service, listener: Listener) -> None:
        self._store = store
        self._service = service
        self._listener = Listener(listener.wrote, self._ended)
        self._told = listener
        # Before there is anything to serve: who connects waits, and who has a port
        # already is told of at once. What `-P` adds only the image says.
        networked = is_networked(service.options.network)
        mappings = published_ports(service.options) if networked else ()
        self._front: Front | None = Front(mappings) if mappings else None
        self._spares = Spares(store.root, service.options, _SPARES)
        self._lock = threading.Lock()
        self.current: Replica | None = None
        self._image: Digest | None = None
        self._draining: list[tuple[threading.Thread, threading.Event]] = []

    @property
    def alive(self) -> bool:
        """Whether a container serves."""
        current = self.current
        return current is not None and not current.ended.is_set()

    @property
    def ports(self) -> tuple[PortMapping, ...]:
        """The published ports, with the numbers that they got."""
        return self._front.ports if self._front is not None else ()

    def swap(
        self,
        service: Service,
        image: Digest,
        check: Callable[[], None],
        lap: Callable[[str], None],
    ) -> None:
        """Let a container of `image` take over; the one before serves until then.

        Of `service` all may have changed but the network and the ports. `check` is
        called again and again and raises what ends the attempt; `lap` is told when the
        new one has started, is healthy, and has the ports. Raises ContainerError.
        """
        self._service = service
        found = self._store.image(image)
        config = configure(found.config, service.overrides)
        old = self.current
        if old is not None and old.ended.is_set():
            old = None
        if old is not None and stops_first(self._service, config):
            self._follow_up(old, image, check, lap)
            return
        new = self._start(image, check, lap)
        self._take_over(new, image, lap)
        if old is not None:
            self._retire(old, new)

    def _follow_up(
        self,
        old: Replica,
        image: Digest,
        check: Callable[[], None],
        lap: Callable[[str], None],
    ) -> None:
        """Stop the old one first; it comes back when the new one does not stand."""
        before = self._image
        self._finish(old)
        old.stop()
        self.current = None
        try:
            new = self._start(image, check, lap)
        except BaseException:
            if before is not None:
                with contextlib.suppress(ContainerError):
                    again = self._start(before, lambda: None, lambda _: None)
                    self._take_over(again, before, lambda _: None)
            raise
        self._take_over(new, image, lap)

    def _start(
        self, image: Digest, check: Callable[[], None], lap: Callable[[str], None]
    ) -> Replica:
        """A container of `image` that is ready, and has no ports yet."""
        service = self._service
        found = self._store.image(image)
        config = configure(found.config, service.overrides)
        gate_config = eager(config, service.patience)
        name = service.name if self.current is None else ""
        spare = self._spares.take()
        names = (service.image_name, name)
        new = replica_of(self._store, found, names, gate_config, service.options, spare)
        try:
            ports = self._held_for(new)
        except BaseException:
            new.discard()
            raise
        try:
            new.start(ports, self._listener)
        finally:
            lap("start")
        # The next sandboxes are made while this one starts.
        self._spares.refill()
        return self._awaited(new, config, check, lap)

    def _awaited(
        self,
        new: Replica,
        config: ImageConfig,
        check: Callable[[], None],
        lap: Callable[[str], None],
    ) -> Replica:
        """A container that has started, once it is ready."""
        try:
            self._told.began(new)
            gate = Gate(gate_ports(config, new.ports), self._service.patience)
            await_ready(self._store, new, gate, check)
        except BaseException:
            new.stop(0)
            raise
        finally:
            lap("healthy")
        return new

    def restart(self, check: Callable[[], None], lap: Callable[[str], None]) -> None:
        """Stop the container that serves and start it again, with the files that it
        has. Who connects meanwhile waits."""
        old, image = self.current, self._image
        assert old is not None
        assert image is not None
        self._finish(old)
        old.stop(keep=True)
        spare = Spare(self._store.root, self._service.options, old.container.id)
        new = Replica(self._store, old.container, spare)
        new.start(old.ports, self._listener, again=True)
        lap("start")
        self._awaited(new, new.container.config, check, lap)
        self._take_over(new, image, lap)

    def tend(self) -> None:
        """Replace sandboxes that were killed while they waited."""
        self._spares.tend()

    def overlay(self, page: bytes) -> None:
        """Show browsers a page, until a container takes over or `show` is called. Those
        that have a connection already are made to open another one."""
        if self._front is None:
            return
        self._front.overlay(page, passes=self.alive)
        current = self.current
        if current is not None and self.alive:
            with contextlib.suppress(OSError):
                current.end_kept_alive(_gates(current))

    def show(self) -> None:
        """Let the one that serves be seen again."""
        with self._lock:
            current = self.current
            if self._front is not None and current is not None and current.place:
                self._front.lead(current.place, current.ports)

    def _held_for(self, new: Replica) -> tuple[PortMapping, ...]:
        """The ports that are to lead to it. Raises NetworkError when one is taken."""
        if not is_networked(self._service.options.network):
            return ()
        mappings = wanted_ports(new.container)
        if self._front is None and mappings:
            self._front = Front(mappings)
        return self._front.hold(mappings) if self._front is not None else ()

    def _take_over(
        self, new: Replica, image: Digest, lap: Callable[[str], None]
    ) -> None:
        with self._lock:
            place = new.place
            if self._front is not None and place is not None:
                self._front.lead(place, new.ports)
            self.current, self._image = new, image
        lap("swap")
        if new.ended.is_set():
            # It died while it got the ports.
            self._ended(new, new.exit_code)

    # The old one

    def _retire(self, old: Replica, new: Replica) -> None:
        """Let the old one finish and stop, in a thread; the name is the new one's."""
        old.stopped = True
        if self._service.name:
            self._rename(old, f"{self._service.name}-{old.container.short}")
            self._rename(new, self._service.name)
        self._draining = [pair for pair in self._draining if pair[0].is_alive()]
        hurry = threading.Event()
        thread = threading.Thread(
            target=self._drain, args=(old, hurry), name="lamina-drain"
        )
        self._draining.append((thread, hurry))
        thread.start()
        if len(self._draining) > _MOST_DRAINING:
            self._draining[0][1].set()

    def _rename(self, replica: Replica, name: str) -> None:
        root = self._store.root
        with contextlib.suppress(ContainerError):
            containers.rename(root, load_container(root, replica.container.id), name)

    def _finish(self, old: Replica) -> None:
        """Let nobody come any more, and the old one answer what it was asked."""
        if self._front is None:
            return
        self._front.rest()
        ports = _gates(old)
        until = time.monotonic() + _FINISHING
        with contextlib.suppress(OSError):
            while not old.ended.is_set() and time.monotonic() < until:
                if not old.busy(ports):
                    return
                old.ended.wait(_FINISH_PAUSE)

    def _drain(self, old: Replica, hurry: threading.Event) -> None:
        ports = _gates(old)
        until = time.monotonic() + self._service.drain
        # What was on its way when the ports moved arrives within this.
        hurry.wait(_DRAIN_PAUSE)
        with contextlib.suppress(ContainerError):
            while (
                not hurry.is_set()
                and not old.ended.is_set()
                and time.monotonic() < until
                and old.connections(ports)
            ):
                hurry.wait(_DRAIN_PAUSE)
        old.stop()

    def _ended(self, replica: Replica, code: int) -> None:
        with self._lock:
            mine = replica is self.current and not replica.stopped
            if mine:
                replica.stopped = True
                if self._front is not None:
                    self._front.rest()
        if mine:
            self._told.ended(replica, code)

    def close(self) -> None:
        """Stop all, and give the ports back."""
        self._spares.close()
        for _, hurry in self._draining:
            hurry.set()
        current = self.current
        if current is not None:
            current.stop()
        for thread, _ in self._draining:
            thread.join()
        if self._front is not None:
            self._front.close()


def _gates(replica: Replica) -> frozenset[int]:
    """The ports at which it is asked."""
    return frozenset(gate_ports(replica.container.config, replica.ports))
