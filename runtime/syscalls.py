"""The system calls that Python lacks, by ctypes; errno becomes a readable OSError.

Each function is its manual page's call with plain arguments (man section 2; the
mount calls by descriptor: fsopen(2), open_tree(2), move_mount(2), ...). Paths are
given to the kernel as they are; `dirfd` is AT_FDCWD where it is not given.
"""

from __future__ import annotations

import ctypes
import errno
import os
from struct import pack, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000

CLONE_NEWTIME = 0x80
CLONE_PIDFD = 0x1000
CLONE_PARENT = 0x8000
CLONE_NEWNS = 0x20000
CLONE_NEWCGROUP = 0x2000000
CLONE_NEWUTS = 0x4000000
CLONE_NEWIPC = 0x8000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_REC = 0x4000
MS_UNBINDABLE = 0x20000
MS_PRIVATE = 0x40000
MS_SLAVE = 0x80000
MS_SHARED = 0x100000
MNT_DETACH = 2

MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4
MOUNT_ATTR_NOEXEC = 0x8
MOUNT_ATTR_ATIME = 0x70
MOUNT_ATTR_NOATIME = 0x10
MOUNT_ATTR_STRICTATIME = 0x20
MOUNT_ATTR_NODIRATIME = 0x80
MOUNT_ATTR_IDMAP = 0x100000
MOUNT_ATTR_NOSYMFOLLOW = 0x200000

RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

SECCOMP_TSYNC, SECCOMP_LOG, SECCOMP_SPEC_ALLOW = 1, 2, 4
SECCOMP_NEW_LISTENER, SECCOMP_WAIT_KILLABLE_RECV = 8, 32

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_NAME = 15
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2

_X86_64 = os.uname().machine == "x86_64"

# The numbers from 424 on are the same on every architecture.
_MOUNT = 165 if _X86_64 else 40
_UMOUNT2 = 166 if _X86_64 else 39
_PIVOT_ROOT = 155 if _X86_64 else 41
_UNSHARE = 272 if _X86_64 else 97
_SETNS = 308 if _X86_64 else 268
_PRCTL = 157 if _X86_64 else 167
_CAPGET = 125 if _X86_64 else 90
_CAPSET = 126 if _X86_64 else 91
_SECCOMP = 317 if _X86_64 else 277
_KEYCTL = 250 if _X86_64 else 219
_SETHOSTNAME = 170 if _X86_64 else 161
_SETDOMAINNAME = 171 if _X86_64 else 162
_SYNCFS = 306 if _X86_64 else 267
_FSTATFS = 138 if _X86_64 else 44
_RT_SIGACTION = 13 if _X86_64 else 134
_PRLIMIT64 = 302 if _X86_64 else 261
_SCHED_SETATTR = 314 if _X86_64 else 274
_IOPRIO_SET = 251 if _X86_64 else 30
_PERSONALITY = 135 if _X86_64 else 92
_PIDFD_SEND_SIGNAL = 424
_OPEN_TREE = 428
_MOVE_MOUNT = 429
_FSOPEN = 430
_FSCONFIG = 431
_FSMOUNT = 432
_PIDFD_OPEN = 434
_CLONE3 = 435
_CLOSE_RANGE = 436
_OPENAT2 = 437
_MOUNT_SETATTR = 442

_CLOEXEC = 1
_OPEN_TREE_CLONE = 1
_MOVE_FROM_FD = 0x04
_MOVE_TO_FD = 0x40
_FSCONFIG_FLAG, _FSCONFIG_STRING, _FSCONFIG_CREATE = 0, 1, 6
_CLOSE_RANGE_CLOEXEC = 4
_SECCOMP_FILTER = 1
_KEYCTL_JOIN_SESSION_KEYRING = 1
_CAPABILITY_VERSION_3 = 0x20080522

