"""The cgroup hierarchies of this machine, and making cgroups in them.

Three layouts are in use below /sys/fs/cgroup: one hierarchy of version 2; one of
version 1 for each controller; and hybrid, the latter with a hierarchy of version 2
in `unified` that has the controllers left. See cgroups(7).
"""

from __future__ import annotations

import errno
import os

from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MOUNT = "/sys/fs/cgroup"
PARENT = "lamina"
# A hierarchy of version 1 without a controller, where other runtimes put processes too.
NAMED = "systemd"
# What gives an ordinary user cgroups; systemd's word for it is delegation.
DELEGATION = (
    "With systemd, start it as `systemd-run --user --scope -p Delegate=yes lamina ...`."
)
# Somebody else's last cgroup may go, and its parent with it, while ours is made.
_TRIES = 20
# What version 2 does without a controller.
_WITHOUT_FILES = frozenset(("devices", "freezer"))
# xattr(7): root's, and what an ordinary user may set in a cgroup that was delegated.
_MARKS = ("trusted.lamina", "user.lamina")
_ASIDE = "/lamina-session"


@value
class Hierarchy:
    """A mounted hierarchy. `base` is where this process may make cgroups, or ""."""

    version: int
    mount: str
    base: str
    controllers: frozenset[str]


def hierarchies_for(path: str, mount: str = MOUNT) -> tuple[Hierarchy, ...]:
    """Those for one cgroup: a path from the root, with a slash in front, is systemd's
    choice, who counts by a hierarchy of its own as well."""
    if not path.startswith("/"):
        return hierarchies(mount)
    found = hierarchies(mount, whole=True)
    if found and found[0].version == 2 and not os.access(mount, os.W_OK):
        # What is given to a user is less than what there is.
        above = f"{mount}{os.path.dirname(path)}"
        giving = above if os.access(above, os.W_OK) else f"{mount}{path}"
        words = read(f"{giving}/cgroup.controllers").split()
        found = (replace(found[0], controllers=frozenset((*words, *_WITHOUT_FILES))),)
    own = f"{mount}/{NAMED}"
    if os.path.exists(f"{own}/tasks"):
        found += (Hierarchy(1, own, own, frozenset()),)
    return found


def hierarchies(mount: str = MOUNT, whole: bool = False) -> tuple[Hierarchy, ...]:
    """What is mounted below `mount`: one of version 2, or several of version 1.

    Hybrid is version 1 and, last, a `unified` hierarchy with the controllers left.
    `whole`: with their roots for bases, whoever may write there.
    """
    lines = read("/proc/self/cgroup").splitlines()
    own = {}
    for line in lines:
        _, names, path = line.split(":", 2)
        own[names] = path
    if os.path.exists(f"{mount}/cgroup.controllers"):
        return (_unified(mount, own.get("", "/"), whole),)
    found = []
    for names, path in own.items():
        place = f"{mount}/{names.removeprefix('name=')}"
        if names and "=" not in names and os.path.exists(f"{place}/tasks"):
            # v2 calls it `io`, and needs no controller for the freezer.
            words = frozenset("io" if n == "blkio" else n for n in names.split(","))
            base = place if whole else _base(place, path)
            found.append(Hierarchy(1, place, base, words))
    if os.path.exists(f"{mount}/unified/cgroup.controllers"):
        rest = _unified(f"{mount}/unified", own.get("", "/"), whole)
        taken = frozenset().union(*(h.controllers for h in found))
        found.append(replace(rest, controllers=rest.controllers - taken))
    return tuple(found)


def place_of(pid: int) -> str:
    """Where a process is in the hierarchy of version 2, from its root; "" when it is
    gone."""
    lines = read(f"/proc/{pid}/cgroup").splitlines()
    return next((line[3:] for line in lines if line.startswith("0::")), "")


def _unified(mount: str, own: str, whole: bool) -> Hierarchy:
    base = mount if whole else _base(mount, own)
    words = frozenset(read(f"{base or mount}/cgroup.controllers").split())
    return Hierarchy(2, mount, base, words | _WITHOUT_FILES)


def _base(mount: str, own: str) -> str:
    """The root where it is ours, else the cgroup that was delegated to us, else ""."""
    delegated = own.removesuffix(_ASIDE).rstrip("/")
    for place in (mount, mount + delegated):
        if os.access(place, os.W_OK) and os.access(f"{place}/cgroup.procs", os.W_OK):
            return place
    return ""


