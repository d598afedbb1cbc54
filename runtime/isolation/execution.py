"""From a root that is ready to the command: ids, directory, limits, filter, execve.

What is wrong is said in Docker's words, with its exit codes: 127 there is no such
command, 126 it cannot be executed, 125 the rest.
"""

from __future__ import annotations

import _socket
import errno
import os
import stat

from lamina.runtime import syscalls
from lamina.runtime.errors import CommandNotFound, ContainerError, NotExecutable
from lamina.runtime.isolation import privileges, terminal, wire
from lamina.runtime.isolation.reaper import split_off_command
from lamina.runtime.isolation.snapshot import needs_user_xattr
from lamina.runtime.isolation.stage import write_proc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from lamina.runtime.isolation.assembly import Assembly
    from lamina.runtime.isolation.users import Identity

_SIGKILL = 9
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def execute(
    assembly: Assembly, process: dict[str, Any], identity: Identity, bpf: bytes
) -> NoReturn:
    """Become the process: ids, limits, capabilities, filter, execve."""
    environment = _environment(process["env"], identity)
    # From here on no descriptor leads out of the root (CVE-2024-21626).
    inherited = (0, 1, 2, *range(3, 3 + assembly.preserved))
    ends = (assembly.master, assembly.slave, assembly.listener)
    ours = (assembly.report, *ends, *assembly.kept)
    keep_only(*inherited, *ours)
    if not assembly.joined:
        _make_cwd(process["cwd"])
    if identity.uid:
        _give_streams(identity.uid, assembly.slave)
    _become(process, identity)
    _enter_cwd(process["cwd"])
    program = _find_program(process["args"][0], environment)
    for number, soft, hard in process["rlimits"]:
        _limit(number, soft, hard)
    assembly.mark("user")
    if process["parent_death"]:
        # Not before: a change of ids clears it. A parent that is gone by now has closed
        # the other end of the report.
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, _SIGKILL)
    if assembly.slave >= 0:
        terminal.make_controlling(assembly.slave)
    if assembly.gate is not None:
        _check_program(program, process["args"][0])
    _say_ready(assembly)
    keep_only(*inherited, assembly.report, assembly.listener)
    sets, alone = process["sets"], process["no_new_privileges"]
    loaded = assembly.filter_loaded
    privileges.confine(sets, alone, bpf, assembly.seccomp_flags, loaded)
    if assembly.before_command is not None:
        assembly.before_command()
    if process["init"]:
        split_off_command(assembly.report)
    try:
        os.execve(program, process["args"], environment)
    except OSError as error:
        raise _cannot_execute(program, process["args"][0], error) from error


def _say_ready(assembly: Assembly) -> None:
    """Tell that all is there but the command; with a gate wait there."""
    master = (assembly.master,) if assembly.master >= 0 else ()
    facts = {"created": tuple(assembly.created), "marks": tuple(assembly.marks)}
    report = _socket.socket(fileno=assembly.report)
    wire.send(report, facts, master)
    report.detach()
    if assembly.gate is not None:
        assembly.report = assembly.gate()


def keep_only(*fds: int) -> None:
    """Close every descriptor that is not in `fds`; -1 is none."""
    below = -1
    for fd in (*sorted(fds), 0x7FFFFFFF):
        if fd > below + 1:
            syscalls.close_range(below + 1, fd - 1)
        below = fd


def _environment(pairs: tuple[str, ...], identity: Identity) -> dict[str, str]:
    environment = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if name and equals:
            environment[name] = text
    environment.setdefault("PATH", _DEFAULT_PATH)
    if not environment.get("HOME"):
        environment["HOME"] = identity.home
    return environment


def _make_cwd(path: str) -> None:
    """Docker makes a working directory that does not exist, as root, mode 755."""
    if os.path.isdir(path):
        return
    try:
        os.umask(0o022)
        os.makedirs(path, 0o755, exist_ok=True)
    except OSError as error:
        raise ContainerError(
            f"Cannot make the working directory {path}: {error.strerror}."
        ) from error


def _enter_cwd(path: str) -> None:
    """chdir, and make sure that it led to a place inside (CVE-2024-21626)."""
    try:
        os.chdir(path)
    except OSError as error:
        raise ContainerError(
            f"Cannot enter the working directory {path}: {error.strerror}."
        ) from error
    try:
        inside = os.getcwd().startswith("/")
    except FileNotFoundError:
        inside = False
    if not inside:
        raise ContainerError(f"The working directory {path} is outside the container.")


def _give_streams(uid: int, slave: int) -> None:
    """Let the user open /dev/stdout again: its pipes or its terminal become his.

    A file or the caller's own terminal stays whose it is.
    """
    streams = (slave,) if slave >= 0 else (0, 1, 2)
    for fd in streams:
        if fd == slave or stat.S_ISFIFO(os.fstat(fd).st_mode):
            try:
                os.fchown(fd, uid, -1)
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.EINVAL, errno.EROFS):
                    raise


