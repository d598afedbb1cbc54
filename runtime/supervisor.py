"""The process that a container lives by: it starts it, moves bytes, records its end.

In the foreground that is `lamina run` itself; `detach` puts one into the background.
When it dies, however that is, its zygote dies, and with that the container; whoever
looks next finds the record of a supervisor that is gone (container.collect).
"""

from __future__ import annotations

import contextlib
import os
import time

from lamina.errors import LaminaError
from lamina.runtime import container as containers
from lamina.runtime import plan, state, streams, volumes
from lamina.runtime.errors import ContainerError
from lamina.runtime.owner import Owner
from lamina.runtime.session import Console, Ends, Session, open_streams
from lamina.runtime.uplink import Uplink, connect, etc_files
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from lamina.oci.store import Store
    from lamina.runtime.cgroup import Cgroup
    from lamina.runtime.logs import LogWriter
    from lamina.runtime.spec import Spec
    from lamina.runtime.state import Container
    from lamina.runtime.uplink import Connecting
    from lamina.runtime.zygote import Sandbox, Zygote


class Supervisor:
    """One container's supervisor: `start`, then `supervise` to its end."""

    def __init__(self, store: Store, zygote: Zygote, container: Container) -> None:
        self.store = store
        self.container = container
        self._zygote = zygote
        self._state = state.load_state(store.root, container.id)
        self._place = state.directory(store.root, container.id)
        self._uplink = Uplink()
        self._cgroup: Cgroup | None = None
        self._sandbox: Sandbox | None = None
        self._ends = Ends()

    # Start

    def start(
        self, console: Console | None = None, connecting: Connecting | None = None
    ) -> None:
        """Start the container's command; raises ContainerError when that fails.

        It stays "created" then, as with docker, or goes when it is one of `--rm`.
        `connecting` is its connection, where that was begun before.
        """
        from lamina.runtime.userns import require_namespaces

        try:
            require_namespaces()
            self._uplink = (
                connecting.result() if connecting else connect(self.container)
            )
            self._start(console or Console())
        except BaseException as error:
            self._failed(error)
            raise

    def _start(self, console: Console) -> None:
        container = self.container
        found = volumes.of_container(container.options, container.config)
        etc = self._write_etc()
        spec = plan.plan(container, found, etc)
        if console.terminal >= 0:
            size = streams.size_of(console.terminal)
            spec = replace(spec, process=replace(spec.process, console_size=size))
        self._cgroup = self._make_cgroup(spec)
        with contextlib.ExitStack() as stack:
            mounts = self._bind_mounts(found, etc, stack)
            self._launch(spec, mounts, stack)
        self._uplink.detach_namespace()
        self._record_start()

    @property
    def warning(self) -> str:
        """A sentence on what of the asked was not done, or ""."""
        return self._cgroup.warning if self._cgroup is not None else ""

    def _write_etc(self) -> tuple[str, ...]:
        name = plan.hostname(self.container)
        files = etc_files(self.container, self._uplink, name)
        for file, text in files.items():
            # In place, and not renamed: a restart finds the same file mounted.
            with open(
                f"{self._place}/{file}", "w", errors="surrogateescape", opener=_public
            ) as stream:
                stream.write(text)
        return tuple(files)

    def _make_cgroup(self, spec: Spec) -> Cgroup:
        from lamina.runtime.cgroup import Cgroup, collect

        collect()
        group = Cgroup.create(self.container.id, spec.resources)
        self._state = replace(self._state, cgroup=group.path)
        return group

    def _bind_mounts(
        self,
        found: tuple[volumes.Volume, ...],
        etc: tuple[str, ...],
        stack: contextlib.ExitStack,
    ) -> tuple[int, ...]:
        """The detached mounts for the binds of the spec, in its order."""
        from lamina.runtime import syscalls

        sources = [os.open(f"{self._place}/{n}", os.O_PATH | os.O_CLOEXEC) for n in etc]
        for source in sources:
            stack.callback(os.close, source)
        found = self._named(found)
        for volume in found:
            if volume.kind != volumes.TMPFS:
                sources.append(self._open_volume(volume, stack))
        result = tuple(syscalls.open_tree(source) for source in sources)
        for mount in result:
            stack.callback(os.close, mount)
        return result

    def _open_volume(self, volume: volumes.Volume, stack: contextlib.ExitStack) -> int:
        if volume.kind == volumes.BIND:
            source = volumes.open_bind(volume)
            stack.callback(os.close, source)
            return source
        source, empty = volumes.open_volume(self.store.root, volume.source)
        stack.callback(os.close, source)
        if empty and volume.copy:
            from lamina.runtime import snapshot

            view = snapshot.mount(self._lowers())
            try:
                volumes.fill(source, view, volume.destination)
            finally:
                os.close(view)
        return source

    def _named(self, found: tuple[volumes.Volume, ...]) -> tuple[volumes.Volume, ...]:
        """Names for the volumes that have none, recorded before they are made."""
        named = tuple(
            replace(volume, source=state.new_id())
            if volume.kind == volumes.VOLUME and not volume.source
            else volume
            for volume in found
        )
        made = [new.source for new, old in zip(named, found, strict=True) if new != old]
        if made:
            text = "".join(f"{name}\n" for name in made)
            state.write_file(f"{self._place}/volumes", text.encode())
        return named

    def _lowers(self) -> tuple[str, ...]:
        """The image's layers as overlay wants them: the topmost first."""
        from lamina.runtime.stubs import stub_layer

        layers = reversed(self.container.layers)
        return (*map(self.store.layer_path, layers), stub_layer(self.store.root))

    def _launch(
        self, spec: Spec, mounts: tuple[int, ...], stack: contextlib.ExitStack
    ) -> None:
        from lamina.runtime.snapshot import Snapshot

        options = self.container.options
        # A container that can be looked at afterwards has to be on the disk by then.
        snapshot = Snapshot(
            self._lowers(),
            f"{self._place}/upper",
            f"{self._place}/work",
            options.remove,
        )
        network: int | str = self._uplink.namespace
        if network == -1:
            network = options.network
        given, self._ends = open_streams(options.terminal, options.interactive, stack)
        assert self._cgroup is not None
        self._sandbox = self._zygote.launch(
            spec,
            snapshot,
            given,
            network,
            mounts,
            bpf=seccomp_filter(self.store, self.container),
            cgroups=self._cgroup.directories,
        )

    def _record_start(self) -> None:
        assert self._sandbox is not None
        self._state = replace(
            self._state,
            status=state.RUNNING,
            supervisor=Owner.of(self.container.id),
            init=Owner.of(self.container.id, self._sandbox.pid),
            started=time.time_ns(),
            finished=0,
            exit_code=0,
            error="",
            attachment=self._uplink.attachment,
            ports=tuple(str(mapping) for mapping in self._uplink.ports),
            stubs=tuple(path for path, *_ in self._sandbox.created),
        )
        self._save()

    def _failed(self, error: BaseException) -> None:
        """Give back what was taken for a start that came to nothing."""
        self._give_back()
        self._ends.close()
        if self.container.options.remove:
            containers.remove(self.store, self.container)
            return
        code = error.exit_code if isinstance(error, ContainerError) else 125
        self._state = replace(
            self._state,
            status=state.CREATED,
            supervisor=None,
            init=None,
            exit_code=code,
            error=str(error),
            cgroup="",
        )
        self._save()

    def _save(self) -> None:
        state.save_state(self.store.root, self.container.id, self._state)

    # To the end

    def supervise(self, console: Console | None) -> int:
        """Move bytes until the container has ended; its exit code, as recorded."""
        assert self._sandbox is not None
        log = self._open_log(console)
        session = Session(
            self._sandbox, self._ends, console or Console(), log, self._uplink.watched
        )
        status = session.run()
        if log is not None:
            log.close()
        self._finish(status.code)
        return status.code

    def _open_log(self, console: Console | None) -> LogWriter | None:
        """Nobody can ask for the log of what goes when it ends, and is watched."""
        if console is not None and self.container.options.remove:
            return None
        from lamina.runtime.logs import LogWriter

        return LogWriter(f"{self._place}/log")

    def _finish(self, code: int) -> None:
        """Record the end, give everything back."""
        assert self._sandbox is not None
        self._sandbox.close()
        oom_killed = self._cgroup is not None and self._cgroup.oom_killed
        self._state = replace(
            self._state,
            status=state.EXITED,
            init=None,
            finished=time.time_ns(),
            exit_code=code,
            oom_killed=oom_killed,
            ports=(),
        )
        # Before anything is given back: what dies on the way has it collected.
        state.write_state(self._place, self._state)
        self._give_back()
        if self.container.options.remove:
            containers.remove(self.store, self.container)
            return
        self._state = replace(self._state, supervisor=None, attachment=None, cgroup="")
        self._save()

    def _give_back(self) -> None:
        if self._cgroup is not None:
            self._cgroup.kill()
            self._cgroup.delete()
            self._cgroup = None
        self._uplink.close()


