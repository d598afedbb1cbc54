"""Cgroups: limits for a group of processes, and their common end; v1, v2 and hybrid.

A cgroup of ours is `lamina/LABEL.PID-START-NAMESPACE` in each hierarchy that it uses.
The name tells its owner, so that `collect` finds what the dead have left. With v1 a
directory is made only in the hierarchies that serve: `pids`, `devices`, `freezer`,
and those that the limits need.

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
    hierarchies,
    make,
    read,
    remove_marked,
    remove_named,
    write,
)
from lamina.runtime.errors import ContainerError, LimitError
from lamina.runtime.owner import Owner
from lamina.runtime.spec import Resources
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lamina.runtime.cgroups.limits import Setting

# For all steps of a build together: far above what a parallel `make` or a few JVMs
# need, and low enough that a fork bomb starves before the machine does.
BUILD_PIDS = 4096

_ALWAYS = frozenset(("pids", "devices", "freezer"))
_SIGKILL = 9
_PATIENCE = 10.0  # seconds for killed processes to be gone
_DENIED = frozenset((errno.EACCES, errno.EPERM, errno.EROFS))


class Cgroup:
    """One cgroup, in all its hierarchies. `warning` says what could not be limited."""

    def __init__(self, path: str, mount: str = MOUNT) -> None:
        self.path = path
        self.warning = ""
        self._mount = mount
        self._known = hierarchies(mount)
        self._places = [
            h for h in self._known if h.base and os.path.isdir(f"{h.base}/{path}")
        ]

    @classmethod
    def create(
        cls,
        label: str,
        resources: Resources,
        ceiling: int = 0,
        mount: str = MOUNT,
        owner: Owner | None = None,
    ) -> Cgroup:
        """A new cgroup that belongs to `owner`, which is this process by default, with
        limits and device rules.

        `ceiling` is a limit of processes that nobody asked for: without it is fine.
        Raises LimitError where the kernel lacks what was asked for; for a user who
        may not write cgroups, `warning` says what is not limited.
        """
        of = owner or Owner.of(label)
        path = f"{PARENT}/{label}.{of.pid}-{of.start}-{_pid_namespace()}"
        group = cls(path, mount)
        try:
            group._enter_hierarchies(_ALWAYS, asked=False)
            if ceiling and not resources.pids:
                group._apply(Resources(pids=ceiling), asked=False)
            group._limit_devices(resources)
            group.limit(resources)
        except BaseException:
            group.delete()
            raise
        return group

    @classmethod
    def at(cls, path: str, resources: Resources, mount: str = MOUNT) -> Cgroup:
        """The cgroup `path`, made in every hierarchy that is there, with limits and
        device rules: one that somebody else has chosen, and counts by.

        Raises LimitError as `create` does.
        """
        group = cls(path, mount)
        if group.procs():
            raise ContainerError(
                f"The cgroup {path} has processes already.",
                hint="Two containers cannot have the same cgroup.",
            )
        every = frozenset().union(*(h.controllers for h in group._known))
        try:
            group._enter_hierarchies(every, asked=False)
            group._limit_devices(resources)
            group.limit(resources)
        except BaseException:
            group.delete()
            raise
        return group

    @classmethod
    def below(cls, path: str, resources: Resources, mount: str = MOUNT) -> Cgroup:
        """The cgroup `path`, whose parent the user has chosen, in every hierarchy.

        What is missing above it is made, and goes with the last cgroup inside. Raises
        LimitError where it cannot be made, and as `create` does.
        """
        from lamina.runtime.cgroups.parents import make_below

        try:
            make_below(hierarchies(mount), path)
        except BaseException:
            remove(path, mount)
            raise
        return cls.at(path, resources, mount)

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
            self._enter_hierarchies(needed, asked=True)
            self._apply(resources, asked=True)

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
                    remove_marked(h.base, self.path)
            remove_named(self._mount, self.path)

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

    def _absent(self, controller: str) -> LimitError:
        """Why it has no place in the hierarchy of a controller."""
        if any(controller in h.controllers for h in self._known):
            return LimitError(
                f"This user may not write cgroups, and has no {controller}.",
                hint=DELEGATION,
            )
        from lamina.runtime.cgroups import refusals

        return refusals.missing(controller)

    def _version(self, controller: str) -> int:
        return next(h.version for h in self._places if controller in h.controllers)

    def _enter_hierarchies(self, needed: Iterable[str], asked: bool) -> None:
        """Have directories with these controllers; processes inside come along."""
        inside = self.procs() if self._places else ()
        denied = []
        for controller in sorted(needed):
            serving = [h for h in self._known if controller in h.controllers]
            if asked and not serving:
                from lamina.runtime.cgroups import refusals

                raise refusals.missing(controller)
            for h in serving[:1]:
                try:
                    make(h, self.path, controller)
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

    def _apply(self, resources: Resources, asked: bool) -> None:
        """Write the settings; one that the kernel refuses may need a later one first.

        v1 wants memory <= memory and swap at every moment, whichever way they move.
        """
        from lamina.runtime.cgroups.limits import settings

        pending = [
            (f"{h.base}/{self.path}/{setting.file}", setting)
            for h in self._places
            for setting in settings(resources, h.version)
            if setting.controller in h.controllers
        ]
        while pending:
            refused = [(p, s, e) for p, s in pending if (e := _set(p, s))]
            if len(refused) == len(pending):
                if asked:
                    from lamina.runtime.cgroups import refusals

                    raise refusals.refused(refused[0][1], refused[0][2])
                return
            pending = [(p, s) for p, s, _ in refused]

    def _limit_devices(self, resources: Resources) -> None:
        from lamina.runtime.cgroups import device_filter

        place = self._directory("devices")
        if not place:
            return
        access = device_filter.rules_for(resources.devices)
        try:
            if self._version("devices") == 1:
                for file, lines in device_filter.v1_writes(access):
                    write(f"{place}/{file}", *lines)
            else:
                fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    device_filter.attach(fd, device_filter.v2_program(access))
                finally:
                    os.close(fd)
        except PermissionError:
            # Without CAP_SYS_ADMIN on the host no device can be made anyway.
            pass

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


def collect(mount: str = MOUNT) -> tuple[str, ...]:
    """Remove the cgroups whose owners are dead, with all processes inside."""
    return _remove_those(lambda owner: not owner.alive, mount)


def clear(mount: str = MOUNT) -> None:
    """Remove the cgroups of this process, which is about to end: what an interrupt
    left between two lines."""
    me = os.getpid()
    _remove_those(lambda owner: owner.pid == me, mount)


def _remove_those(wanted: Callable[[Owner], bool], mount: str) -> tuple[str, ...]:
    found: set[str] = set()
    for h in hierarchies(mount):
        try:
            names = os.listdir(f"{h.base}/{PARENT}") if h.base else []
        except FileNotFoundError:
            continue
        owners = ((name, _owner(name)) for name in names)
        found.update(f"{PARENT}/{n}" for n, owner in owners if owner and wanted(owner))
    for path in found:
        remove(path, mount)
    return tuple(sorted(found))


def _owner(name: str) -> Owner | None:
    """The owner in a cgroup's name; None for another namespace's, or no one's."""
    label, _, words = name.rpartition(".")
    numbers = words.split("-")
    if len(numbers) != 3 or not all(number.isdigit() for number in numbers):
        return None
    pid, start, namespace = map(int, numbers)
    if namespace != _pid_namespace():
        return None
    return replace(Owner.of(label), pid=pid, start=start)


def _pid_namespace() -> int:
    return os.stat("/proc/self/ns/pid").st_ino


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


def _set(path: str, setting: Setting) -> OSError | None:
    """Write one setting; the error where the kernel refuses it."""
    try:
        write(path, setting.text)
    except OSError as error:
        if error.errno == errno.ENOENT and setting.optional:
            return None
        return error
    return None