def _become(process: dict[str, Any], identity: Identity) -> None:
    _adjust(process)
    try:
        os.setgroups(identity.groups)
    except PermissionError:
        # A user namespace of a single id has no groups to give: setgroups is denied.
        if not needs_user_xattr():
            raise
    try:
        os.setresgid(identity.gid, identity.gid, identity.gid)
        if identity.uid:
            syscalls.prctl(syscalls.PR_SET_KEEPCAPS, 1)
        os.setresuid(identity.uid, identity.uid, identity.uid)
    except OSError as error:
        raise ContainerError(
            f"Cannot become user {identity.uid}:{identity.gid}: {error.strerror}.",
            hint="Rootless containers have the ids that /etc/subuid gives the user.",
        ) from error
    if identity.uid:
        # KEEPCAPS keeps the permitted set; the next steps need it effective.
        permitted = syscalls.capget()[1]
        syscalls.capset(permitted, permitted, 0)
    # A change of ids may have made memory readable again for others.
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
    os.umask(process["umask"])


def _adjust(process: dict[str, Any]) -> None:
    """What the kernel is told of the process, and takes a privilege."""
    own = os.getpid()
    if process["oom_score_adj"] is not None:
        write_proc(f"{own}/oom_score_adj", str(process["oom_score_adj"]))
    if process["apparmor_profile"]:
        _label(f"{own}/attr/apparmor/exec", f"exec {process['apparmor_profile']}")
    if process["selinux_label"]:
        _label(f"{own}/attr/exec", process["selinux_label"])
    if process["personality"] is not None:
        syscalls.personality(process["personality"])
    try:
        if process["io_priority"] is not None:
            kind, level = process["io_priority"]
            syscalls.ioprio_set(kind << 13 | level)
        if process["scheduler"]:
            syscalls.sched_setattr(process["scheduler"])
        if process["cpus"]:
            os.sched_setaffinity(0, process["cpus"])
    except OSError as error:
        raise ContainerError(
            f"The process cannot be scheduled as asked: {error.strerror}."
        ) from error


def _label(path: str, text: str) -> None:
    """Have the command run under a profile or a label of the kernel's."""
    try:
        write_proc(path, text)
    except OSError as error:
        raise ContainerError(
            f"Cannot run the command under {text!r}: {error.strerror}.",
            hint="Is that profile or label loaded on this machine?",
        ) from error


def _limit(number: int, soft: int, hard: int) -> None:
    try:
        syscalls.setrlimit(number, soft, hard)
    except OSError as error:
        name = privileges.RLIMITS[number].lower()
        raise ContainerError(
            f"Cannot set the limit {name}={soft}:{hard}: {error.strerror}.",
            hint="A limit above the present one takes CAP_SYS_RESOURCE.",
        ) from error


def _find_program(name: str, environment: dict[str, str]) -> str:
    """The program to execute, as execvp(3) would find it, with Docker's messages."""
    if "/" in name:
        return name
    denied = False
    for directory in environment["PATH"].split(":"):
        path = os.path.join(directory or ".", name)
        try:
            status = os.stat(path)
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode):
            if os.access(path, os.X_OK, effective_ids=True):
                return path
            denied = True
    if denied:
        raise NotExecutable(f"{name!r} is not executable: permission denied.")
    raise CommandNotFound(
        f"{name!r} was not found in $PATH.",
        hint=f"PATH is {environment['PATH']}.",
    )


def _check_program(path: str, name: str) -> None:
    """What execve would refuse is said before there is a container to start."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise _cannot_execute(path, name, error) from error
    if not stat.S_ISREG(status.st_mode) or not os.access(
        path, os.X_OK, effective_ids=True
    ):
        raise NotExecutable(f"{name!r} is not executable: permission denied.")


def _cannot_execute(path: str, name: str, error: OSError) -> ContainerError:
    if error.errno == errno.ENOENT:
        if os.path.exists(path):
            return CommandNotFound(
                f"{name!r} cannot start: its interpreter or loader does not exist.",
                hint="See the first line of a script, or the libraries of a program.",
            )
        return CommandNotFound(f"{name!r} does not exist in the container.")
    if error.errno == errno.ENOTDIR:
        return CommandNotFound(f"{name!r} does not exist in the container.")
    if error.errno == errno.ENOEXEC:
        return NotExecutable(
            f"{name!r} is not a program for this machine.",
            hint="A script needs a first line such as #!/bin/sh; a program has to be "
            "built for this architecture.",
        )
    if error.errno == errno.E2BIG:
        return NotExecutable(
            f"{name!r}: the arguments and the environment are too long."
        )
    return NotExecutable(f"{name!r} cannot be executed: {error.strerror}.")
