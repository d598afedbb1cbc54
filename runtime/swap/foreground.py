"""Foreground: a program that is typed into, started again in its place.

There is one terminal, so the old one ends before the new one begins.
"""

from __future__ import annotations

import contextlib
import threading

from lamina.runtime.containers import stop as stopping
from lamina.runtime.containers.container import collect, configure, create
from lamina.runtime.containers.keepers import start_keeper
from lamina.runtime.containers.session import Session
from lamina.runtime.containers.starting import Start
from lamina.runtime.errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.errors import LaminaError
    from lamina.oci.digest import Digest
    from lamina.oci.store.store import Store
    from lamina.runtime.containers.console import Console
    from lamina.runtime.containers.state import Container
    from lamina.runtime.swap.service import Service


# How long (s) a signal may go unnoticed.
_SIGNAL_PAUSE = 0.5


class Foreground:
    """`run` in the main thread, which has the terminal and the signals; `swap` from
    another one. `ended` is told of the exit code of what ended by itself, `failed` of
    what did not start."""

    def __init__(
        self,
        store: Store,
        console: Console,
        ended: Callable[[Container, int], None],
        failed: Callable[[LaminaError], None],
    ) -> None:
        self._store = store
        self._console = console
        self._ended = ended
        self._failed = failed
        self._condition = threading.Condition()
        self._next: tuple[Service, Digest] | None = None
        self._current: Container | None = None
        self._closed = False

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._current is not None

    def swap(
        self,
        service: Service,
        image: Digest,
        check: Callable[[], None],
        lap: Callable[[str], None],
    ) -> None:
        """Let a container of `image` follow the one that runs."""
        check()
        with self._condition:
            self._next = service, image
            current = self._current
            self._condition.notify_all()
        if current is not None:
            with contextlib.suppress(ContainerError):
                stopping.stop(self._store.root, current)
        lap("swap")

    def close(self) -> None:
        """Nothing follows."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
            current = self._current
        if current is not None:
            with contextlib.suppress(ContainerError):
                stopping.stop(self._store.root, current)

    def run(self) -> None:
        """Run what comes, until `close`."""
        while True:
            with self._condition:
                while not self._closed and self._next is None:
                    # A signal that comes just before this waits is seen after it.
                    self._condition.wait(_SIGNAL_PAUSE)
                if self._closed or self._next is None:
                    return
                wanted, self._next = self._next, None
            try:
                self._run(*wanted)
            except ContainerError as error:
                self._failed(error)

    def _run(self, service: Service, image: Digest) -> None:
        store, options = self._store, service.options
        found = store.image(image)
        config = configure(found.config, service.overrides)
        zygote = start_keeper(store.root, options.network, options.pid, options.runtime)
        try:
            container = create(
                store, found, service.image_name, service.name, config, options
            )
            attached = Start(store, zygote, container).run(
                self._console, detached=False
            )
            with self._condition:
                self._current = container
            try:
                status = Session(attached, attached.ends, self._console).run()
            finally:
                with self._condition:
                    self._current = None
                attached.close()
        finally:
            zygote.close()
            collect(store)
        with self._condition:
            mine = self._next is None and not self._closed
        if mine and status is not None:
            self._ended(container, status.code)