# What errno means for a call where strerror's sentence would mislead.
_MEANINGS = {
    ("fsopen", errno.ENODEV): "the kernel does not know this file system",
    ("unshare", errno.ENOSPC): "the limit of namespaces is reached "
    "(/proc/sys/user/max_*_namespaces)",
    ("unshare", errno.EINVAL): "the process has threads, or the kernel lacks it",
    ("clone3", errno.ENOSPC): "the limit of namespaces is reached "
    "(/proc/sys/user/max_*_namespaces)",
    ("clone3", errno.EAGAIN): "the limit of processes is reached",
    ("setns", errno.EINVAL): "not a namespace that this process may join",
    ("move_mount", errno.ELOOP): "the target is a symbolic link",
    ("move_mount", errno.ENOTDIR): "a file cannot be mounted on a directory, "
    "nor a directory on a file",
    ("openat2", errno.ELOOP): "a symbolic link where none may be",
    ("openat2", errno.EXDEV): "the path leaves its root",
    ("openat2", errno.EAGAIN): "the path was moved while it was looked up",
    ("seccomp", errno.EINVAL): "the kernel refuses the filter",
    ("capset", errno.EPERM): "capabilities that this process does not have",
}

_library = ctypes.CDLL(None, use_errno=True)
_syscall = _library.syscall
_syscall.restype = ctypes.c_long
_syscall.argtypes = [ctypes.c_long] + [ctypes.c_void_p] * 6
# The same without letting go of the interpreter's lock: for a fork in one thread.
_syscall_locked = ctypes.PyDLL(None, use_errno=True).syscall
_syscall_locked.restype = ctypes.c_long
_syscall_locked.argtypes = [ctypes.c_long] + [ctypes.c_void_p] * 6

# As many as libpathrs has; each is some microseconds.
_RETRIES = 128

_Pointer = bytes | int | None
_PADDING = (0,) * 6


def _call(name: str, number: int, *arguments: _Pointer) -> int:
    result: int = _syscall(number, *arguments, *_PADDING[len(arguments) :])
    if result < 0:
        _fail(name)
    return result


def _fail(name: str, subject: str = "") -> NoReturn:
    number = ctypes.get_errno()
    meaning = _MEANINGS.get((name, number)) or os.strerror(number)
    raise OSError(number, f"{name}: {meaning}", subject or None)


def _path(path: str | bytes) -> bytes:
    return os.fsencode(path)


def unshare(flags: int) -> None:
    """Leave the namespaces named by `flags` for new ones (unshare(2))."""
    _call("unshare", _UNSHARE, flags)


def setns(fd: int, flags: int) -> None:
    """Join a namespace, or with a pidfd all namespaces in `flags` of that process."""
    _call("setns", _SETNS, fd, flags)


def clone3(flags: int, exit_signal: int, cgroup: int = -1) -> tuple[int, int]:
    """Fork into new namespaces: (0, -1) in the child, (pid, pidfd) in the parent.

    Only for a process with one thread: Python's own fork handlers do not run.
    `cgroup` is a cgroup v2 directory for the child to be born in.
    """
    pidfd = ctypes.c_int(-1)
    flags |= CLONE_PIDFD
    if cgroup >= 0:
        flags |= 0x200000000  # CLONE_INTO_CGROUP
    arguments = pack(
        "11Q",
        *(flags, ctypes.addressof(pidfd), 0, 0, exit_signal),
        *(0, 0, 0, 0, 0, max(cgroup, 0)),
    )
    pid: int = _syscall_locked(_CLONE3, arguments, len(arguments), 0, 0, 0, 0)
    if pid < 0:
        _fail("clone3")
    return (pid, pidfd.value) if pid else (0, -1)


def pidfd_open(pid: int) -> int:
    """A descriptor of the process that has this pid now."""
    return _call("pidfd_open", _PIDFD_OPEN, pid, 0)


def pidfd_send_signal(pidfd: int, signal: int) -> None:
    """Signal exactly that process; ProcessLookupError once it is gone."""
    _call("pidfd_send_signal", _PIDFD_SEND_SIGNAL, pidfd, signal, None, 0)


def mount(source: str, target: str, kind: str, flags: int, data: bytes = b"") -> None:
    """The old call by path; `data` is at most a page."""
    _call(
        "mount",
        _MOUNT,
        *(_path(source), _path(target), _path(kind), flags, data + b"\0"),
    )


