"""The mount plan carried out, in the child: mounts.py says what, this does it.

Everything is done on descriptors that were opened below the root once; nothing is
looked up by a path of the host but the stage and the host's device nodes.
"""

from __future__ import annotations

import errno
import os
import stat
from time import monotonic_ns

from lamina.runtime import syscalls, terminal
from lamina.runtime.errors import ContainerError
from lamina.runtime.paths import Created, ensure, open_in_root, open_plain
from lamina.runtime.snapshot import needs_user_xattr
from lamina.runtime.stage import STAGE, attach, new_file_system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NULL = os.makedev(1, 3)


class Assembly:
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
        self.deferred: list[tuple[Any, ...]] = []
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


def _mount(assembly: Assembly, operation: tuple[Any, ...]) -> None:
    _, target, kind, _, options, attributes, _ = operation
    if kind == "cgroup":
        fd, controllers = _cgroup_root(assembly)
    elif kind == "sysfs":
        fd, controllers = _sysfs(), ()
    elif kind == "devpts":
        fd, controllers = _devpts(options), ()
    else:
        fd, controllers = new_file_system(kind, options), ()
    try:
        place = assembly.place(target, True)
        syscalls.move_mount(fd, place)
        os.close(place)
        for controller in controllers:
            _mount_controller(fd, controller)
        if attributes:
            # The access time attributes are one field: to set one clears all.
            clear = attributes & syscalls.MOUNT_ATTR_ATIME and syscalls.MOUNT_ATTR_ATIME
            syscalls.mount_setattr(fd, attributes, clear, recursive=True)
        if target == "/dev/pts":
            assembly.devpts = os.dup(fd)
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


def _cgroup_root(assembly: Assembly) -> tuple[int, tuple[str, ...]]:
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
    if not assembly.own_cgroup:
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


def _bind(assembly: Assembly, operation: tuple[Any, ...]) -> None:
    fd = assembly.mount_fds[operation[6]]
    directory = stat.S_ISDIR(os.fstat(fd).st_mode)
    place = assembly.place(operation[1], directory)
    try:
        if stat.S_ISDIR(os.fstat(place).st_mode) != directory:
            kinds = ("directory", "file") if directory else ("file", "directory")
            raise ContainerError(
                f"cannot mount a {kinds[0]} on {operation[1]}, which is a {kinds[1]}"
            )
        syscalls.move_mount(fd, place)
    finally:
        os.close(place)


def _node(assembly: Assembly, operation: tuple[Any, ...]) -> None:
    """A device node; in a user namespace, which may make none, the host's."""
    path = operation[1].lstrip("/")
    parent, _, _ = path.rpartition("/")
    if parent != "dev":
        os.close(assembly.place(f"/{parent}", True))
    _make_node(assembly, operation, path)
    if path == "dev/null":
        assembly.null = open_plain(assembly.root, path)


def _make_node(assembly: Assembly, operation: tuple[Any, ...], path: str) -> None:
    (_, device), (_, mode), (_, owner) = operation[4]
    if needs_user_xattr():
        tree = syscalls.open_tree(operation[1], recursive=False)
        attach(tree, assembly.place(operation[1], False))
        return
    kind, _, numbers = device.partition(" ")
    major, _, minor = numbers.partition(":")
    type_ = stat.S_IFBLK if kind == "b" else stat.S_IFCHR
    number = os.makedev(int(major), int(minor))
    os.mknod(path, type_ | int(mode, 8), number, dir_fd=assembly.root)
    uid, _, gid = owner.partition(":")
    if owner != "0:0":
        os.chown(path, int(uid), int(gid), dir_fd=assembly.root, follow_symlinks=False)


def _link(assembly: Assembly, operation: tuple[Any, ...]) -> None:
    os.symlink(operation[3], operation[1].lstrip("/"), dir_fd=assembly.root)


def _adopt(assembly: Assembly, operation: tuple[Any, ...]) -> None:
    """Move /proc, /dev or /sys from the stage into the root.

    The image's must be a real directory, or nothing: a link there would lead what
    is written to /proc elsewhere (CVE-2019-19921, CVE-2023-27561).
    """
    target = operation[1]
    try:
        place = open_plain(assembly.root, target)
    except FileNotFoundError:
        place = assembly.place(target, True)
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


def _console(assembly: Assembly, operation: tuple[Any, ...]) -> None:
    if assembly.devpts < 0:
        raise ContainerError("a terminal needs a devpts mounted on /dev/pts")
    assembly.master, assembly.slave = terminal.open_pair(assembly.devpts)
    tree = syscalls.open_tree(assembly.slave, recursive=False)
    attach(tree, assembly.place(operation[1], False))


def _mask(assembly: Assembly, operation: tuple[Any, ...]) -> None:
    """Cover a directory with nothing, a file with /dev/null (CVE-2025-31133)."""
    place = assembly.existing(operation[1])
    if place < 0:
        return
    if stat.S_ISDIR(os.fstat(place).st_mode):
        attach(_empty(), place)
        return
    if assembly.null < 0:
        assembly.null = os.open("/dev/null", os.O_PATH | os.O_CLOEXEC)
    assert os.fstat(assembly.null).st_rdev == _NULL, "/dev/null is something else"
    tree = syscalls.open_tree(assembly.null, recursive=False)
    # Otherwise chmod of the masked file would be chmod of the device's node.
    syscalls.mount_setattr(tree, syscalls.MOUNT_ATTR_RDONLY)
    attach(tree, place)


def _readonly(assembly: Assembly, operation: tuple[Any, ...]) -> None:
    if operation[1] == "/":
        syscalls.mount_setattr(assembly.root, syscalls.MOUNT_ATTR_RDONLY)
        return
    place = assembly.existing(operation[1])
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
