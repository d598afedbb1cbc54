"""The set-up of a container from the inside, up to execve.

`prepare` does what does not depend on the root: /proc, /dev, /sys, the host name,
the bounding set. It may run long before a container is asked for. `finish` mounts
the root, moves into it, becomes the user and executes the command. Both carry out
data that mounts.py planned; nothing is imported on the way, for after the root is
entered an import would read the image's files.
"""

from __future__ import annotations

import _socket
import errno
import fcntl
import os
import stat
from struct import pack
from time import monotonic_ns

from lamina.runtime import privileges, syscalls, terminal, wire
from lamina.runtime.errors import CommandNotFound, ContainerError, NotExecutable
from lamina.runtime.paths import Created, ensure, open_in_root, open_plain
from lamina.runtime.reaper import split_off_command
from lamina.runtime.snapshot import Snapshot, mount, needs_user_xattr
from lamina.runtime.stage import STAGE, attach, new_file_system
from lamina.runtime.sysctls import check_sysctl
from lamina.runtime.users import Identity, resolve_user

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NULL = os.makedev(1, 3)
# Linux ioctls on network devices: bits/ioctls.h, net/if.h.
_SIOCSIFFLAGS, _IFF_UP_RUNNING = 0x8914, 0x41


class Sandbox:
    """What one container's set-up hands from step to step, in the child."""

    def __init__(self, root: str = STAGE) -> None:
        self.report = -1
        self.root = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self.strict = True
        self.mount_fds: list[int] = []
        self.created: list[Created] = []
        self.devpts = -1
        self.null = -1
        self.master = -1
        self.slave = -1
        self.marks: list[tuple[str, int]] = []
        self.own_cgroup = False
        self.joined = False

    def mark(self, name: str) -> None:
        """Note the time at which a part was done, for the profile of a launch."""
        self.marks.append((name, monotonic_ns()))

    def perform(self, operation: tuple[Any, ...]) -> None:
        """Carry out one of mounts.Operation's tuples in `root`."""
        verb, target = operation[0], operation[1]
        try:
            _VERBS[verb](self, operation)
        except OSError as error:
            kind = f" {operation[2]}" if operation[2] else ""
            raise ContainerError(
                f"cannot {verb}{kind} {target}: {error.strerror}",
                hint=_hint(error, target),
            ) from error

    def place(self, target: str, directory: bool) -> int:
        """The O_PATH descriptor of a mount point, made where it is missing."""
        return ensure(self.root, target, directory, self.created)

    def existing(self, target: str) -> int:
        """The descriptor of what may not be there: -1."""
        try:
            if self.strict:
                return open_plain(self.root, target)
            return open_in_root(self.root, target)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                return -1
            raise


def prepare(sandbox: Sandbox, early: dict[str, Any]) -> None:
    """What a container has before it has a root; `early` is shared by many."""
    os.setsid()
    os.umask(0)
    if early["network"] == "none":
        _loopback_up()
    if early["hostname"]:
        syscalls.sethostname(early["hostname"].encode())
    if early["domainname"]:
        syscalls.setdomainname(early["domainname"].encode())
    sandbox.mark("names")
    for operation in early["operations"]:
        sandbox.perform(operation)
    sandbox.mark("proc, dev, sys")
    if early["sysctl"]:
        _set_sysctls(early["sysctl"])
    privileges.bound(early["capabilities"])
    sandbox.mark("bounding set")


def finish(sandbox: Sandbox, late: dict[str, Any], mount_fds: list[int]) -> NoReturn:
    """Enter the root and execute: returns by an exception or not at all."""
    sandbox.mark("request")
    process = late["process"]
    root = mount_fds.pop(0) if late["root"] is None else mount(Snapshot(*late["root"]))
    stage = sandbox.root
    place = os.open("root", os.O_PATH | os.O_CLOEXEC, dir_fd=stage)
    syscalls.move_mount(root, place)
    sandbox.mark("root")
    sandbox.root, sandbox.strict = root, False
    sandbox.created.clear()  # the mount points in /dev were in a /dev of our own
    sandbox.mount_fds = mount_fds
    for operation in late["operations"]:
        sandbox.perform(operation)
    sandbox.mark("mounts")
    identity = resolve_user(root, process["user"], process["groups"])
    _enter(root)
    sandbox.mark("pivot")
    if process["terminal"]:
        _open_terminal(sandbox, process["console_size"])
    execute(sandbox, process, identity, late["bpf"])


def join(report: int, process: dict[str, Any], bpf: bytes) -> NoReturn:
    """Execute one more process in a container whose namespaces this one has joined."""
    sandbox = Sandbox("/")
    sandbox.joined = True
    sandbox.report = report
    if process["terminal"]:
        flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        sandbox.devpts = os.open("/dev/pts", flags)
        _open_terminal(sandbox, process["console_size"])
    identity = resolve_user(sandbox.root, process["user"], process["groups"])
    execute(sandbox, process, identity, bpf)