def make(h: Hierarchy, path: str, controller: str, marked: bool = False) -> None:
    """Make the directories down to `path`, with the controller on in all of them.

    Those above it that were not there may be `marked`, for `remove_marked`.
    """
    if not h.base:
        raise PermissionError(errno.EACCES, "no cgroup of ours", h.mount)
    for left in reversed(range(_TRIES)):
        try:
            _descend(h, path, controller, marked)
        except OSError as error:
            # A file that was open while its cgroup went has no device any more.
            if not left or error.errno not in (errno.ENOENT, errno.ENODEV):
                raise
        else:
            return


def _descend(h: Hierarchy, path: str, controller: str, marked: bool) -> None:
    place = h.base
    for name in path.split("/"):
        if h.version == 2 and controller not in ("devices", "freezer"):
            _enable(place, controller, delegated=place == h.base != h.mount)
        place = f"{place}/{name}"
        if _made(place) and marked and place != f"{h.base}/{path}":
            _mark(place)
        if controller == "cpuset" and h.version == 1:
            _inherit_cpuset(place)


def _made(place: str) -> bool:
    """Have a directory; whether it was not there."""
    try:
        os.mkdir(place)
    except FileExistsError:
        return False
    return True


def _mark(place: str) -> None:
    """Note on a cgroup that Lamina has made it; one that takes no note stays.

    The kernel has the note, so nothing that dies takes it along.
    """
    for name in _MARKS:
        try:
            os.setxattr(place, name, b"made")
        except OSError:
            continue
        return


def remove_marked(base: str, path: str) -> None:
    """Remove the cgroups above `path` that Lamina has made and that are empty."""
    above = os.path.dirname(path)
    while above and above != PARENT:
        place = f"{base}/{above}"
        if os.path.isdir(place):
            if not _is_marked(place):
                return
            try:
                os.rmdir(place)
            except OSError:
                return  # others are in it, or somebody was first
        above = os.path.dirname(above)


def remove_named(mount: str, path: str) -> None:
    """Remove an empty cgroup from systemd's own hierarchy, and what is marked above."""
    base = f"{mount}/{NAMED}"
    try:  # noqa: SIM105 (contextlib is an import)
        os.rmdir(f"{base}/{path}")
    except OSError:
        pass  # it is not there, or not empty
    remove_marked(base, path)


def _is_marked(place: str) -> bool:
    for name in _MARKS:
        try:
            return bool(os.getxattr(place, name))
        except OSError:
            continue
    return False


def _enable(place: str, controller: str, delegated: bool) -> None:
    """Give the children of a v2 cgroup a controller."""
    file = f"{place}/cgroup.subtree_control"
    if controller in read(file).split():
        return
    if delegated:
        _make_leaf(place)
    write(file, f"+{controller}")


def _make_leaf(place: str) -> None:
    """Only the leaves of a v2 tree may hold processes: move those of `place` aside.

    The kernel says so (EBUSY) of some controllers only. Others, as pids, it enables all
    the same, and makes the cgroup one for threads, which can have no memory's any more.
    """
    if inside := read(f"{place}/cgroup.procs").split():
        aside = place + _ASIDE
        os.makedirs(aside, exist_ok=True)
        for pid in inside:
            write(f"{aside}/cgroup.procs", pid)


def _inherit_cpuset(place: str) -> None:
    """A new v1 cpuset is empty, and takes no process until it is not."""
    above = os.path.dirname(place)
    for file in ("cpuset.cpus", "cpuset.mems"):
        if not read(f"{place}/{file}").strip():
            write(f"{place}/{file}", read(f"{above}/{file}").strip())


def below(place: str) -> Iterator[str]:
    """`place` and the cgroups in it, parents first."""
    yield place
    try:
        entries = [entry for entry in os.scandir(place) if entry.is_dir()]
    except FileNotFoundError:
        return
    for entry in entries:
        yield from below(entry.path)


def read(path: str) -> str:
    """A file of the kernel's; one of a cgroup that is gone is empty."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    try:
        data = b""
        while piece := os.read(fd, 65536):
            data += piece
        return data.decode()
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise
        return ""
    finally:
        os.close(fd)


def write(path: str, *lines: str) -> None:
    """Write to a file of the kernel's, which takes one line at a time."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        for line in lines:
            os.write(fd, line.encode())
    finally:
        os.close(fd)