def detach(work: Callable[[], Supervisor]) -> tuple[str, str]:
    """Start a container in a background process that supervises it.

    What comes back is its ID, and what the user is to be warned of, or "".

    `work` creates the container there and starts it. What it raises is raised here.
    Only for a process with one thread, in which no zygote was started.
    """
    import marshal

    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _background(work, writer)
    os.close(writer)
    try:
        with open(reader, "rb") as pipe:
            said = pipe.read()
    except BaseException:
        # Ctrl-C before it began: what was begun ends with its supervisor.
        os.kill(pid, 9)
        raise
    if not said:
        raise ContainerError("The container's supervisor died as it started.")
    result, hint, code = marshal.loads(said)
    if code:
        error = ContainerError(result, hint=hint)
        error.exit_code = code
        raise error
    return str(result), str(hint)


def _background(work: Callable[[], Supervisor], writer: int) -> NoReturn:
    """The child's life: let go of the caller's files, start, say so, supervise."""
    code = 125
    try:
        os.setsid()
        os.umask(0o022)
        os.chdir("/")
        # Before the zygote inherits them: whoever reads them waits for their end.
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        os.close(null)
        supervisor = _said(work, writer)
        if supervisor is not None:
            code = supervisor.supervise(None)
    finally:
        os._exit(code)


def _said(work: Callable[[], Supervisor], writer: int) -> Supervisor | None:
    """Do the work and tell the parent how it went."""
    import marshal

    supervisor = None
    try:
        supervisor = work()
        said = (supervisor.container.id, supervisor.warning, 0)
    except LaminaError as error:
        said = (error.message, error.hint, _code(error))
    except Exception:
        import traceback

        said = ("The container's supervisor failed.", traceback.format_exc(), 125)
    os.write(writer, marshal.dumps(said))
    os.close(writer)
    return supervisor


def _code(error: LaminaError) -> int:
    return error.exit_code if isinstance(error, ContainerError) else 125


def _public(path: str, flags: int) -> int:
    """Readable by all in the container, whatever the caller's umask is."""
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    os.fchmod(descriptor, 0o644)
    return descriptor


def seccomp_filter(store: Store, container: Container) -> bytes:
    """The compiled filter of a container; b"" where it has none."""
    from lamina.runtime.seccomp import cached_profile

    profile = plan.seccomp_profile(container.options)
    if profile == "":
        return b""
    assert not isinstance(profile, str)
    place = f"{store.root}/seccomp"
    return cached_profile(place, plan.capabilities(container.options), profile)