def umount2(target: str, flags: int) -> None:
    _call("umount2", _UMOUNT2, _path(target), flags)


def pivot_root(new_root: str, put_old: str) -> None:
    _call("pivot_root", _PIVOT_ROOT, _path(new_root), _path(put_old))


def fsopen(kind: str) -> int:
    """A context in which to configure a new file system."""
    return _call("fsopen", _FSOPEN, _path(kind), _CLOEXEC)


def fsconfig_string(fd: int, key: str, value: str) -> None:
    """Set `key`; the kernel takes values up to 255 bytes."""
    data = _path(value) + b"\0"
    result = _syscall(_FSCONFIG, fd, _FSCONFIG_STRING, key.encode() + b"\0", data, 0, 0)
    if result < 0:
        _explain(fd, f"{key}={value}")


def fsconfig_flag(fd: int, key: str) -> None:
    if _syscall(_FSCONFIG, fd, _FSCONFIG_FLAG, key.encode() + b"\0", 0, 0, 0) < 0:
        _explain(fd, key)


def fsmount(fd: int, attributes: int = 0) -> int:
    """Create the configured file system: a detached mount, gone with its last fd."""
    if _syscall(_FSCONFIG, fd, _FSCONFIG_CREATE, 0, 0, 0, 0) < 0:
        _explain(fd, "")
    return _call("fsmount", _FSMOUNT, fd, _CLOEXEC, attributes)


def _explain(fd: int, subject: str) -> None:
    """Raise with what the file system wrote to its context's log (fsopen(2))."""
    number = ctypes.get_errno()
    lines = []
    try:
        while True:
            lines.append(os.read(fd, 1024)[2:].decode(errors="replace").strip())
    except OSError:
        pass  # ENODATA: no more messages
    text = "; ".join(lines) or os.strerror(number)
    raise OSError(number, f"mount: {text}", subject or None)


def open_tree(path: str | int, recursive: bool = True) -> int:
    """A detached copy (bind mount) of what is at `path` or under an O_PATH fd."""
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC | (AT_RECURSIVE if recursive else 0)
    if isinstance(path, int):
        return _call("open_tree", _OPEN_TREE, path, b"\0", flags | AT_EMPTY_PATH)
    return _call("open_tree", _OPEN_TREE, AT_FDCWD, _path(path), flags)


def move_mount(mount_fd: int, target_fd: int) -> None:
    """Attach a (detached or attached) mount on what `target_fd` is open on."""
    flags = _MOVE_FROM_FD | _MOVE_TO_FD
    _call("move_mount", _MOVE_MOUNT, mount_fd, b"\0", target_fd, b"\0", flags)


def mount_setattr(
    fd: int,
    set_: int,
    clear: int = 0,
    propagation: int = 0,
    recursive: bool = False,
    userns: int = 0,
) -> None:
    """Change the attributes of the mount that `fd` is the root of (or of a tree).

    `userns` is a user namespace's descriptor, for MOUNT_ATTR_IDMAP.
    """
    attributes = pack("4Q", set_, clear, propagation, userns)
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    _call("mount_setattr", _MOUNT_SETATTR, fd, b"\0", flags, attributes, 32)


def openat2(
    path: str | bytes, flags: int, resolve: int, dirfd: int = AT_FDCWD, mode: int = 0
) -> int:
    """open(2) with limits on where and how the path may lead (openat2(2))."""
    how = pack("3Q", flags | os.O_CLOEXEC, mode, resolve)
    name = _path(path) + b"\0"
    for _ in range(_RETRIES):
        result: int = _syscall(_OPENAT2, dirfd, name, how, 24, 0, 0)
        if result >= 0:
            return result
        # A rename or mount anywhere while it passed a "..": not sure, so again.
        if ctypes.get_errno() != errno.EAGAIN:
            break
    _fail("openat2", os.fsdecode(path))


def close_range(first: int, last: int = 0x7FFFFFFF, cloexec: bool = False) -> None:
    """Close (or mark close-on-exec) every descriptor from `first` to `last`."""
    flags = _CLOSE_RANGE_CLOEXEC if cloexec else 0
    _call("close_range", _CLOSE_RANGE, first, last, flags)


