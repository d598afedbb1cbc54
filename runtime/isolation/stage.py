"""The stage: the private place where a zygote's containers are put together.

A zygote has a mount namespace of its own with only what containers need of the
host, and on /sys a small tmpfs, the stage:

    root   where a container's root is attached before it becomes /
    proc dev sys   where those three are built, before the root is known
    empty  an empty read-only file system, over directories that are masked
    scratch   where mount(2) puts what the newer calls cannot make
    host   the host's /sys, for user namespaces that may not mount their own

Every container begins with a copy of this namespace, so what is in it twice or
needlessly is paid for by each of them.
"""

from __future__ import annotations

import os

from lamina.runtime import syscalls
from lamina.runtime.isolation.snapshot import needs_user_xattr
from lamina.runtime.paths import open_plain

STAGE = "/sys"
TREES = ("proc", "dev", "sys")

# Bytes of a value that fsconfig(2) takes.
_LONGEST = 255


def set_the_stage(keep: tuple[str, ...]) -> None:
    """Leave the host's mount namespace; of its mounts keep those of the `keep` paths.

    Without `keep`, or where the kernel has locked the mounts together (in a user
    namespace), all of them stay.
    """
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
    if keep:
        try:
            _prune(keep)
        except PermissionError:
            raise
        except OSError:
            pass  # EINVAL: locked; a copy of everything is only slower
    build_stage()


def leave_the_host() -> None:
    """Have a copy of the host's mounts that follows the host, and not vice versa."""
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("", "/", "", syscalls.MS_REC | syscalls.MS_SLAVE)


def build_stage() -> None:
    """Put the stage in its place, in a mount namespace that is this process's own."""
    host = syscalls.open_tree(STAGE) if needs_user_xattr() else -1
    stage = new_file_system("tmpfs", (("mode", "700"), ("size", "64k")))
    for name in ("root", "empty", "host", "scratch", *TREES):
        os.mkdir(name, 0o755, dir_fd=stage)
    attach(stage, os.open(STAGE, os.O_PATH | os.O_CLOEXEC))
    empty = new_file_system("tmpfs", (("mode", "755"), ("ro", "")), read_only=True)
    attach(empty, os.open(f"{STAGE}/empty", os.O_PATH | os.O_CLOEXEC))
    if host >= 0:
        attach(host, os.open(f"{STAGE}/host", os.O_PATH | os.O_CLOEXEC))


def new_file_system(
    kind: str,
    options: tuple[tuple[str, str], ...] = (),
    read_only: bool = False,
    source: str = "",
) -> int:
    """A detached mount of a new file system; an option without a value is a flag."""
    if any(len(text) > _LONGEST for _, text in options):
        return _mounted_by_path(kind, options, source)
    attributes = syscalls.MOUNT_ATTR_RDONLY if read_only else 0
    context = syscalls.fsopen(kind)
    try:
        syscalls.fsconfig_string(context, "source", source or kind)
        for key, text in options:
            if text:
                syscalls.fsconfig_string(context, key, text)
            else:
                syscalls.fsconfig_flag(context, key)
        return syscalls.fsmount(context, attributes)
    finally:
        os.close(context)


def _mounted_by_path(
    kind: str, options: tuple[tuple[str, str], ...], source: str
) -> int:
    """The same for a value that is too long for fsconfig(2), as an overlay's can be."""
    words = (f"{key}={text}" if text else key for key, text in options)
    place = f"{STAGE}/scratch"
    syscalls.mount(source or kind, place, kind, 0, ",".join(words).encode())
    try:
        return syscalls.open_tree(place, recursive=False)
    finally:
        syscalls.umount2(place, syscalls.MNT_DETACH)


def proc_of_host(options: tuple[tuple[str, str], ...] = ()) -> int:
    """A procfs for the host's pid namespace, which is that of this process.

    A user namespace may not mount one for processes that are not its own: there it is
    a view of the host's.
    """
    try:
        return new_file_system("proc", options)
    except PermissionError:
        if not needs_user_xattr():
            raise
        return syscalls.open_tree("/proc", recursive=True)


def write_proc(path: str, text: str) -> None:
    """Write through a procfs of our own, which nobody else can have arranged."""
    proc = proc_of_host()
    try:
        fd = open_plain(proc, path, os.O_WRONLY)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)
    finally:
        os.close(proc)


def empty() -> int:
    """A view of the empty file system."""
    return syscalls.open_tree(f"{STAGE}/empty", recursive=False)


def attach(mount: int, target: int) -> None:
    """Attach a mount and close both descriptors."""
    try:
        syscalls.move_mount(mount, target)
    finally:
        os.close(mount)
        os.close(target)


def _prune(keep: tuple[str, ...]) -> None:
    """Change to a root that has only /, /proc, /sys, /dev and what holds `keep`.

    Everything else goes with one detached umount, however many mounts there were.
    """
    root = syscalls.open_tree("/", recursive=False)
    wanted = ["/proc", "/sys", "/dev", *_mounts_of(keep)]
    trees = [(path, syscalls.open_tree(path, recursive=False)) for path in wanted]
    attach(os.dup(root), os.open("/proc", os.O_PATH | os.O_CLOEXEC))
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    for path, tree in trees:
        attach(tree, os.open(path.lstrip("/"), flags, dir_fd=root))
    os.fchdir(root)
    os.close(root)
    syscalls.pivot_root(".", ".")
    syscalls.umount2(".", syscalls.MNT_DETACH)
    os.chdir("/")


def _mounts_of(keep: tuple[str, ...]) -> list[str]:
    """The mount points that the paths lie on or that lie below them, parents first."""
    points: list[str] = []
    paths = [os.path.realpath(path) for path in keep]
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as f:
        for line in f:
            point = _unescape(line.split(" ", 5)[4])
            if point in ("/", "/proc", "/sys", "/dev"):
                continue
            if any(_within(path, point) or _within(point, path) for path in paths):
                points.append(point)
    return sorted(set(points))


def _within(path: str, top: str) -> bool:
    return path == top or path.startswith(top.rstrip("/") + "/")


def _unescape(text: str) -> str:
    """Undo the octal escapes of /proc/self/mountinfo."""
    for code, character in (("040", " "), ("011", "\t"), ("012", "\n"), ("134", "\\")):
        text = text.replace(f"\\{code}", character)
    return text
