"""Carrying out a plan: services come up beside each other, each after those it depends
on; what fails is told once, and what runs already is left running."""

from __future__ import annotations

import contextlib
import threading
from functools import partial

from lamina.errors import LaminaError
from lamina.runtime.containers import container as containers
from lamina.runtime.containers import state
from lamina.services import ending, hooks, making
from lamina.services.abreast import abreast
from lamina.services.errors import ComposeError, Interrupted, about
from lamina.services.events import CONTAINER, Event
from lamina.services.mounts import write_grants
from lamina.services.plan import Plan, Replica, ServicePlan
from lamina.services.project import HEALTHY, START_FIRST, STARTED, Dependency
from lamina.services.waiting import wait_for, wait_until_ready
from lamina.services.wanted import Wanted
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.oci.store.store import Image, Store
    from lamina.runtime.containers.state import Container
    from lamina.services.events import Emit
    from lamina.services.observed import Observed
    from lamina.services.project import Project

# As long as a name may be, since it is the host's name in front of others.
_LONGEST_NAME = 128


@value
class Work:
    """What a plan is carried out with. `images` by services; without `starts`
    containers are made and no more; `patience` is for those that are stopped (s, None:
    their own); `renews_volumes`: nothing is taken over from the container before; once
    `stopping` is set nothing more begins.
    """

    store: Store
    project: Project
    plan: Plan
    images: Mapping[str, Image]
    emit: Emit
    stopping: threading.Event
    starts: bool = True
    patience: int | None = None
    renews_volumes: bool = False


def converge(work: Work) -> None:
    """Make it so. Raises the first error when all services have ended their part:
    ComposeError, ContainerError, NetworkError, Interrupted."""
    parts = {one.service.name: _Part(work, one) for one in work.plan.services}
    threads = [
        threading.Thread(target=part.run, args=(parts,)) for part in parts.values()
    ]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException:
        work.stopping.set()
        for thread in threads:
            thread.join()
        raise
    errors = [part.error for part in parts.values() if part.error is not None]
    # Of what fails because another has failed, that one says why.
    errors.sort(key=lambda error: isinstance(error, (_Waited, Interrupted)))
    if errors:
        raise errors[0]


class _Waited(ComposeError):
    """A service was not begun, because what it depends on has failed."""