def prctl(option: int, a: int = 0, b: int = 0) -> int:
    return _call("prctl", _PRCTL, option, a, b)


def set_name(name: str) -> None:
    """What ps(1) shows as this process's command, at most 15 bytes."""
    _call("prctl", _PRCTL, PR_SET_NAME, name.encode()[:15] + b"\0")


def capget() -> tuple[int, int, int]:
    """Own (effective, permitted, inheritable) capabilities as bit sets."""
    header = pack("II", _CAPABILITY_VERSION_3, 0)
    data = ctypes.create_string_buffer(24)
    _call("capget", _CAPGET, header, ctypes.addressof(data))
    low_e, low_p, low_i, high_e, high_p, high_i = unpack("6I", data.raw)
    return (low_e | high_e << 32, low_p | high_p << 32, low_i | high_i << 32)


def capset(effective: int, permitted: int, inheritable: int) -> None:
    low, high = 0xFFFFFFFF, 32
    data = pack(
        "6I",
        *(effective & low, permitted & low, inheritable & low),
        *(effective >> high, permitted >> high, inheritable >> high),
    )
    _call("capset", _CAPSET, pack("II", _CAPABILITY_VERSION_3, 0), data)


def seccomp(bpf: bytes, flags: int = SECCOMP_SPEC_ALLOW) -> int:
    """Load a filter: struct sock_filter's, 8 bytes each. Needs no_new_privs or root.

    `flags`: SECCOMP_*, here and in seccomp(2); with SECCOMP_NEW_LISTENER the result is
    a descriptor.
    """
    program = ctypes.create_string_buffer(bpf, len(bpf))
    header = pack("@HP", len(bpf) // 8, ctypes.addressof(program))
    return _call("seccomp", _SECCOMP, _SECCOMP_FILTER, flags, header)


def join_session_keyring() -> None:
    """A fresh, empty session keyring for this process and its children."""
    _call("keyctl", _KEYCTL, _KEYCTL_JOIN_SESSION_KEYRING, None)


def sethostname(name: bytes) -> None:
    _call("sethostname", _SETHOSTNAME, name, len(name))


def setdomainname(name: bytes) -> None:
    _call("setdomainname", _SETDOMAINNAME, name, len(name))


def setrlimit(number: int, soft: int, hard: int) -> None:
    """Set own limit; -1 is no limit (RLIM_INFINITY)."""
    limit = pack("2Q", soft & 2**64 - 1, hard & 2**64 - 1)
    _call("setrlimit", _PRLIMIT64, 0, number, limit, None)


def sched_setattr(attributes: bytes) -> None:
    """Set own scheduling policy: a struct sched_attr of 48 bytes (sched_setattr(2))."""
    _call("sched_setattr", _SCHED_SETATTR, 0, attributes, 0)


def ioprio_set(priority: int) -> None:
    """Set own I/O class and priority: class << 13 | data (ioprio_set(2))."""
    _call("ioprio_set", _IOPRIO_SET, 1, 0, priority)


def personality(domain: int) -> None:
    """Set own execution domain: 0 PER_LINUX, 8 PER_LINUX32 (personality(2))."""
    _call("personality", _PERSONALITY, domain)


def default_signal(number: int) -> None:
    """Undo that a signal is ignored, which would last across execve.

    The C library refuses its own two (32, 33) and posix_spawn leaves them ignored.
    """
    _call("rt_sigaction", _RT_SIGACTION, number, bytes(32), None, 8)


def syncfs(fd: int) -> None:
    """Write out the file system that `fd` lies on."""
    _call("syncfs", _SYNCFS, fd)


def filesystem(fd: int) -> int:
    """The magic number of the file system that `fd` lies on (statfs(2), f_type)."""
    buffer = ctypes.create_string_buffer(256)
    _call("fstatfs", _FSTATFS, fd, ctypes.addressof(buffer))
    return int.from_bytes(buffer.raw[:8], "little")