def execute(
    sandbox: Sandbox, process: dict[str, Any], identity: Identity, bpf: bytes
) -> NoReturn:
    """Become the process: ids, limits, capabilities, filter, execve."""
    environment = _environment(process["env"], identity)
    # From here on no descriptor leads out of the root (CVE-2024-21626).
    keep_only(0, 1, 2, sandbox.report, sandbox.master, sandbox.slave)
    if not sandbox.joined:
        _make_cwd(process["cwd"])
    if identity.uid:
        _give_streams(identity.uid, sandbox.slave)
    _become(process, identity)
    _enter_cwd(process["cwd"])
    program = _find_program(process["args"][0], environment)
    for number, soft, hard in process["rlimits"]:
        _limit(number, soft, hard)
    sandbox.mark("user")
    if sandbox.slave >= 0:
        terminal.make_controlling(sandbox.slave)
    master = (sandbox.master,) if sandbox.master >= 0 else ()
    facts = {"created": tuple(sandbox.created), "marks": tuple(sandbox.marks)}
    report = _socket.socket(fileno=sandbox.report)
    wire.send(report, facts, master)
    report.detach()
    keep_only(0, 1, 2, sandbox.report)
    privileges.confine(process["capabilities"], process["no_new_privileges"], bpf)
    if process["init"]:
        split_off_command(sandbox.report)
    try:
        os.execve(program, process["args"], environment)
    except OSError as error:
        raise _cannot_execute(program, process["args"][0], error) from error


def keep_only(*fds: int) -> None:
    """Close every descriptor that is not in `fds`; -1 is none."""
    below = -1
    for fd in (*sorted(fds), 0x7FFFFFFF):
        if fd > below + 1:
            syscalls.close_range(below + 1, fd - 1)
        below = fd


def _mount(sandbox: Sandbox, operation: tuple[Any, ...]) -> None:
    _, target, kind, _, options, attributes, _ = operation
    if kind == "cgroup":
        fd, controllers = _cgroup_root(sandbox)
    elif kind == "sysfs":
        fd, controllers = _sysfs(), ()
    elif kind == "devpts":
        fd, controllers = _devpts(options), ()
    else:
        fd, controllers = new_file_system(kind, options), ()
    try:
        place = sandbox.place(target, True)
        syscalls.move_mount(fd, place)
        os.close(place)
        for controller in controllers:
            _mount_controller(fd, controller)
        if attributes:
            # The access time attributes are one field: to set one clears all.
            clear = attributes & syscalls.MOUNT_ATTR_ATIME and syscalls.MOUNT_ATTR_ATIME
            syscalls.mount_setattr(fd, attributes, clear, recursive=True)
        if target == "/dev/pts":
            sandbox.devpts = os.dup(fd)
    finally:
        os.close(fd)


def _sysfs() -> int:
    try:
        return new_file_system("sysfs")
    except PermissionError:
        # In a user namespace whose network is the host's: a view of the host's.
        return syscalls.open_tree(f"{STAGE}/host", recursive=True)


def _devpts(options: tuple[tuple[str, str], ...]) -> int:
    try:
        return new_file_system("devpts", options)
    except OSError as error:
        if error.errno != errno.EINVAL or not needs_user_xattr():
            raise
        # The terminals' group, 5, has no place in a namespace of a single id.
        return new_file_system("devpts", tuple(o for o in options if o[0] != "gid"))


def _cgroup_root(sandbox: Sandbox) -> tuple[int, tuple[str, ...]]:
    """What goes on /sys/fs/cgroup, and the v1 controllers to mount inside.

    It shows the container's own cgroup as the root, by its cgroup namespace. With v1
    only a container that has limits of its own sees them.
    """
    with open("/proc/self/cgroup", "rb") as file:
        lines = file.read().decode().splitlines()
    names = tuple(line.split(":", 2)[1] for line in lines)
    if names == ("",):
        try:
            return new_file_system("cgroup2"), ()
        except PermissionError:
            return _empty(), ()
    if not sandbox.own_cgroup:
        return _empty(), ()
    return new_file_system("tmpfs", (("mode", "755"), ("size", "64k"))), names


def _mount_controller(base: int, controller: str) -> None:
    """Mount a cgroup v1 hierarchy (`memory`, `cpu,cpuacct`, `name=systemd`)."""
    directory = controller.removeprefix("name=") or "unified"
    os.mkdir(directory, 0o755, dir_fd=base)
    if not controller:
        tree = new_file_system("cgroup2")
    elif controller.startswith("name="):
        tree = new_file_system("cgroup", (("none", ""), ("name", directory)))
    else:
        tree = new_file_system("cgroup", tuple((c, "") for c in controller.split(",")))
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    attach(tree, os.open(directory, flags, dir_fd=base))