class _Part:
    """One service of a plan, in a thread of its own."""

    def __init__(self, work: Work, planned: ServicePlan) -> None:
        self.error: BaseException | None = None
        self.containers: dict[int, Container] = {}
        self._work = work
        self._planned = planned
        self._over = threading.Event()

    def run(self, parts: Mapping[str, _Part]) -> None:
        try:
            self._wait(parts)
            with about(self._planned.service.name):
                self._end_surplus()
                self._follow_dependencies(parts)
                self._bring_up()
        except BaseException as error:
            self.error = error
            self._work.stopping.set()
        finally:
            self._over.set()

    # What it depends on

    def _wait(self, parts: Mapping[str, _Part]) -> None:
        for dependency in self._planned.service.depends_on:
            part = parts.get(dependency.service)
            if part is None:
                continue
            part._over.wait()
            if part.error is not None:
                raise _Waited(
                    f"The service {self._planned.service.name!r} was not started: "
                    f"{dependency.service!r} has failed."
                )
            if self._work.starts:
                self._wait_for(part, dependency)

    def _wait_for(self, part: _Part, dependency: Dependency) -> None:
        if dependency.condition == STARTED:
            return
        for container in part.containers.values():
            self._tell(container, "Waiting")
            try:
                wait_for(
                    self._work.store.root,
                    container,
                    dependency.condition,
                    self._work.stopping,
                )
            except ComposeError as error:
                self._tell(container, "Error", failed=True)
                if dependency.required:
                    text = f"dependency failed to start: {error.message}"
                    raise ComposeError(text, hint=error.hint) from error
            else:
                done = "Healthy" if dependency.condition == HEALTHY else "Exited"
                self._tell(container, done, done=True)

    def _follow_dependencies(self, parts: Mapping[str, _Part]) -> None:
        """Where what it depends on was made anew, what is there is stopped, to be
        started again; or made anew as well, where its namespaces are no more."""
        renewed = [
            one
            for one in self._planned.service.depends_on
            if (part := parts.get(one.service)) and part._planned.renews
        ]
        there = [one.there for one in self._planned.replicas if one.there is not None]
        if any(one.shares for one in renewed):
            replicas = tuple(
                Replica(one.number, replaces=one.there or one.replaces)
                for one in self._planned.replicas
            )
            self._planned = replace(self._planned, replicas=replicas)
        elif any(one.restart for one in renewed) and self._work.starts:
            abreast([partial(self._end, one.container) for one in there])

    # Its containers

    def _end_surplus(self) -> None:
        abreast(
            [partial(self._dismiss, one.container) for one in self._planned.surplus]
        )

    def _bring_up(self) -> None:
        update = self._planned.service.update
        calls = [partial(self._replica, one) for one in self._planned.replicas]
        if not (self._planned.renews and (update.parallelism or update.delay)):
            abreast(calls)
            return
        size = update.parallelism or len(calls)
        for at in range(0, len(calls), size):
            if at:
                self._work.stopping.wait(update.delay)
            abreast(calls[at : at + size])

    def _replica(self, replica: Replica) -> None:
        if self._work.stopping.is_set():
            raise Interrupted()
        if replica.there is not None:
            container = self._called(replica.there.container, replica.number)
            if not self._work.starts or self._runs(container):
                self._tell(container, "Running", done=True)
            else:
                # Who made it may have died before they were written.
                write_grants(self._wanted(replica.number, container))
                self._start(container)
        elif replica.replaces is not None:
            container = self._replace(replica.number, replica.replaces)
        else:
            container = self._make(replica.number)
            if self._work.starts:
                self._start(container)
        self.containers[replica.number] = container

    def _runs(self, container: Container) -> bool:
        return state.see(self._work.store.root, container.id).is_active

    def _make(self, number: int, before: Container | None = None) -> Container:
        work, service = self._work, self._planned.service
        name = self._name(number)
        work.emit(Event(CONTAINER, name, "Creating"))
        adopted = {}
        if before is not None and not work.renews_volumes:
            adopted = making.volumes_of(work.store, before)
        image = work.images[service.name]
        wanted = Wanted(work.project, service, number, name, image.id, "", adopted)
        made = making.make(work.store, wanted, image)
        self._tell(made, "Created", done=True)
        return made

    def _wanted(self, number: int, container: Container) -> Wanted:
        """What a container that is there was made from."""
        work = self._work
        place = state.directory(work.store.root, container.id)
        made = (work.project, self._planned.service, number, container.name)
        return Wanted(*made, container.image, place, {})

    def _start(self, container: Container) -> None:
        self._tell(container, "Starting")
        warning = making.start(self._work.store, container)
        hooks.after_start(self._work.store.root, container, self._planned.service)
        self._tell(container, "Started", done=True)
        if warning:
            self._tell(container, f"Warning: {warning}", failed=True)

    def _replace(self, number: int, there: Observed) -> Container:
        """A container in place of the one that is there, which goes on when that fails.

        start-first: the new one runs, and is healthy where it has a health check,
        before the old one is stopped.
        """
        work, old = self._work, there.container
        self._tell(old, "Recreate")
        first = self._planned.service.update.order == START_FIRST
        ran = self._runs(old) and work.starts
        aside = f"{old.short}_{self._name(number)}"[:_LONGEST_NAME]
        old = self._renamed(old, aside)
        try:
            new = self._make(number, old)
        except BaseException:
            self._renamed(old, self._name(number))
            raise
        try:
            if not first:
                self._end(old)
            if work.starts:
                self._start(new)
                if first and ran:
                    wait_until_ready(work.store.root, new, work.stopping)
        except BaseException:
            self._fail(new, old, number, ran)
            raise
        if first:
            self._end(old)
        ending.remove(work.store, old, work.emit, volumes=work.renews_volumes)
        return new

    def _fail(self, new: Container, old: Container, number: int, ran: bool) -> None:
        """Have the old container go on in place of one that did not come up."""
        with contextlib.suppress(LaminaError):
            self._end(new)
            ending.remove(self._work.store, new, self._work.emit)
            old = self._renamed(old, self._name(number))
            if ran and not self._runs(old):
                self._start(old)

    def _name(self, number: int) -> str:
        return self._planned.service.container(self._work.project.name, number)

    def _called(self, container: Container, number: int) -> Container:
        """The container under the name that it is to have: an `up` that was killed may
        have put it aside."""
        return self._renamed(container, self._name(number))

    def _renamed(self, container: Container, name: str) -> Container:
        if container.name == name:
            return container
        root = self._work.store.root
        containers.rename(root, container, name)
        return state.load_container(root, container.id)

    def _end(self, container: Container) -> None:
        work, service = self._work, self._planned.service
        ending.stop(work.store, container, service, work.patience, work.emit)

    def _dismiss(self, container: Container) -> None:
        self._end(container)
        ending.remove(self._work.store, container, self._work.emit)

    def _tell(
        self, container: Container, doing: str, done: bool = False, failed: bool = False
    ) -> None:
        self._work.emit(Event(CONTAINER, container.name, doing, done, failed))
