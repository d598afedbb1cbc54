"""`create`: from a bundle to a process that waits for `start`, all but its command.

Whatever fails on the way leaves nothing: no process, no cgroup, no directory. What is
killed on the way leaves a record without a process, which `delete --force` removes.
"""

from __future__ import annotations

import os
import time

from lamina.runtime import syscalls
from lamina.runtime.bundles import console, state
from lamina.runtime.bundles.config import Config, read_config
from lamina.runtime.bundles.filtering import seccomp_filter
from lamina.runtime.bundles.hooks import run_hooks
from lamina.runtime.bundles.json_text import load_file
from lamina.runtime.bundles.listening import listener_of
from lamina.runtime.bundles.particulars import arranging
from lamina.runtime.bundles.state import Record
from lamina.runtime.cgroups import chosen
from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation import mounts, oneshot
from lamina.runtime.isolation.binds import bind_fds
from lamina.runtime.isolation.failures import failure
from lamina.runtime.isolation.namespaces import membership, open_joined
from lamina.runtime.isolation.request import early_part, late_part, open_cgroups
from lamina.runtime.keeper import record
from lamina.runtime.owner import Owner
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.runtime.bundles.scoping import Wish
    from lamina.runtime.cgroups.cgroup import Cgroup
    from lamina.runtime.isolation.assembly import Assembly
    from lamina.runtime.isolation.oneshot import Born, Launch


@value
class Request:
    """What `create` is asked for. Paths as they were given, "" where they were not."""

    id: str
    bundle: str = "."
    console_socket: str = ""
    pid_file: str = ""
    preserved: int = 0
    systemd: bool = False


class Creation:
    """One container that is made; `pidfd` is its process's, `config` what it is."""

    def __init__(self, root: str, request: Request, foreground: bool = False) -> None:
        self.config: Config = _loaded(request.bundle)
        self.warnings: list[str] = list(self.config.warnings)
        self.pidfd = -1
        self.pid = -1
        self._root = root
        self._request = request
        self._foreground = foreground
        self._membership = membership(self.config.spec.namespaces, bundle=True)
        self._cgroup: Cgroup | None = None
        self._wish: Wish | None = None
        self._known: Record | None = None
        self._born: Born | None = None
        self._open: list[int] = []

    def size_terminal(self, size: tuple[int, int]) -> None:
        """Let its terminal begin with this size, where config.json says none."""
        process = self.config.spec.process
        if not any(process.console_size):
            spec = replace(
                self.config.spec, process=replace(process, console_size=size)
            )
            self.config = replace(self.config, spec=spec)

    def run(self) -> int:
        """Make it; the master of its terminal, where nobody gave a socket for it, or
        -1. Raises ContainerError."""
        request, config = self._request, self.config
        if not (self._foreground and not request.console_socket):
            _check_console(request, config)
        place = state.reserve(self._root, request.id)
        try:
            self._known = known = self._record()
            state.save(self._root, known)
            record.write_file(f"{place}/config.json", _copy(request.bundle))
            return self._make(place, known)
        except BaseException:
            self._undo(place)
            raise
        finally:
            for fd in self._open:
                os.close(fd)

    def _record(self) -> Record:
        config, request = self.config, self._request
        known = Record(
            request.id,
            config.version,
            os.path.abspath(request.bundle),
            config.root,
            _now(),
            shares_pids=not self._membership.new & syscalls.CLONE_NEWPID,
            annotations=config.spec.annotations,
        )
        if not request.systemd:
            return replace(known, cgroup=cgroup_path(config.spec.cgroup, request.id))
        from lamina.runtime.bundles import scoping

        wished = scoping.wish(config, request.id)
        if wished.manager:
            self._wish = wished
            return known
        self.warnings.append(
            f"systemd does not run here: the cgroup {wished.scope.path} is made without"
        )
        return replace(known, cgroup=wished.scope.path)

    def _make(self, place: str, known: Record) -> int:
        spec, hooks = self.config.spec, self.config.hooks
        cgroups: list[int] = []
        if self._wish is None:
            self._cgroup = chosen.at(known.cgroup, spec.resources)
            self._warn_of_limits()
            cgroups = self._kept(open_cgroups(self._cgroup.directories))
        joined = self._kept(open_joined(self._membership))
        planned = mounts.plan(spec, bundle=True)
        binds = self._kept(bind_fds(planned.binds, bundle=True))
        root = self._kept([_open_root(self.config.root)])
        listener = state.listen(place)
        calls = listener_of(spec, known)
        trees = self._cgroup_trees() if self._wish is None else ()
        arrange = arranging(self.config, listener, known, trees, calls)
        kept = (listener.fileno(), *(fd for _, fd in trees))
        if calls is not None:
            kept = (*kept, calls.fd)
        launch = self._launch(planned, len(cgroups), arrange, kept)
        born = oneshot.launch(launch, joined, [*cgroups, *root, *binds])
        self._born, self.pid, self.pidfd = born, born.pid, born.pidfd
        if launch.waits:
            self._expect(born, "prepared")
            told = state.hook_state(known, state.CREATING, born.pid)
            run_hooks("prestart", hooks.prestart, told)
            run_hooks("createRuntime", hooks.create_runtime, told)
            born.go()
        fds = self._expect(born, "created")
        listener.close()
        if calls is not None:
            calls.close()
        born.line.close()
        return self._finish(fds)

    def _warn_of_limits(self) -> None:
        if self._cgroup is not None and self._cgroup.warning:
            self.warnings.append(self._cgroup.warning)

    def _put_into_scope(self, pid: int) -> oneshot.Cgroups:
        """Have systemd make the container's cgroup around its process."""
        from lamina.runtime.bundles import scoping

        assert self._wish is not None
        assert self._known is not None
        made = scoping.start(self._wish, pid, self._request.id, self.config)
        self._cgroup = made
        self._known = replace(
            self._known,
            cgroup=made.path,
            unit=self._wish.scope.unit,
            manager=self._wish.manager,
        )
        state.save(self._root, self._known)
        self._warn_of_limits()
        files = self._kept(open_cgroups(made.directories))
        return oneshot.Cgroups(tuple(files), self._cgroup_trees())

    def _finish(self, fds: list[int]) -> int:
        """Hand the terminal over, and write down that it is created."""
        known = self._known
        assert known is not None
        master = fds[0] if fds else -1
        if master >= 0 and self._request.console_socket:
            console.send(self._request.console_socket, master)
            os.close(master)
            master = -1
        process = Owner.of(known.id, self.pid)
        state.save(self._root, replace(known, process=process))
        if self._request.pid_file:
            record.write_file(self._request.pid_file, str(self.pid).encode(), 0o644)
        return master

    def _launch(
        self,
        planned: mounts.Plan,
        cgroups: int,
        arrange: Callable[[Assembly], None],
        kept: tuple[int, ...],
    ) -> Launch:
        spec, hooks, found = self.config.spec, self.config.hooks, self._membership
        own_cgroup = bool(cgroups) or self._wish is not None
        return oneshot.Launch(
            early_part(spec, planned, found, own_cgroup),
            late_part(spec, planned, None, seccomp_filter(self.config), cgroups),
            found,
            arrange,
            spec.uid_mappings,
            spec.gid_mappings,
            spec.time_offsets,
            kept,
            self._request.preserved,
            bool(hooks.prestart or hooks.create_runtime),
            self._put_into_scope if self._wish is not None else None,
        )

    def _cgroup_trees(self) -> tuple[tuple[str, int], ...]:
        """What the container sees of cgroups where no namespace makes its own the root:
        its own, as the hierarchies have it, and no others'."""
        assert self._cgroup is not None
        if self._membership.own & syscalls.CLONE_NEWCGROUP:
            return ()
        return tuple(
            (name, self._kept([syscalls.open_tree(path, recursive=False)])[0])
            for name, path in self._cgroup.places
        )

    def _expect(self, born: Born, word: str) -> list[int]:
        """The descriptors with the message that has `word`; raises what it says."""
        message, fds = born.heard()
        if "error" in message:
            raise failure(message)
        if word not in message:
            raise ContainerError("the container was killed while it was set up")
        return fds

    def _kept(self, fds: list[int]) -> list[int]:
        self._open += fds
        return fds

    def _undo(self, place: str) -> None:
        """Leave nothing of it."""
        if self._born is not None:
            self._born.kill()
        if self._cgroup is not None:
            self._cgroup.kill()
        if self._known is not None and self._known.unit:
            from lamina.runtime.bundles import scoping

            scoping.stop(self._known)
        if self._cgroup is not None:
            self._cgroup.delete()
        state.remove_directory(place)


