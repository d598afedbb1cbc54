"""The limits of a build's steps: `--memory`, `--cpus`."""

from __future__ import annotations

import contextlib
import os
import threading

from lamina.builder.events import Note
from lamina.runtime.cgroups import owned
from lamina.runtime.cgroups.owned import BUILD_PIDS
from lamina.runtime.errors import NoSystemd
from lamina.runtime.spec import Resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.builder.events import Emit
    from lamina.builder.inputs.build import BuildInputs
    from lamina.builder.solving.work import Work
    from lamina.runtime.cgroups.cgroup import Cgroup
    from lamina.runtime.spec import Spec

# The kernel's usual one, in microseconds.
_CPU_PERIOD = 100_000


class StepLimits:
    """What limits steps. `starter` is the process that starts them: a user who may make
    no cgroup is given a scope around it, once for all steps."""

    def __init__(self, inputs: BuildInputs, emit: Emit, starter: int) -> None:
        self._memory, self._cpus = inputs.memory, inputs.cpus
        self._emit = emit
        self._starter = starter
        self._lock = threading.Lock()
        self._scope: str | None = None

    @contextlib.contextmanager
    def of(self, work: Work, spec: Spec) -> Iterator[Cgroup | None]:
        """A cgroup of the step's own, where each has its limits."""
        if not (self._memory or self._cpus):
            yield None
            return
        limits = Resources(
            memory=self._memory,
            cpu_quota=int(self._cpus * _CPU_PERIOD),
            cpu_period=_CPU_PERIOD if self._cpus else 0,
            devices=spec.resources.devices,
        )
        group = self._made(f"step{work.step.index}", limits)
        try:
            if group.warning:
                self._emit(Note(group.warning))
            yield group
        finally:
            group.delete()

    def _made(self, label: str, limits: Resources) -> Cgroup:
        group = owned.create(label, limits, ceiling=BUILD_PIDS)
        if group.exists or not group.warning:
            return group
        from lamina.runtime.cgroups import chosen

        try:
            scope = self._begun()
        except NoSystemd as error:
            group.warning += f"; {error}"
            return group
        return chosen.at(f"{scope}/{label}", limits) if scope else group

    def _begun(self) -> str:
        """The scope's path; "" where no systemd makes one. Raises NoSystemd."""
        from lamina.runtime.cgroups import scoped

        with self._lock:
            if self._scope is None:
                self._scope = ""
                if asked := scoped.manager():
                    name = f"lamina-build-{os.getpid()}"
                    pids = (self._starter,)
                    self._scope = scoped.begin(
                        asked, name, scoped.USUAL, pids, "lamina build"
                    )
            return self._scope
