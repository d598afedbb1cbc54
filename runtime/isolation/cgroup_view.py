"""What a container sees of cgroups: its own one as the root of each hierarchy.

With v1 only a container that has limits of its own sees the hierarchies where it has
them, and no others' cgroups.
"""

from __future__ import annotations

import os

from lamina.runtime import syscalls
from lamina.runtime.isolation.stage import STAGE, attach, empty, new_file_system
from lamina.runtime.paths import open_plain


class CgroupView:
    """What goes on /sys/fs/cgroup: `root`, a mount, and what `fill` puts into it."""

    def __init__(self) -> None:
        # Whether a cgroup namespace makes its own cgroup the root of what is seen.
        self.by_namespace = True
        # The lines of /proc/self/cgroup before it was put into the first of its own.
        self.before: list[str] = []
        # Of a bundle without a cgroup namespace: its own cgroups as (name, mount).
        self.trees: tuple[tuple[str, int], ...] = ()
        # The hierarchies in which it has one of its own, each with the path to it; None
        # as long as it has none.
        self._joined: tuple[tuple[str, str], ...] | None = None
        # Those that `fill` mounts, each with the path to show of it.
        self._shown: tuple[tuple[str, str], ...] = ()

    def join(self, files: list[int]) -> None:
        """Put this process into its cgroups, by their files."""
        before = self.before or read_cgroups()
        for file in files:
            os.write(file, b"0")
        changed = (line for line in read_cgroups() if line not in before)
        rows = (line.split(":", 2) for line in changed)
        self._joined = tuple((name, path) for _, name, path in rows)
        if self.by_namespace:
            syscalls.unshare(syscalls.CLONE_NEWCGROUP)

    def root(self) -> int:
        """A detached mount of what goes on /sys/fs/cgroup."""
        if self.trees:
            name, tree = self.trees[0]
            return _folder() if name else os.dup(tree)
        if [line.split(":", 2)[1] for line in read_cgroups()] == [""]:
            return self._unified()
        if self._joined is None:
            return empty()
        # In the others it is where all are: at the host's root, with what is below.
        self._shown = tuple(
            (name, "/" if self.by_namespace else path) for name, path in self._joined
        )
        return _folder()

    def fill(self, base: int) -> None:
        """Put the v1 hierarchies into `base`, which is what `root` gave."""
        for name, path in self._shown:
            _mount_hierarchy(base, name, path)
        _bind_hierarchies(base, self.trees)

    def _unified(self) -> int:
        try:
            return new_file_system("cgroup2")
        except PermissionError:
            tree = -1 if self.by_namespace else _host_cgroups("")
            return tree if tree >= 0 else empty()


def read_cgroups() -> list[str]:
    """The lines of /proc/self/cgroup: `ID:CONTROLLERS:PATH`."""
    with open("/proc/self/cgroup", "rb") as file:
        return file.read().decode().splitlines()


def _folder() -> int:
    """An empty file system in which the v1 hierarchies get their places."""
    return new_file_system("tmpfs", (("mode", "755"), ("size", "64k")))


def _mount_hierarchy(base: int, controller: str, path: str) -> None:
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


def _bind_hierarchies(base: int, trees: tuple[tuple[str, int], ...]) -> None:
    """Put its own cgroup of each v1 hierarchy where the host has the hierarchy."""
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    for name, tree in trees:
        if name:
            os.mkdir(name, 0o755, dir_fd=base)
            attach(tree, os.open(name, flags, dir_fd=base))
            for word in name.split(",") if "," in name else ():
                os.symlink(name, word, dir_fd=base)