def cgroup_path(given: str, identity: str) -> str:
    """The cgroup of a container, below the hierarchies' roots, as the engine says it.

    Raises ContainerError for systemd's form and for what leads out.
    """
    if not given:
        return f"lamina-runtime/{identity}"
    if given.count(":") == 2 and not given.startswith("/"):
        raise ContainerError(
            f"the cgroup {given!r} is systemd's to make, and it is not to be asked",
            hint="Call with --systemd-cgroup; or have the engine use cgroupfs: podman "
            "--cgroup-manager cgroupfs, dockerd --exec-opt "
            "native.cgroupdriver=cgroupfs.",
        )
    path = os.path.normpath(given).lstrip("/")
    if path in ("", ".") or path.split("/")[0] == "..":
        raise ContainerError(f"the cgroup path {given!r} is none of its own")
    return path


def _check_console(request: Request, config: Config) -> None:
    if config.spec.process.terminal and not request.console_socket:
        raise ContainerError(
            "the process wants a terminal, and there is no --console-socket for it"
        )
    if request.console_socket and not config.spec.process.terminal:
        raise ContainerError(
            "--console-socket is given, but the process has no terminal"
        )


def _open_root(path: str) -> int:
    """The root file system as a detached mount, with what is mounted in it."""
    try:
        if not os.path.isdir(path):
            raise ContainerError(f"the root file system {path} is not a directory")
        return syscalls.open_tree(path)
    except OSError as error:
        raise ContainerError(f"cannot use the root {path}: {error.strerror}") from error


def _loaded(bundle: str) -> Config:
    return read_config(load_file(f"{bundle}/config.json", "config.json"), bundle)


def _copy(bundle: str) -> bytes:
    with open(f"{bundle}/config.json", "rb") as file:
        return file.read()


def _now() -> str:
    """The time as RFC 3339 has it, with nanoseconds."""
    now = time.time_ns()
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9))
    return f"{text}.{now % 10**9:09d}Z"
