"""Cgroups: limits for a group of processes, and their common end; v1, v2 and hybrid.

A cgroup is a path, and has a directory of that name in each hierarchy that it uses.
One that belongs to a process of Lamina's is made by owned.py, one that somebody else
has chosen by chosen.py. The path counts from where this process may make cgroups, and
with a slash in front from the root: so it is with systemd's.

A process that puts itself into a v1 cgroup by "0" in `tasks` does it in 0.3 ms; for
one that another puts there, or by `cgroup.procs`, the kernel waits 5 to 15 ms until
no thread is on its way (kernel/cgroup/cgroup.c, cgroup_procs_write_start).
"""

from __future__ import annotations

import errno
import os
import time

from lamina.runtime.cgroups.hierarchy import (
    DELEGATION,
    MOUNT,
    PARENT,
    below,
    hierarchies_for,
    make,
    read,
    remove_marked,
    remove_named,
    write,
)
from lamina.runtime.errors import ContainerError, LimitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.runtime.spec import Resources

_SIGKILL = 9
_PATIENCE = 10.0  # seconds for killed processes to be gone
_DENIED = frozenset((errno.EACCES, errno.EPERM, errno.EROFS))


class Cgroup:
    """One cgroup, in all its hierarchies. `warning` says what could not be limited."""

    def __init__(self, path: str, mount: str = MOUNT) -> None:
        self.path = path
        self._name = path.strip("/")
        self.warning = ""
        self._mount = mount
        self._known = hierarchies_for(path, mount)
        self._places = [
            h for h in self._known if h.base and os.path.isdir(f"{h.base}/{path}")
        ]

    @property
    def controllers(self) -> frozenset[str]:
        """What could be limited here, by the kernel."""
        return frozenset().union(*(h.controllers for h in self._known))

    @property
    def frozen(self) -> bool:
        """Whether its processes stand still."""
        place = self._directory("freezer")
        if not place:
            return False
        if self._version("freezer") == 1:
            return read(f"{place}/freezer.state").strip() == "FROZEN"
        return read(f"{place}/cgroup.freeze").strip() == "1"

    @property
    def can_freeze(self) -> bool:
        """Whether it is where processes can be frozen."""
        return bool(self._directory("freezer"))

    @property
    def exists(self) -> bool:
        return bool(self._places)

    @property
    def directories(self) -> tuple[str, ...]:
        """Its place in each hierarchy.

        A process with one thread that writes "0" to `tasks`, or where there is none
        to `cgroup.procs`, of each is inside.
        """
        return tuple(f"{h.base}/{self.path}" for h in self._places)

    @property
    def places(self) -> tuple[tuple[str, str], ...]:
        """Its place in each hierarchy, by the name of the hierarchy's mount: "" where
        there is but one."""
        if len(self._known) == 1 and self._known[0].version == 2:
            return tuple(("", f"{h.base}/{self.path}") for h in self._places)
        named = ((os.path.basename(h.mount), h) for h in self._places)
        return tuple((name, f"{h.base}/{self.path}") for name, h in named)

    def limit(self, resources: Resources) -> None:
        """Set limits, or set them anew; raises LimitError as `create` does."""
        from lamina.runtime.cgroups.limits import controllers

        needed = controllers(resources)
        if needed:
            self.enter_hierarchies(needed, asked=True)
            self.enforce(resources)

    def enforce(self, resources: Resources, asked: bool = True) -> None:
        """Write limits where it has the hierarchies for them; refusals are raised if
        they were `asked` for."""
        from lamina.runtime.cgroups import enforcing

        places = [(h, f"{h.base}/{self.path}") for h in self._places]
        enforcing.enforce(places, resources, asked)

    def limit_devices(self, resources: Resources) -> None:
        """Allow what these rules allow, and what every container may use."""
        place = self._directory("devices")
        if place:
            from lamina.runtime.cgroups import enforcing

            version = self._version("devices")
            enforcing.limit_devices(place, version, resources.devices)

    def add(self, pid: int) -> None:
        """Put a process there from outside; its threads and later children follow."""
        for place in self.directories:
            write(f"{place}/cgroup.procs", str(pid))

    def procs(self) -> tuple[int, ...]:
        """The processes inside and in cgroups below."""
        found: set[int] = set()
        for place in self.directories:
            for directory in below(place):
                found.update(map(int, read(f"{directory}/cgroup.procs").split()))
        return tuple(sorted(found))

    def kill(self) -> None:
        """Send SIGKILL to all inside, so that none escapes by forking."""
        for h in self._places:
            if h.version == 2:
                _tell(f"{h.base}/{self.path}/cgroup.kill", "1")
                # What a v1 freezer holds dies when it is thawed.
                self.thaw()
                return
        pids = self._directory("pids")
        limit = read(f"{pids}/pids.max").strip() if pids else ""
        if pids:
            _tell(f"{pids}/pids.max", "0")
        elif self._directory("freezer"):
            self.freeze()
        before: tuple[int, ...] = ()
        while (inside := self.procs()) and inside != before:
            for pid in inside:
                _kill(pid)
            before = inside
        # What is frozen dies when it is thawed.
        self.thaw()
        if limit:
            _tell(f"{pids}/pids.max", limit)

    def freeze(self) -> None:
        """Stop all inside where they are; returns when they stand still."""
        self._set_frozen(True)

    def thaw(self) -> None:
        """Let them go on."""
        self._set_frozen(False)

    @property
    def oom_killed(self) -> bool:
        """Whether the kernel has killed one inside for want of memory."""
        place = self._directory("memory")
        if not place:
            return False
        name = "memory.oom_control" if self._version("memory") == 1 else "memory.events"
        for line in read(f"{place}/{name}").splitlines():
            key, _, count = line.partition(" ")
            if key == "oom_kill":
                return int(count) > 0
        return False

    def read(self, controller: str, file: str) -> str:
        """A file of its place in a controller's hierarchy; "" where there is none."""
        place = self._directory(controller)
        return read(f"{place}/{file}") if place else ""

    def delete(self, patience: float = _PATIENCE) -> None:
        """Remove it, waiting for processes that were killed; raises ContainerError."""
        deadline = time.monotonic() + patience
        pause = 0.0005
        while not self._remove():
            if time.monotonic() > deadline:
                alive = ", ".join(map(str, self.procs()))
                raise ContainerError(
                    f"Processes of the cgroup {self.path} do not end: {alive}.",
                    hint="A process in an uninterruptible wait (state D in `ps`) "
                    "ends when its disk or network answers.",
                )
            time.sleep(pause)
            pause = min(2 * pause, 0.05)
        if not self.path.startswith(f"{PARENT}/"):
            for h in self._known:
                if h.base:
                    remove_marked(h.base, self._name)
            remove_named(self._mount, self._name)

    def _remove(self) -> bool:
        left = []
        for h in self._places:
            try:
                for directory in reversed(list(below(f"{h.base}/{self.path}"))):
                    os.rmdir(directory)
            except FileNotFoundError:
                pass
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                left.append(h)
        self._places = left
        return not left

    def _directory(self, controller: str) -> str:
        for h in self._places:
            if controller in h.controllers:
                return f"{h.base}/{self.path}"
        return ""

    @property
    def _is_delegated(self) -> bool:
        """Whether it is systemd's, which has more controllers than it gives away."""
        return self.path != self._name and not all(
            os.access(h.mount, os.W_OK) for h in self._known
        )

    def _absent(self, controller: str) -> LimitError:
        """Why it has no place in the hierarchy of a controller."""
        if any(controller in h.controllers for h in self._known):
            return LimitError(
                f"This user may not write cgroups, and has no {controller}.",
                hint=DELEGATION,
            )
        from lamina.runtime.cgroups import refusals

        return refusals.missing(controller, self._is_delegated)

    def _version(self, controller: str) -> int:
        return next(h.version for h in self._places if controller in h.controllers)

    def enter_hierarchies(self, needed: Iterable[str], asked: bool = False) -> None:
        """Have directories with these controllers; processes inside come along."""
        inside = self.procs() if self._places else ()
        denied = []
        for controller in sorted(needed):
            serving = [h for h in self._known if controller in h.controllers]
            if asked and not serving:
                from lamina.runtime.cgroups import refusals

                raise refusals.missing(controller, self._is_delegated)
            for h in serving[:1]:
                try:
                    make(h, self._name, controller, marked=self.path != self._name)
                except OSError as error:
                    if asked and error.errno not in _DENIED:
                        from lamina.runtime.cgroups import refusals

                        raise refusals.unusable(controller, error) from error
                    denied.append(controller)
                    continue
                if h not in self._places:
                    self._places.append(h)
                    for pid in inside:
                        write(f"{h.base}/{self.path}/cgroup.procs", str(pid))
        if asked and denied:
            self.warning = (
                f"no limit of {' and '.join(denied)}: this user may not write cgroups"
                " (docs/rootless.md, Limits)"
            )

    def _set_frozen(self, frozen: bool) -> None:
        place = self._directory("freezer")
        if not place:
            if frozen:
                raise self._absent("freezer")
            return
        if self._version("freezer") == 1:
            word = "FROZEN" if frozen else "THAWED"
            file, seen, wanted = "freezer.state", "freezer.state", word
        else:
            word = str(int(frozen))
            file, seen, wanted = "cgroup.freeze", "cgroup.events", f"frozen {word}"
        deadline = time.monotonic() + _PATIENCE
        _tell(f"{place}/{file}", word)
        while (now := read(f"{place}/{seen}")) and wanted not in now.splitlines():
            if time.monotonic() > deadline:
                raise ContainerError(f"The processes of {self.path} cannot be paused.")
            time.sleep(0.001)
            if frozen and self._version("freezer") == 1:
                # v1 may have missed one that was being born: again, as runc does.
                _tell(f"{place}/{file}", word)


def remove(path: str, mount: str = MOUNT) -> None:
    """Kill what is in a cgroup and remove it; nothing happens when it is gone."""
    group = Cgroup(path, mount)
    group.kill()
    group.delete()
    # Another runtime makes it in hierarchies without a controller as well.
    named = f"{mount}/systemd/{path}"
    if os.path.isdir(named):
        for directory in reversed(list(below(named))):
            os.rmdir(directory)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, _SIGKILL)
    except ProcessLookupError:
        return


def _tell(path: str, text: str) -> None:
    """Write, where somebody else may have removed the cgroup by now."""
    try:
        write(path, text)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENODEV):
            raise
