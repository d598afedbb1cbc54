"""A root file system from layers: one overlay mount, held by a descriptor.

Options are explicit so that an upper directory is always a plain diff: no renames
by xattr, no metadata-only copies, no index. `volatile`: the kernel does not sync
the upper directory when the mount goes; what is committed is synced by the store.
Kernels before 6.7 lack `lowerdir+` and get mount(2) with numbers under
/proc/thread-self/fd for paths, since a page is all that its options may fill.
"""

from __future__ import annotations

import errno
import os

from lamina.runtime import syscalls
from lamina.runtime.errors import ContainerError, NotPermitted
from lamina.runtime.isolation import fuse_overlay
from lamina.values import replace, value

# OVL_MAX_STACK, fs/overlayfs/params.h.
MAX_LOWERS = 500

_PAGE = 4096
# What the kernel says of an upper directory on a file system that cannot be one, and of
# overlays altogether where it has none, or none for users.
_UNUSABLE = frozenset((errno.EINVAL, errno.EPERM, errno.ENODEV, errno.EOPNOTSUPP))


@value
class Snapshot:
    """Layers as one root. `lowers` are directories, the topmost first.

    Changes go to `upper`; without one the root is read-only. `work` is an empty
    directory beside `upper`, on its file system, new for every mount.
    """

    lowers: tuple[str, ...]
    upper: str = ""
    work: str = ""
    volatile: bool = True

    def check(self) -> None:
        assert bool(self.upper) == bool(self.work), "upper and work go together"


def parts_of(snapshot: Snapshot) -> tuple[tuple[str, ...], str, str, bool]:
    """Its fields, in their order: as marshal can carry them."""
    return snapshot.lowers, snapshot.upper, snapshot.work, snapshot.volatile


class _Probe:
    """What this kernel and this process can do; found out once."""

    method = ""
    user_xattr: bool | None = None
    # File systems that the kernel's overlay was seen to take, and not to take.
    usable: frozenset[int] = frozenset()
    unusable: frozenset[int] = frozenset()


def mount(snapshot: Snapshot | tuple[str, ...], method: str = "") -> int:
    """Mount `snapshot` (or just lowers, read-only): the fd of a detached mount.

    It is an O_PATH descriptor: open `.` or a path with it as `dir_fd`; closing it
    unmounts. `method` is "fd" or "string" to force the new or the old way of naming
    layers, "fuse" for fuse_overlay.py, which is also what is used where the kernel
    can't. Raises ContainerError; NotPermitted when the process may not mount.
    """
    if not isinstance(snapshot, Snapshot):
        snapshot = Snapshot(snapshot)
    # Overlay refuses a directory that it has already (ELOOP). Steps that make the same
    # bytes share one, and what the lower of two says the upper one says over it.
    snapshot = replace(snapshot, lowers=tuple(dict.fromkeys(snapshot.lowers)))
    if len(snapshot.lowers) > MAX_LOWERS:
        raise ContainerError(
            f"The image has {len(snapshot.lowers)} layers; "
            f"the kernel's overlay takes {MAX_LOWERS}.",
            hint="Merge layers: `lamina export` and `lamina import` make one of all.",
        )
    try:
        if not snapshot.lowers or (len(snapshot.lowers) == 1 and not snapshot.upper):
            return _single(snapshot)
        method = method or _Probe.method or use_method()
        if method == "fuse" or _device(snapshot) in _Probe.unusable:
            return fuse_overlay.mount(*parts_of(snapshot))
        if method == "fd":
            return _overlay(snapshot)
        return _overlay_by_string(snapshot)
    except OSError as error:
        failure = _explained(error, snapshot)
        if error.errno not in _UNUSABLE or not fuse_overlay.program():
            raise failure from error
    try:
        mounted = fuse_overlay.mount(*parts_of(snapshot))
    except OSError:
        raise failure from None
    _Probe.unusable |= {_device(snapshot)}
    return mounted


def mount_beforehand(snapshot: Snapshot) -> int:
    """The same in the process that clones the one which will have it, where that could
    not: a file system in user space needs a process that is not the container's.

    -1 where the container's process can mount it, or has to say why not.
    """
    device = _device(snapshot)
    if device in _Probe.usable:
        return -1
    try:
        mounted = mount(snapshot)
    except (ContainerError, OSError):
        return -1
    if _Probe.method != "fuse" and device not in _Probe.unusable:
        _Probe.usable |= {device}
    return mounted


def _device(snapshot: Snapshot) -> int:
    """The file system that holds what is written."""
    try:
        return os.stat(snapshot.upper or snapshot.lowers[0]).st_dev
    except OSError:
        return -1


def use_method(method: str = "") -> str:
    """How layers are mounted from now on, as `mount` has it; "": as the kernel can."""
    _Probe.method = method or ("fd" if _has_lowerdir_plus() else "string")
    return _Probe.method


