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
from struct import pack

from lamina.runtime import syscalls
from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation import privileges, terminal
from lamina.runtime.isolation.assembly import Assembly
from lamina.runtime.isolation.execution import execute
from lamina.runtime.isolation.operations import Operation
from lamina.runtime.isolation.snapshot import Snapshot, mount
from lamina.runtime.isolation.stage import write_proc
from lamina.runtime.isolation.sysctls import check_sysctl
from lamina.runtime.isolation.users import Identity, numeric_identity, resolve_user

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

# Linux ioctls on network devices: bits/ioctls.h, net/if.h.
_SIOCSIFFLAGS, _IFF_UP_RUNNING = 0x8914, 0x41


def prepare(assembly: Assembly, early: dict[str, Any]) -> None:
    """What a container has before it has a root; `early` is shared by many."""
    os.setsid()
    os.umask(0)
    if early["new"] & syscalls.CLONE_NEWNET:
        _loopback_up()
    if early["hostname"]:
        syscalls.sethostname(early["hostname"].encode())
    if early["domainname"]:
        syscalls.setdomainname(early["domainname"].encode())
    assembly.mark("names")
    assembly.host_pids = not early["own"] & syscalls.CLONE_NEWPID
    for fields in early["operations"]:
        operation = Operation(*fields)
        if early["own_cgroup"] and operation.type in ("cgroup", "cgroup2"):
            assembly.deferred.append(operation)
        else:
            assembly.perform(operation)
    assembly.mark("proc, dev, sys")
    if early["sysctl"]:
        set_sysctls(early["sysctl"], early["own"])
    assembly.cgroups.by_namespace = bool(early["new"] & syscalls.CLONE_NEWCGROUP)
    privileges.bound(early["capabilities"])
    assembly.mark("bounding set")


def finish(assembly: Assembly, late: dict[str, Any], fds: list[int]) -> NoReturn:
    """Enter the root and execute: returns by an exception or not at all.

    `fds`: the files of cgroups to join, [the root's mount], the mounts to bind.
    """
    assembly.mark("request")
    process = late["process"]
    cgroups, mount_fds = fds[: late["cgroups"]], fds[late["cgroups"] :]
    if cgroups:
        assembly.cgroups.join(cgroups)
        # Now they show this cgroup as the root.
        for operation in assembly.deferred:
            assembly.perform(operation)
        assembly.mark("cgroup")
    root = mount_fds.pop(0) if late["root"] is None else mount(Snapshot(*late["root"]))
    stage = assembly.root
    flags = os.O_PATH | os.O_CLOEXEC
    place = os.open(assembly.site or "root", flags, dir_fd=stage)
    syscalls.move_mount(root, place)
    assembly.mark("root")
    assembly.root, assembly.strict = root, False
    assembly.folders.clear()
    assembly.created.clear()  # the mount points in /dev were in a /dev of our own
    assembly.mount_fds = mount_fds
    for fields in late["operations"]:
        assembly.perform(Operation(*fields))
    assembly.mark("mounts")
    identity = _identity(root, process)
    if assembly.assembled is not None:
        assembly.assembled()
    _enter(root)
    if assembly.entered is not None:
        assembly.entered()
    assembly.mark("pivot")
    if process["terminal"]:
        _open_terminal(assembly, process["console_size"])
    execute(assembly, process, identity, late["bpf"])


def _identity(root: int, process: dict[str, Any]) -> Identity:
    if process["ids"] is not None:
        uid, gid = process["ids"]
        return numeric_identity(root, uid, gid, process["groups"])
    return resolve_user(root, process["user"], process["groups"])


def join(
    report: int,
    process: dict[str, Any],
    bpf: bytes,
    preserved: int = 0,
    arrange: Callable[[Assembly], None] | None = None,
) -> NoReturn:
    """Execute one more process in a container whose namespaces this one has joined.

    `preserved`: so many descriptors from 3 on go with it. `arrange`: sets what is
    particular to it.
    """
    assembly = Assembly("/")
    assembly.preserved = preserved
    assembly.joined = True
    assembly.report = report
    if arrange is not None:
        arrange(assembly)
    if process["terminal"]:
        flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        assembly.devpts = os.open("/dev/pts", flags)
        _open_terminal(assembly, process["console_size"])
    identity = _identity(assembly.root, process)
    execute(assembly, process, identity, bpf)


def _loopback_up() -> None:
    control = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
    request = pack("16sh22x", b"lo", _IFF_UP_RUNNING)
    fcntl.ioctl(control.fileno(), _SIOCSIFFLAGS, request)
    control.close()


def set_sysctls(sysctl: dict[str, str], own: int) -> None:
    """`own`: the flags of the namespaces that are not the keeper's."""
    host_network = not own & syscalls.CLONE_NEWNET
    host_ipc = not own & syscalls.CLONE_NEWIPC
    for name, text in sysctl.items():
        check_sysctl(name, host_network, host_ipc)
        try:
            write_proc("sys/" + name.replace(".", "/"), text)
        except OSError as error:
            # The range holds group ids; not all of them exist in a namespace.
            if name == "net.ipv4.ping_group_range" and error.errno == errno.EINVAL:
                continue
            raise ContainerError(
                f"Cannot set the sysctl {name}={text}: {error.strerror}."
            ) from error


def _enter(root: int) -> None:
    """Make `root` this process's / and let go of everything outside it."""
    os.fchdir(root)
    syscalls.pivot_root(".", ".")
    syscalls.umount2(".", syscalls.MNT_DETACH)
    os.chdir("/")


def _open_terminal(assembly: Assembly, size: tuple[int, int]) -> None:
    if assembly.slave < 0:
        assembly.master, assembly.slave = terminal.open_pair(assembly.devpts)
    if any(size):
        terminal.set_size(assembly.master, *size)
