"""The mount plan carried out, in the child: mounts.py says what, this does it.

Everything is done on descriptors that were opened below the root once; nothing is
looked up by a path of the host but the stage and the host's device nodes.
"""

from __future__ import annotations

import errno
import os
import stat
from time import monotonic_ns

from lamina.runtime import syscalls
from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation import terminal
from lamina.runtime.isolation.copy_up import copy_tree
from lamina.runtime.isolation.snapshot import needs_user_xattr
from lamina.runtime.isolation.stage import (
    STAGE,
    attach,
    new_file_system,
    proc_of_host,
)
from lamina.runtime.paths import Created, ensure, open_in_root, open_plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
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
        # Directories in `root` that were opened, by their paths.
        self.folders: dict[str, int] = {}
        self.devpts = -1
        self.null = -1
        self.master = -1
        self.slave = -1
        self.marks: list[tuple[str, int]] = []
        # Whether its pid namespace is the keeper's, which is the host's.
        self.host_pids = False
        self.own_cgroup = False
        # Whether a cgroup namespace makes its own cgroup the root of what is seen.
        self.own_cgroup_view = True
        # The hierarchies in which it has one of its own, each with the path to it.
        self.cgroups_joined: tuple[tuple[str, str], ...] = ()
        # The lines of /proc/self/cgroup before it was put into the first.
        self.cgroups_before: list[str] = []
        self.deferred: list[tuple[Any, ...]] = []
        self.joined = False
        # Without a cgroup namespace, of a bundle: its own cgroups as (name, mount).
        self.cgroup_trees: tuple[tuple[str, int], ...] = ()
        # Further descriptors that the command inherits: this many from 3 on.
        self.preserved = 0
        # Called when all is ready but the command: it gives the socket that hears of
        # what goes wrong from then on.
        self.gate: Callable[[], int] | None = None
        # Called under the filter, right before the command.
        self.before_command: Callable[[], None] | None = None
        # Called when the root is complete and not yet entered.
        self.assembled: Callable[[], None] | None = None
        # Called when the root is entered; `root` is open still.
        self.entered: Callable[[], None] | None = None
        # Where on the host the root is attached; the stage has a place of its own.
        self.site = ""
        self.seccomp_flags = syscalls.SECCOMP_SPEC_ALLOW
        # Called under the filter with its descriptor, where the flags ask for one;
        # `listener` is what it needs of descriptors.
        self.filter_loaded: Callable[[int], None] | None = None
        self.listener = -1
        # What `gate` needs of descriptors.
        self.kept: tuple[int, ...] = ()

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
                f"Cannot {_WORDS.get(verb, verb)}{kind} {target}: {error.strerror}.",
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
    _, target, kind, source, options, attributes, _, propagation, copies_up = operation
    controllers: tuple[tuple[str, str], ...] = ()
    if kind == "cgroup":
        fd, controllers = _cgroup_root(assembly)
    else:
        fd = _new_tree(assembly, kind, options, source)
    try:
        known = len(assembly.created)
        place = assembly.place(target, True)
        if copies_up and len(assembly.created) == known:
            copy_tree(place, fd)
        syscalls.move_mount(fd, place)
        os.close(place)
        if propagation:
            syscalls.mount_setattr(fd, 0, propagation=propagation)
        for controller, path in controllers:
            _mount_controller(fd, controller, path)
        if kind == "cgroup":
            _bind_controllers(fd, assembly.cgroup_trees)
        if attributes:
            # The access time attributes are one field: to set one clears all.
            clear = attributes & syscalls.MOUNT_ATTR_ATIME and syscalls.MOUNT_ATTR_ATIME
            syscalls.mount_setattr(fd, attributes, clear, recursive=True)
        if target == "/dev/pts":
            assembly.devpts = os.dup(fd)
    finally:
        os.close(fd)


def _new_tree(
    assembly: Assembly, kind: str, options: tuple[tuple[str, str], ...], source: str
) -> int:
    """A detached mount of a file system."""
    if kind == "sysfs":
        return _sysfs()
    if kind == "proc" and assembly.host_pids:
        return proc_of_host(options)
    if kind == "devpts":
        return _devpts(options)
    return new_file_system(kind, options, source=source)


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


def _cgroup_root(assembly: Assembly) -> tuple[int, tuple[tuple[str, str], ...]]:
    """What goes on /sys/fs/cgroup, and the v1 controllers to mount inside, each with
    the path to show of it.

    It shows the container's own cgroup as the root, by its cgroup namespace. With v1
    only a container that has limits of its own sees them, and no others' cgroups.
    """
    if assembly.cgroup_trees:
        if assembly.cgroup_trees[0][0] == "":
            return os.dup(assembly.cgroup_trees[0][1]), ()
        return new_file_system("tmpfs", (("mode", "755"), ("size", "64k"))), ()
    rows = [line.split(":", 2)[1:] for line in read_cgroups()]
    if [name for name, _ in rows] == [""]:
        try:
            return new_file_system("cgroup2"), ()
        except PermissionError:
            tree = -1 if assembly.own_cgroup_view else _host_cgroups("")
            return (tree if tree >= 0 else _empty()), ()
    if not assembly.own_cgroup:
        return _empty(), ()
    # In the others it is where everybody is: the host's root, with all that is below.
    shown = tuple(
        (name, "/" if assembly.own_cgroup_view else path)
        for name, path in assembly.cgroups_joined
    )
    return new_file_system("tmpfs", (("mode", "755"), ("size", "64k"))), shown


