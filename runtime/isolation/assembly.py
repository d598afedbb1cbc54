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
from lamina.runtime.isolation.cgroup_view import CgroupView
from lamina.runtime.isolation.copy_up import copy_tree
from lamina.runtime.isolation.snapshot import needs_user_xattr
from lamina.runtime.isolation.stage import (
    STAGE,
    attach,
    empty,
    new_file_system,
    proc_of_host,
)
from lamina.runtime.paths import Created, ensure, open_in_root, open_plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.runtime.isolation.operations import Operation

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
        self.cgroups = CgroupView()
        # What waits until it is in its cgroup.
        self.deferred: list[Operation] = []
        self.joined = False
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

    def perform(self, operation: Operation) -> None:
        """Carry out an operation in `root`."""
        verb, target = operation.verb, operation.target
        try:
            _VERBS[verb](self, operation)
        except OSError as error:
            kind = f" {operation.type}" if operation.type else ""
            raise ContainerError(
                f"Cannot {_WORDS.get(verb, verb)}{kind} {target}: {error.strerror}.",
                hint=_hint(error, target),
            ) from error

    def place(self, target: str, directory: bool) -> int:
        """The O_PATH descriptor of a mount point, made where it is missing."""
        return ensure(self.root, target, directory, self.created)

    def parent(self, path: str) -> tuple[int, str]:
        """The directory of `path`, made where it is missing, and the last name in it.

        The descriptor is kept for the next one: there are many in /dev.
        """
        folder, _, name = path.lstrip("/").rpartition("/")
        if folder not in self.folders:
            self.folders[folder] = self.place(f"/{folder}", True)
        return self.folders[folder], name

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


def _mount(assembly: Assembly, operation: Operation) -> None:
    target, attributes = operation.target, operation.attributes
    fd = _new_tree(assembly, operation)
    try:
        known = len(assembly.created)
        place = assembly.place(target, True)
        if operation.copies_up and len(assembly.created) == known:
            copy_tree(place, fd)
        syscalls.move_mount(fd, place)
        os.close(place)
        if operation.propagation:
            syscalls.mount_setattr(fd, 0, propagation=operation.propagation)
        if operation.type == "cgroup":
            assembly.cgroups.fill(fd)
        if attributes:
            # The access time attributes are one field: to set one clears all.
            clear = attributes & syscalls.MOUNT_ATTR_ATIME and syscalls.MOUNT_ATTR_ATIME
            syscalls.mount_setattr(fd, attributes, clear, recursive=True)
        if target == "/dev/pts":
            assembly.devpts = os.dup(fd)
    finally:
        os.close(fd)


def _new_tree(assembly: Assembly, operation: Operation) -> int:
    """A detached mount of a file system."""
    kind, options = operation.type, operation.options
    if kind == "cgroup":
        return assembly.cgroups.root()
    if kind == "sysfs":
        return _sysfs()
    if kind == "proc" and assembly.host_pids:
        return proc_of_host(options)
    if kind == "devpts":
        return _devpts(options)
    return new_file_system(kind, options, source=operation.source)


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


def _bind(assembly: Assembly, operation: Operation) -> None:
    fd = assembly.mount_fds[operation.index]
    directory = stat.S_ISDIR(os.fstat(fd).st_mode)
    place = assembly.place(operation.target, directory)
    try:
        if stat.S_ISDIR(os.fstat(place).st_mode) != directory:
            kinds = ("directory", "file") if directory else ("file", "directory")
            raise ContainerError(
                f"Cannot mount a {kinds[0]} on {operation.target}, "
                f"which is a {kinds[1]}."
            )
        syscalls.move_mount(fd, place)
    finally:
        os.close(place)


def _node(assembly: Assembly, operation: Operation) -> None:
    """A device node; in a user namespace, which may make none, the host's."""
    parent, name = assembly.parent(operation.target)
    if needs_user_xattr():
        source = operation.source or operation.target
        tree = syscalls.open_tree(source, recursive=False)
        attach(tree, assembly.place(operation.target, False))
    else:
        _make_node(parent, name, dict(operation.options))
    if operation.target == "/dev/null":
        assembly.null = open_plain(parent, name)


def _make_node(parent: int, name: str, options: dict[str, str]) -> None:
    """mknod(2): `device` is `TYPE MAJOR:MINOR`, `owner` is `UID:GID`."""
    kind, _, numbers = options["device"].partition(" ")
    major, _, minor = numbers.partition(":")
    if kind == "p":
        type_, number = stat.S_IFIFO, 0
    else:
        type_ = stat.S_IFBLK if kind == "b" else stat.S_IFCHR
        number = os.makedev(int(major), int(minor))
    try:
        os.mknod(name, type_ | int(options["mode"], 8), number, dir_fd=parent)
    except FileExistsError:
        # A root that brings its own /dev may have it.
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if stat.S_IFMT(status.st_mode) != type_ or status.st_rdev != number:
            raise
        return
    if options["owner"] != "0:0":
        uid, _, gid = options["owner"].partition(":")
        os.chown(name, int(uid), int(gid), dir_fd=parent, follow_symlinks=False)


def _link(assembly: Assembly, operation: Operation) -> None:
    parent, name = assembly.parent(operation.target)
    try:
        os.symlink(operation.source, name, dir_fd=parent)
    except FileExistsError:
        if assembly.strict:
            raise
        # The root's own /dev: what is there is left.


def _adopt(assembly: Assembly, operation: Operation) -> None:
    """Move /proc, /dev or /sys from the stage into the root.

    The image's must be a real directory, or nothing: a link there would lead what
    is written to /proc elsewhere (CVE-2019-19921, CVE-2023-27561).
    """
    target = operation.target
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
            hint="It has to be one, and no link to one, for the kernel's files.",
        )
    tree = os.open(STAGE + target, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    attach(tree, place)


def _console(assembly: Assembly, operation: Operation) -> None:
    if assembly.devpts < 0:
        raise ContainerError("A terminal needs a devpts mounted on /dev/pts.")
    assembly.master, assembly.slave = terminal.open_pair(assembly.devpts)
    tree = syscalls.open_tree(assembly.slave, recursive=False)
    attach(tree, assembly.place(operation.target, False))


def _mask(assembly: Assembly, operation: Operation) -> None:
    """Cover a directory with nothing, a file with /dev/null (CVE-2025-31133)."""
    place = assembly.existing(operation.target)
    if place < 0:
        return
    if stat.S_ISDIR(os.fstat(place).st_mode):
        attach(empty(), place)
        return
    if assembly.null < 0:
        assembly.null = os.open("/dev/null", os.O_PATH | os.O_CLOEXEC)
    assert os.fstat(assembly.null).st_rdev == _NULL, "/dev/null is something else"
    tree = syscalls.open_tree(assembly.null, recursive=False)
    # Otherwise chmod of the masked file would be chmod of the device's node.
    syscalls.mount_setattr(tree, syscalls.MOUNT_ATTR_RDONLY)
    attach(tree, place)


def _readonly(assembly: Assembly, operation: Operation) -> None:
    if operation.target == "/":
        syscalls.mount_setattr(assembly.root, syscalls.MOUNT_ATTR_RDONLY)
        return
    place = assembly.existing(operation.target)
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
        return f"{target} does not exist in the image, and the root is read-only."
    if error.errno == errno.EPERM:
        return "User namespaces may not be allowed to do this here; try as root."
    return ""
