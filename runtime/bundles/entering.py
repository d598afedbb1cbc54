"""`exec`: one more process in a container that runs."""

from __future__ import annotations

import os

from lamina.runtime import syscalls
from lamina.runtime.bundles import console, fields, state
from lamina.runtime.bundles.config import Config, read_config
from lamina.runtime.bundles.filtering import seccomp_filter, seccomp_flags
from lamina.runtime.bundles.json_text import load_file, loads
from lamina.runtime.bundles.listening import listener_of, with_listener
from lamina.runtime.bundles.process_json import read_process
from lamina.runtime.bundles.state import Record, WrongState
from lamina.runtime.cgroups.cgroup import Cgroup
from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation import children, wire
from lamina.runtime.isolation.failures import failure
from lamina.runtime.isolation.processes import namespaces_of
from lamina.runtime.isolation.request import open_cgroups, process_of
from lamina.runtime.keeper import record
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable

    from lamina.runtime.bundles.listening import Listener
    from lamina.runtime.isolation.assembly import Assembly
    from lamina.runtime.spec import Process


@value
class Entry:
    """What `exec` is asked for: `process` is the path of a process.json, or `args` and
    what else was said on the command line; "" and () as the container has it."""

    id: str
    process: str = ""
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    cwd: str = ""
    user: str = ""
    groups: tuple[int, ...] = ()
    capabilities: tuple[str, ...] = ()
    terminal: bool = False
    no_new_privileges: bool = False
    apparmor_profile: str = ""
    selinux_label: str = ""
    console_socket: str = ""
    pid_file: str = ""
    cgroup: str = ""
    preserved: int = 0
    detached: bool = False
    ignore_paused: bool = False
    size: tuple[int, int] = (0, 0)


@value
class Entered:
    """The process that was started; `master` is its terminal's, or -1."""

    pid: int
    pidfd: int
    master: int = -1


def enter(root: str, entry: Entry) -> Entered:
    """Start the process; returns once its command runs; raises ContainerError."""
    known = state.load(root, entry.id)
    seen = state.status(root, known)
    if seen == state.PAUSED and not entry.ignore_paused:
        raise WrongState("cannot exec in a paused container")
    if seen not in (state.CREATED, state.RUNNING, state.PAUSED):
        raise WrongState(f"cannot exec in a container that is {seen}")
    config = _config(root, known)
    process = _process(config, entry)
    if not any(process.console_size):
        process = replace(process, console_size=entry.size)
    if process.terminal and entry.detached and not entry.console_socket:
        raise ContainerError(
            "the process wants a terminal, and there is no --console-socket for it"
        )
    if known.unit:
        from lamina.runtime.bundles import scoping

        scoping.come_near(known)
    target = state.open_process(known)
    cgroups = open_cgroups(_directories(known, entry.cgroup))
    report, theirs = wire.pair()
    calls = listener_of(config.spec, known)
    request = {
        "process": process_of(process),
        "bpf": seccomp_filter(config),
        "namespaces": namespaces_of(target),
        # It has to outlive this process, or is killed by who waits for it here.
        "detached": True,
        "preserved": entry.preserved,
    }
    proc = os.open("/proc", os.O_PATH | os.O_CLOEXEC)
    arrange = _arranging(with_listener(seccomp_flags(config), calls), calls, proc)
    kept = (proc,) if calls is None else (proc, calls.fd)
    try:
        rest = [target, *cgroups]
        streams = [0, 1, 2]
        end = theirs.fileno()
        pid, pidfd = children.enter(request, end, streams, rest, (arrange, kept))
        theirs.close()
        return _started(entry, pid, pidfd, _facts(report))
    finally:
        for fd in (proc, target, *cgroups):
            os.close(fd)
        report.close()
        if calls is not None:
            calls.close()


def _arranging(
    flags: int, calls: Listener | None, proc: int
) -> Callable[[Assembly], None]:
    """What is particular to this container's processes, to be set in the child."""

    def arrange(assembly: Assembly) -> None:
        assembly.seccomp_flags = flags
        if calls is not None:
            assembly.filter_loaded = calls.sender(state.RUNNING, proc)
            assembly.listener = calls.fd
        os.close(proc)

    return arrange


def _started(entry: Entry, pid: int, pidfd: int, master: int) -> Entered:
    if pid < 0:
        raise ContainerError("the process was killed while it was set up")
    if master >= 0 and entry.console_socket:
        console.send(entry.console_socket, master)
        os.close(master)
        master = -1
    if entry.pid_file:
        record.write_file(entry.pid_file, str(pid).encode(), 0o644)
    return Entered(pid, pidfd, master)


def _facts(report: _socket.socket) -> int:
    """Wait until the command is executed: the terminal's master, or -1."""
    master = -1
    while True:
        data, fds = wire.receive(report)
        if not data:
            return master
        message = wire.load(data)
        if "error" in message:
            raise failure(message)
        if fds:
            master = fds[0]


def _config(root: str, known: Record) -> Config:
    path = f"{state.directory(root, known.id)}/config.json"
    return read_config(load_file(path, "config.json"), known.bundle)


def _directories(known: Record, below: str) -> tuple[str, ...]:
    """The container's cgroups, or with `below` those in them (`exec --cgroup`)."""
    path = known.cgroup
    if below:
        inner = os.path.normpath(f"/{below.rpartition(':')[2]}").strip("/")
        path = f"{path}/{inner}".rstrip("/")
    found = Cgroup(path).directories
    if below and not found:
        raise ContainerError(f"the container has no cgroup {below!r}")
    return found


def _process(config: Config, entry: Entry) -> Process:
    if entry.process:
        given = load_file(entry.process)
        if not isinstance(given, dict):
            raise ContainerError(f"{entry.process} is not a process")
        found = read_process(given)
        terminal = found.terminal or entry.terminal
        return replace(found, terminal=terminal, personality=_domain(config))
    return _asked(config.spec.process, entry)


def _domain(config: Config) -> int | None:
    return config.spec.process.personality


def _asked(first: Process, entry: Entry) -> Process:
    """The container's first process with what the command line says instead."""
    if not entry.args:
        raise ContainerError("exec needs a command, or --process")
    changes: dict[str, object] = {
        "args": entry.args,
        "env": (*first.env, *entry.env),
        "cwd": entry.cwd or first.cwd,
        "groups": (*first.groups, *entry.groups),
        "terminal": entry.terminal,
        "no_new_privileges": first.no_new_privileges or entry.no_new_privileges,
        "apparmor_profile": entry.apparmor_profile or first.apparmor_profile,
        "selinux_label": entry.selinux_label or first.selinux_label,
    }
    if entry.user:
        uid, _, gid = entry.user.partition(":")
        given = loads(f"[{uid},{gid or 0}]".encode(), f"--user {entry.user}")
        changes["ids"] = tuple(fields.checked_id(number, "--user") for number in given)
    for name in ("capabilities", "effective", "permitted"):
        known = getattr(first, name) or ()
        changes[name] = (*known, *entry.capabilities)
    return replace(first, **changes)


def wait(entered: Entered) -> int:
    """Wait for its end: its exit code, 128 + n for signal n."""
    _, status = os.waitpid(entered.pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def forward(entered: Entered, number: int) -> None:
    """Pass a signal on; nothing when it has ended."""
    try:
        syscalls.pidfd_send_signal(entered.pidfd, number)
    except ProcessLookupError:
        return