def read_cgroups() -> list[str]:
    """The lines of /proc/self/cgroup: `ID:CONTROLLERS:PATH`."""
    with open("/proc/self/cgroup", "rb") as file:
        return file.read().decode().splitlines()


def _mount_controller(base: int, controller: str, path: str) -> None:
    """Mount a cgroup v1 hierarchy (`memory`, `cpu,cpuacct`, `name=systemd`), and over
    it what lies at `path` in it."""
    directory = controller.removeprefix("name=") or "unified"
    os.mkdir(directory, 0o755, dir_fd=base)
    try:
        tree = _hierarchy(controller, directory)
    except PermissionError:
        # Without a cgroup namespace, in a user namespace: from the host's, if there.
        tree, path = _host_cgroups(f"/{directory}{path}".rstrip("/")), "/"
        if tree < 0:
            return
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    attach(tree, os.open(directory, flags, dir_fd=base))
    if path != "/":
        own = open_plain(base, f"{directory}{path}")
        attach(
            syscalls.open_tree(own, recursive=False),
            os.open(directory, flags, dir_fd=base),
        )
        os.close(own)


def _hierarchy(controller: str, name: str) -> int:
    if not controller:
        return new_file_system("cgroup2")
    if controller.startswith("name="):
        return new_file_system("cgroup", (("none", ""), ("name", name)))
    return new_file_system("cgroup", tuple((c, "") for c in controller.split(",")))


def _host_cgroups(path: str) -> int:
    """A view of what lies there in the host's cgroups; -1 where that is not to be had.

    Only a user namespace has a way to the host's /sys on its stage.
    """
    try:
        return syscalls.open_tree(f"{STAGE}/host/fs/cgroup{path}", recursive=False)
    except OSError:
        return -1


def _bind_controllers(base: int, trees: tuple[tuple[str, int], ...]) -> None:
    """Put its own cgroup of each v1 hierarchy where the host has the hierarchy."""
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    for name, tree in trees:
        if name:
            os.mkdir(name, 0o755, dir_fd=base)
            attach(tree, os.open(name, flags, dir_fd=base))
            for word in name.split(",") if "," in name else ():
                os.symlink(name, word, dir_fd=base)


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
                f"Cannot mount a {kinds[0]} on {operation[1]}, which is a {kinds[1]}."
            )
        syscalls.move_mount(fd, place)
    finally:
        os.close(place)


def _node(assembly: Assembly, operation: tuple[Any, ...]) -> None:
    """A device node; in a user namespace, which may make none, the host's."""
    path = operation[1].lstrip("/")
    parent, name = _parent(assembly, path)
    _make_node(assembly, operation, parent, name)
    if path == "dev/null":
        assembly.null = open_plain(parent, name)


def _parent(assembly: Assembly, path: str) -> tuple[int, str]:
    """The directory of `path` by descriptor, made where it is missing, and the name.

    The descriptor is kept for the next one: there are many in /dev.
    """
    folder, _, name = path.rpartition("/")
    if folder not in assembly.folders:
        assembly.folders[folder] = assembly.place(f"/{folder}", True)
    return assembly.folders[folder], name


def _make_node(
    assembly: Assembly, operation: tuple[Any, ...], parent: int, name: str
) -> None:
    (_, device), (_, mode), (_, owner) = operation[4]
    if needs_user_xattr():
        tree = syscalls.open_tree(operation[3] or operation[1], recursive=False)
        attach(tree, assembly.place(operation[1], False))
        return
    kind, _, numbers = device.partition(" ")
    major, _, minor = numbers.partition(":")
    if kind == "p":
        type_, number = stat.S_IFIFO, 0
    else:
        type_ = stat.S_IFBLK if kind == "b" else stat.S_IFCHR
        number = os.makedev(int(major), int(minor))
    try:
        os.mknod(name, type_ | int(mode, 8), number, dir_fd=parent)
    except FileExistsError:
        # A root that brings its own /dev may have it.
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if stat.S_IFMT(status.st_mode) != type_ or status.st_rdev != number:
            raise
        return
    uid, _, gid = owner.partition(":")
    if owner != "0:0":
        os.chown(name, int(uid), int(gid), dir_fd=parent, follow_symlinks=False)


def _link(assembly: Assembly, operation: tuple[Any, ...]) -> None:
    parent, name = _parent(assembly, operation[1].lstrip("/"))
    try:
        os.symlink(operation[3], name, dir_fd=parent)
    except FileExistsError:
        if assembly.strict:
            raise
        # The root's own /dev: what is there is left.


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
            f"The image's {target} is not a directory.",
            hint="it has to be one, and no link to one, for the kernel's files",
        )
    tree = os.open(STAGE + target, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    attach(tree, place)


def _console(assembly: Assembly, operation: tuple[Any, ...]) -> None:
    if assembly.devpts < 0:
        raise ContainerError("A terminal needs a devpts mounted on /dev/pts.")
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


# For errors, where the verb alone is none.
_WORDS = {
    "bind": "mount a volume on",
    "node": "make the device node",
    "adopt": "mount",
    "console": "make the terminal",
    "readonly": "make read-only",
}


def _hint(error: OSError, target: str) -> str:
    if error.errno == errno.EROFS:
        return f"{target} does not exist in the image, and the root is read-only"
    if error.errno == errno.EPERM:
        return "user namespaces may not be allowed to do this here; try as root"
    return ""