def _empty() -> int:
    return syscalls.open_tree(f"{STAGE}/empty", recursive=False)


def _bind(sandbox: Sandbox, operation: tuple[Any, ...]) -> None:
    fd = sandbox.mount_fds[operation[6]]
    directory = stat.S_ISDIR(os.fstat(fd).st_mode)
    place = sandbox.place(operation[1], directory)
    try:
        if stat.S_ISDIR(os.fstat(place).st_mode) != directory:
            kinds = ("directory", "file") if directory else ("file", "directory")
            raise ContainerError(
                f"cannot mount a {kinds[0]} on {operation[1]}, which is a {kinds[1]}"
            )
        syscalls.move_mount(fd, place)
    finally:
        os.close(place)


def _node(sandbox: Sandbox, operation: tuple[Any, ...]) -> None:
    """A device node; in a user namespace, which may make none, the host's."""
    path = operation[1].lstrip("/")
    parent, _, _ = path.rpartition("/")
    if parent != "dev":
        os.close(sandbox.place(f"/{parent}", True))
    _make_node(sandbox, operation, path)
    if path == "dev/null":
        sandbox.null = open_plain(sandbox.root, path)


def _make_node(sandbox: Sandbox, operation: tuple[Any, ...], path: str) -> None:
    (_, device), (_, mode), (_, owner) = operation[4]
    if needs_user_xattr():
        tree = syscalls.open_tree(operation[1], recursive=False)
        attach(tree, sandbox.place(operation[1], False))
        return
    kind, _, numbers = device.partition(" ")
    major, _, minor = numbers.partition(":")
    type_ = stat.S_IFBLK if kind == "b" else stat.S_IFCHR
    number = os.makedev(int(major), int(minor))
    os.mknod(path, type_ | int(mode, 8), number, dir_fd=sandbox.root)
    uid, _, gid = owner.partition(":")
    if owner != "0:0":
        os.chown(path, int(uid), int(gid), dir_fd=sandbox.root, follow_symlinks=False)


def _link(sandbox: Sandbox, operation: tuple[Any, ...]) -> None:
    os.symlink(operation[3], operation[1].lstrip("/"), dir_fd=sandbox.root)


def _adopt(sandbox: Sandbox, operation: tuple[Any, ...]) -> None:
    """Move /proc, /dev or /sys from the stage into the root.

    The image's must be a real directory, or nothing: a link there would lead what
    is written to /proc elsewhere (CVE-2019-19921, CVE-2023-27561).
    """
    target = operation[1]
    try:
        place = open_plain(sandbox.root, target)
    except FileNotFoundError:
        place = sandbox.place(target, True)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        place = -1
    if place < 0 or not stat.S_ISDIR(os.fstat(place).st_mode):
        raise ContainerError(
            f"the image's {target} is not a directory",
            hint="it has to be one, and no link to one, for the kernel's files",
        )
    tree = os.open(STAGE + target, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    attach(tree, place)


def _console(sandbox: Sandbox, operation: tuple[Any, ...]) -> None:
    if sandbox.devpts < 0:
        raise ContainerError("a terminal needs a devpts mounted on /dev/pts")
    sandbox.master, sandbox.slave = terminal.open_pair(sandbox.devpts)
    tree = syscalls.open_tree(sandbox.slave, recursive=False)
    attach(tree, sandbox.place(operation[1], False))


def _mask(sandbox: Sandbox, operation: tuple[Any, ...]) -> None:
    """Cover a directory with nothing, a file with /dev/null (CVE-2025-31133)."""
    place = sandbox.existing(operation[1])
    if place < 0:
        return
    if stat.S_ISDIR(os.fstat(place).st_mode):
        attach(_empty(), place)
        return
    if sandbox.null < 0:
        sandbox.null = os.open("/dev/null", os.O_PATH | os.O_CLOEXEC)
    assert os.fstat(sandbox.null).st_rdev == _NULL, "/dev/null is something else"
    tree = syscalls.open_tree(sandbox.null, recursive=False)
    # Otherwise chmod of the masked file would be chmod of the device's node.
    syscalls.mount_setattr(tree, syscalls.MOUNT_ATTR_RDONLY)
    attach(tree, place)


def _readonly(sandbox: Sandbox, operation: tuple[Any, ...]) -> None:
    if operation[1] == "/":
        syscalls.mount_setattr(sandbox.root, syscalls.MOUNT_ATTR_RDONLY)
        return
    place = sandbox.existing(operation[1])
    if place < 0:
        return
    tree = syscalls.open_tree(place, recursive=True)
    syscalls.mount_setattr(tree, syscalls.MOUNT_ATTR_RDONLY, recursive=True)
    attach(tree, place)


_VERBS = {
    "mount": _mount,
    "bind": _bind,
    "node": _node,
    "link": _link,
    "adopt": _adopt,
    "console": _console,
    "mask": _mask,
    "readonly": _readonly,
}


def _hint(error: OSError, target: str) -> str:
    if error.errno == errno.EROFS:
        return f"{target} does not exist in the image, and the root is read-only"
    if error.errno == errno.EPERM:
        return "user namespaces may not be allowed to do this here; try as root"
    return ""


def _loopback_up() -> None:
    control = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
    request = pack("16sh22x", b"lo", _IFF_UP_RUNNING)
    fcntl.ioctl(control.fileno(), _SIOCSIFFLAGS, request)
    control.close()


def _set_sysctls(sysctl: dict[str, str]) -> None:
    for name, text in sysctl.items():
        check_sysctl(name)
        try:
            _write_proc("sys/" + name.replace(".", "/"), text)
        except OSError as error:
            # The range holds group ids; not all of them exist in a namespace.
            if name == "net.ipv4.ping_group_range" and error.errno == errno.EINVAL:
                continue
            raise ContainerError(
                f"cannot set the sysctl {name}={text}: {error.strerror}"
            ) from error


def _write_proc(path: str, text: str) -> None:
    """Write through a procfs of our own, which nobody else can have arranged."""
    proc = new_file_system("proc")
    try:
        fd = open_plain(proc, path, os.O_WRONLY)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)
    finally:
        os.close(proc)