def _has_lowerdir_plus() -> bool:
    """Whether overlay takes its layers one by one (Linux 6.7).

    Before 6.5 it took any option, and looked at them when it was mounted.
    """
    return not _overlay_takes("no-such-option") and _overlay_takes("lowerdir+")


def _overlay_takes(option: str) -> bool:
    try:
        fd = syscalls.fsopen("overlay")
    except OSError:
        return False
    try:
        syscalls.fsconfig_string(fd, option, "/")
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def needs_user_xattr() -> bool:
    """Whether overlay's marks go in `user.overlay.*`: inside a user namespace."""
    if _Probe.user_xattr is None:
        fd = os.open("/proc/self/uid_map", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _Probe.user_xattr = os.read(fd, 4096).split() != [b"0", b"0", b"4294967295"]
        finally:
            os.close(fd)
    return _Probe.user_xattr


def forget() -> None:
    """Forget what was found out: this process is in another user namespace now."""
    _Probe.user_xattr = None
    _Probe.method = ""


def _single(snapshot: Snapshot) -> int:
    """One directory, or none: overlay wants two, a bind mount does."""
    if snapshot.upper:
        return syscalls.open_tree(snapshot.upper, recursive=False)
    if not snapshot.lowers:
        fd = syscalls.fsopen("tmpfs")
        try:
            return syscalls.fsmount(fd, syscalls.MOUNT_ATTR_RDONLY)
        finally:
            os.close(fd)
    tree = syscalls.open_tree(snapshot.lowers[0], recursive=False)
    syscalls.mount_setattr(tree, syscalls.MOUNT_ATTR_RDONLY)
    return tree


def _options(snapshot: Snapshot) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Overlay's flags and its options with a value, the layers left out."""
    # nofollow, not off: "off" follows redirects on many kernels, and userxattr
    # allows nothing else.
    pairs = [("redirect_dir", "nofollow"), ("metacopy", "off"), ("index", "off")]
    flags = ["userxattr"] if needs_user_xattr() else []
    if snapshot.upper:
        pairs += [("upperdir", snapshot.upper), ("workdir", snapshot.work)]
        if snapshot.volatile:
            flags.append("volatile")
    return tuple(flags), tuple(pairs)


def _overlay(snapshot: Snapshot) -> int:
    fd = syscalls.fsopen("overlay")
    links: list[int] = []
    try:
        flags, pairs = _options(snapshot)
        syscalls.fsconfig_string(fd, "source", "overlay")
        # Otherwise the upper directory gets an attribute with an identity.
        syscalls.fsconfig_string(fd, "uuid", "null")
        for flag in flags:
            syscalls.fsconfig_flag(fd, flag)
        for key, text in pairs:
            syscalls.fsconfig_string(fd, key, _short(text, links))
        for lower in snapshot.lowers:
            syscalls.fsconfig_string(fd, "lowerdir+", _short(lower, links))
        return syscalls.fsmount(fd)
    finally:
        os.close(fd)
        for link in links:
            os.close(link)


def _short(path: str, links: list[int]) -> str:
    """`path`, or a descriptor's name for one that fsconfig would find too long."""
    if len(path) < 200 or len(os.fsencode(path)) < 256:
        return path
    links.append(os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
    return f"/proc/thread-self/fd/{links[-1]}"


def _overlay_by_string(snapshot: Snapshot) -> int:
    """By mount(2), which takes a place to mount on; what remains is a detached copy."""
    from lamina.runtime.isolation.fuse_overlay import in_own_mounts

    return in_own_mounts(lambda: _mount_and_copy(snapshot))


def _mount_and_copy(snapshot: Snapshot) -> int:
    paths = [
        *snapshot.lowers,
        *((snapshot.upper, snapshot.work) if snapshot.upper else ()),
    ]
    fds: list[int] = []
    try:
        for path in paths:
            fds.append(os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
        flags, pairs = _options(snapshot)
        count = len(snapshot.lowers)
        named = {"upperdir": fds[-2], "workdir": fds[-1]} if snapshot.upper else {}
        options = [*flags, *(f"{key}={named.get(key, text)}" for key, text in pairs)]
        options.append("lowerdir=" + ":".join(str(fd) for fd in fds[:count]))
        data = ",".join(options).encode()
        if len(data) >= _PAGE:
            raise OSError(errno.E2BIG, "mount: too many layers for this kernel")
        os.chdir("/proc/thread-self/fd")
        syscalls.mount("overlay", "/proc", "overlay", 0, data)
        return syscalls.open_tree("/proc", recursive=False)
    finally:
        for fd in fds:
            os.close(fd)


def _explained(error: OSError, snapshot: Snapshot) -> ContainerError:
    if error.errno == errno.EPERM:
        return NotPermitted(
            "This process may not mount file systems.",
            hint="Run as root; docs/rootless.md says what else users need.",
        )
    for path in (*snapshot.lowers, snapshot.upper, snapshot.work):
        if path and not os.path.isdir(path):
            return ContainerError(f"The layer directory {path} does not exist.")
    return ContainerError(f"The layers cannot be mounted: {error.strerror}.")
