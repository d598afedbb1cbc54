"""Replica: one run of a service's container, from a spare sandbox until its end."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque

from lamina.runtime.containers import container as containers
from lamina.runtime.containers import stop as stopping
from lamina.runtime.containers.console import Console
from lamina.runtime.containers.starting import Start
from lamina.runtime.containers.state import load_state
from lamina.runtime.containers.streams import Output, Pump
from lamina.runtime.errors import ContainerError
from lamina.runtime.swap.connections import (
    busy_connections,
    end_kept_alive,
    open_connections,
)
from lamina.runtime.swap.front import Place
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.oci.config import ImageConfig
    from lamina.oci.store.store import Image, Store
    from lamina.runtime.containers.attached import Attached
    from lamina.runtime.containers.options import Options
    from lamina.runtime.containers.state import Container
    from lamina.runtime.network.ports import PortMapping
    from lamina.runtime.swap.spare import Spare

# What the kernel says of a process that nobody saw end.
_KILLED = 137
# How long (s) the end of one that was stopped may take to get here.
_SETTLING = 2.0
# So much of what it wrote last is shown when it ends too early.
_LAST_LINES = 12
_MOST_TAIL = 4096


@value
class Listener:
    """Who is told: what a container writes (stream, bytes), and its end (exit code).
    Called from threads of the replica's own."""

    wrote: Callable[[Replica, str, bytes], None]
    ended: Callable[[Replica, int], None]
    # Its program runs, and nobody was led to it yet.
    began: Callable[[Replica], None] = lambda _: None


class Replica:
    """A container that runs. It ends with this process, however that ends."""

    def __init__(self, store: Store, container: Container, spare: Spare) -> None:
        self.container = container
        self.ended = threading.Event()
        self.exit_code = 0
        # Of the host, that lead to it once it is ready.
        self.ports: tuple[PortMapping, ...] = ()
        self.began = time.monotonic()
        self._store = store
        self._spare = spare
        self._tail: deque[bytes] = deque(maxlen=_LAST_LINES)
        self._rest = b""
        # Whether its end is our own doing, or was told.
        self.stopped = False
        self._kept = False
        self._namespace = -1
        self._address = ""
        self._network = ""
        self._attached: Attached | None = None
        self._thread: threading.Thread | None = None

    @property
    def place(self) -> Place | None:
        """Where it is on the network; None where it has none of its own."""
        if self._namespace < 0:
            return None
        return Place(self._address, self._namespace, self._network)

    def start(
        self,
        ports: tuple[PortMapping, ...],
        listener: Listener,
        again: bool = False,
    ) -> None:
        """Run its command. `ports` lead to it, and are told of in its state; `again`:
        it has run before."""
        try:
            uplink = self._spare.uplink(self._store.root, self.container)
        except BaseException:
            self.discard()
            raise
        uplink.ports = self.ports = ports
        if uplink.namespace >= 0 and uplink.leading is not None:
            self._namespace = os.dup(uplink.namespace)
            self._address = uplink.leading.address
            hosts = uplink.watched is None and uplink.hub is None
            self._network = uplink.leading.place if hosts else ""
        start = Start(self._store, self._spare.zygote, self.container)
        if again:
            start.claim()
        # Whatever descriptors: that there are some asks for pipes.
        console = Console(stdout=1, stderr=2)
        try:
            attached = start.run(console, self._spare.connecting, detached=False)
        except BaseException:
            self._release()
            raise
        self._attached = attached
        self.began = time.monotonic()
        self._thread = threading.Thread(
            target=self._follow, args=(attached, listener), name="lamina-replica"
        )
        self._thread.start()

    def _follow(self, attached: Attached, listener: Listener) -> None:
        ends = attached.ends
        named = (("stdout", ends.stdout), ("stderr", ends.stderr))
        outputs = [
            Output(end, [self._sink(name, listener)]) for name, end in named if end >= 0
        ]
        try:
            Pump(outputs, None, attached.fileno(), to_the_end=True).run()
            self.exit_code = attached.wait().code
        except ContainerError:
            self.exit_code = _KILLED
        self.ended.set()
        try:
            listener.ended(self, self.exit_code)
        finally:
            self._release()

    def _sink(self, name: str, listener: Listener) -> Callable[[bytes], bool]:
        def take(data: bytes) -> bool:
            *lines, self._rest = (self._rest + data).split(b"\n")
            self._rest = self._rest[-_MOST_TAIL:]
            self._tail.extend(line[-_MOST_TAIL:] for line in lines)
            # Who shows it may be gone; the container goes on.
            with contextlib.suppress(OSError):
                listener.wrote(self, name, data)
            return True

        return take

    def last_lines(self) -> list[bytes]:
        """What it wrote last."""
        return [*self._tail, *([self._rest] if self._rest else [])]

    def connections(self, ports: frozenset[int]) -> int:
        """How many connections to these ports of it are open."""
        init = load_state(self._store.root, self.container.id).init
        return open_connections(init.pid, ports) if init is not None else 0

    def busy(self, ports: frozenset[int]) -> int:
        """On how many of them somebody waits for an answer."""
        return busy_connections(self._namespace, ports) if self._namespace >= 0 else 0

    def end_kept_alive(self, ports: frozenset[int]) -> None:
        """Have those who keep a connection for later make another one."""
        if self._namespace >= 0:
            end_kept_alive(self._namespace, ports)

    def discard(self) -> None:
        """Remove it, which was never started."""
        self._spare.close()
        containers.remove(self._store, self.container)

    def stop(self, patience: int | None = None, keep: bool = False) -> None:
        """End it, by force after `patience` seconds (None: as its options say); to
        `keep` it is to start it again."""
        self.stopped = True
        self._kept = keep
        if self._attached is None:
            return
        with contextlib.suppress(ContainerError):
            root, container = self._store.root, self.container
            stopping.stop(root, container, patience, remove=not keep)
        if not self.ended.wait(_SETTLING):
            # Its record may be gone, by which others find it. We hold its line.
            self._attached.kill()
            if not self.ended.wait(_SETTLING):
                self._spare.zygote.close()
        self.join()

    def join(self) -> None:
        """Wait until all of it is gone."""
        if self._thread is not None:
            self._thread.join()

    def _release(self) -> None:
        if self._namespace >= 0:
            os.close(self._namespace)
            self._namespace = -1
        if self._attached is not None:
            self._attached.close()
        # Its process is reaped: this one lives on.
        self._spare.zygote.close()
        if not self._kept:
            # The keeper has removed the rest, and has no SQLite.
            self._store.unpin(f"container:{self.container.id}")


def replica_of(
    store: Store,
    image: Image,
    names: tuple[str, str],
    config: ImageConfig,
    options: Options,
    spare: Spare,
) -> Replica:
    """A replica of an image, in a spare sandbox that is its own from now on; to be
    started. `names` are the image's and the container's ("": any). Raises
    ContainerError."""
    image_name, name = names
    try:
        container = containers.create(
            store, image, image_name, name, config, options, identity=spare.identity
        )
    except BaseException:
        spare.close()
        raise
    return Replica(store, container, spare)