def _enter(root: int) -> None:
    """Make `root` this process's / and let go of everything outside it."""
    os.fchdir(root)
    syscalls.pivot_root(".", ".")
    syscalls.umount2(".", syscalls.MNT_DETACH)
    os.chdir("/")


def _open_terminal(sandbox: Sandbox, size: tuple[int, int]) -> None:
    if sandbox.slave < 0:
        sandbox.master, sandbox.slave = terminal.open_pair(sandbox.devpts)
    if any(size):
        terminal.set_size(sandbox.master, *size)


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
            f"cannot make the working directory {path}: {error.strerror}"
        ) from error


def _enter_cwd(path: str) -> None:
    """chdir, and make sure that it led to a place inside (CVE-2024-21626)."""
    try:
        os.chdir(path)
    except OSError as error:
        raise ContainerError(
            f"cannot enter the working directory {path}: {error.strerror}"
        ) from error
    try:
        inside = os.getcwd().startswith("/")
    except FileNotFoundError:
        inside = False
    if not inside:
        raise ContainerError(f"the working directory {path} is outside the container")


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
    oom_score_adj = process["oom_score_adj"]
    if oom_score_adj is not None:
        _write_proc(f"{os.getpid()}/oom_score_adj", str(oom_score_adj))
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
            f"cannot become user {identity.uid}:{identity.gid}: {error.strerror}",
            hint="rootless containers have the ids that /etc/subuid gives the user",
        ) from error
    if identity.uid:
        # KEEPCAPS keeps the permitted set; the next steps need it effective.
        permitted = syscalls.capget()[1]
        syscalls.capset(permitted, permitted, 0)
    # A change of ids may have made memory readable again for others.
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
    os.umask(process["umask"])


def _limit(number: int, soft: int, hard: int) -> None:
    try:
        syscalls.setrlimit(number, soft, hard)
    except OSError as error:
        name = privileges.RLIMITS[number].lower()
        raise ContainerError(
            f"cannot set the limit {name}={soft}:{hard}: {error.strerror}",
            hint="a limit above the present one takes CAP_SYS_RESOURCE",
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
        raise NotExecutable(f"{name!r} is not executable: permission denied")
    raise CommandNotFound(
        f"{name!r} was not found in $PATH",
        hint=f"PATH is {environment['PATH']}",
    )


def _cannot_execute(path: str, name: str, error: OSError) -> ContainerError:
    if error.errno == errno.ENOENT:
        if os.path.exists(path):
            return CommandNotFound(
                f"{name!r} cannot start: its interpreter or loader does not exist",
                hint="see the first line of a script, or the libraries of a program",
            )
        return CommandNotFound(f"{name!r} does not exist in the container")
    if error.errno == errno.ENOTDIR:
        return CommandNotFound(f"{name!r} does not exist in the container")
    if error.errno == errno.ENOEXEC:
        return NotExecutable(
            f"{name!r} is not a program for this machine",
            hint="a script needs a first line such as #!/bin/sh; "
            "a program has to be built for this architecture",
        )
    if error.errno == errno.E2BIG:
        return NotExecutable(
            f"{name!r}: the arguments and the environment are too long"
        )
    return NotExecutable(f"{name!r} cannot be executed: {error.strerror}")
