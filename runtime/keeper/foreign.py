"""One run of a container by another OCI runtime (crun, runc): its commands, in order.

The keeper is PID 1 of a pid namespace and has all of the host's mounts, in a mount
namespace of its own; there it attaches the container's root and volumes at paths of the
bundle, so that they are gone when it is. Each command of the runtime runs in a copy of
that, with a /proc that shows the keeper's pid namespace. Whatever the runtime starts is
below the keeper: when that is killed, the kernel ends the container.
"""

from __future__ import annotations

import _socket
import os
import stat
from _json import scanstring

from lamina.runtime import syscalls
from lamina.runtime.isolation.execution import keep_only
from lamina.runtime.isolation.processes import pid_of
from lamina.runtime.isolation.snapshot import Snapshot, mount, needs_user_xattr
from lamina.runtime.keeper.run import Run, streams_of
from lamina.runtime.owner import Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

_SIGCHLD, _SIGKILL = 17, 9
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
}
# Of what a runtime has to say when it fails.
_MOST = 4096
# By what engines know that a command cannot run, and Docker's exit codes for it.
_MISSING = ("executable file not found", "no such file or directory")
_DENIED = ("permission denied", "not a directory", "exec format error")


class ForeignRun(Run):
    """A Run whose process another runtime creates."""

    def launch(self, mounts: list[int], stays: bool) -> None:
        """Begin, with these detached mounts, which are closed."""
        self._stays = stays
        self._bundle = f"{self._given.place}/bundle"
        self._commanding = False
        self._status: int | None = None
        self._listener: _socket.socket | None = None
        self._mounted: list[str] = []
        self._begin(mounts)

    # The bundle's paths

    def _begin(self, mounts: list[int]) -> None:
        given = self._given
        late = given.late_parts()
        root = mount(Snapshot(*late["root"]))
        self._attach(root, f"{self._bundle}/rootfs")
        for number, tree in enumerate(mounts):
            self._attach(tree, self._point(tree, f"mounts/{number}"))
        kinds = given.foreign["namespaces"]
        for kind, fd in zip(kinds, given.namespaces, strict=True):
            tree = syscalls.open_tree(f"/proc/self/fd/{fd}", recursive=False)
            self._attach(tree, self._point(tree, f"namespaces/{kind}"))
        words = ["create", "--bundle", self._bundle, "--pid-file", self._path("pid")]
        if given.terminal:
            words += ["--console-socket", self._listen()]
        streams, sources, stdin = streams_of(given)
        self._command([*words, given.id], self._created, streams)
        for fd in set(streams):
            os.close(fd)
        self._outputs.open(sources)
        if stdin >= 0:
            self._inputs.open(stdin)

    def _path(self, name: str) -> str:
        return f"{self._bundle}/{name}"

    def _point(self, tree: int, name: str) -> str:
        """A mount point of the tree's kind."""
        path = self._path(name)
        if stat.S_ISDIR(os.fstat(tree).st_mode):
            os.makedirs(path, exist_ok=True)
        elif not os.path.exists(path):
            flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            os.close(os.open(path, flags, 0o600))
        return path

    def _attach(self, tree: int, path: str) -> None:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            syscalls.move_mount(tree, place)
        finally:
            os.close(place)
            os.close(tree)
        self._mounted.append(path)

    def _detach(self) -> None:
        for path in reversed(self._mounted):
            try:
                syscalls.umount2(path, syscalls.MNT_DETACH)
            except OSError:
                continue
        self._mounted = []

    def _listen(self) -> str:
        """Listen for the terminal: a path of the socket that is short enough.

        unix(7) has room for 107 bytes, the container's directory may take more.
        """
        path = self._path("console")
        if os.path.exists(path):
            os.unlink(path)
        place = os.open(self._bundle, os.O_PATH | os.O_CLOEXEC)
        kind = _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC
        self._listener = _socket.socket(_socket.AF_UNIX, kind)
        self._listener.bind(f"/proc/self/fd/{place}/console")
        self._listener.listen(1)
        self._place = place
        return f"/proc/{os.getpid()}/fd/{place}/console"

    # Commands

    def _command(
        self,
        words: list[str],
        over: Callable[[int], None],
        streams: tuple[int, int, int] | None = None,
    ) -> None:
        """Have the runtime do something; `over` is called with how it ended."""
        given = self._given
        log = self._path("log")
        flags = ["--root", self._path("state"), "--log", log, "--log-format", "json"]
        if os.path.exists(log):
            os.unlink(log)
        program = given.foreign["program"]
        alone = os.getpid() == 1
        pid, pidfd = syscalls.clone3(syscalls.CLONE_NEWNS, _SIGCHLD)
        if pid == 0:
            _become([program, *flags, *words], streams, alone, given.cgroups)
        self._commanding = True

        def ended(status: int) -> None:
            self._commanding = False
            over(status)

        self._server.attend(pid, pidfd, ended, True)

    def _created(self, status: int) -> None:
        """It waits for `start`, or there is none."""
        if status:
            self._fail(status)
            return
        with open(self._path("pid"), "rb", buffering=0) as file:
            pid = int(file.read(32))
        pidfd = syscalls.pidfd_open(pid)
        self.running = self._server.attend(pid, pidfd, self._gone, self._stays)
        self.init = Owner.of(self._given.id, pid_of(pidfd))
        if self._listener is not None:
            self._take_terminal(self._listener)
        self._command(["start", self._given.id], self._begun)

    def _take_terminal(self, listener: _socket.socket) -> None:
        """The runtime has connected: it sends the terminal's master."""
        listener.setblocking(False)
        try:
            fd, _ = listener._accept()  # type: ignore[attr-defined]
        except BlockingIOError:
            return
        line = _socket.socket(fileno=fd)
        line.setblocking(True)
        _, ancillary, _, _ = line.recvmsg(64, _socket.CMSG_SPACE(4))
        line.close()
        listener.close()
        os.close(self._place)
        self._listener = None
        for _, _, rights in ancillary:
            self.master = int.from_bytes(rights[:4], "little")
            os.set_inheritable(self.master, False)
            self._outputs.open({self.master: "stdout"})
            if self._given.stdin:
                self._inputs.open(os.dup(self.master))
            self.opened()

    def _begun(self, status: int) -> None:
        """The command runs, or could not be executed."""
        if status:
            self._set_failure(status)
            self.signal(_SIGKILL)
        else:
            self.facts = {"created": (), "marks": ()}
            self.executed()
        if self._status is not None:
            self._delete(self._status)

    def _gone(self, status: int) -> None:
        """Its first process is no more; `start` may not have heard of that yet."""
        self._status = status
        if not self._commanding:
            self._delete(status)

    def _delete(self, status: int) -> None:
        self._command(
            ["delete", "--force", self._given.id], lambda _: self._over(status)
        )

    def _fail(self, status: int) -> None:
        self._set_failure(status)
        self._delete(self._code() << 8)

    def _over(self, status: int) -> None:
        self._detach()
        self.running = None
        self._inputs.close()
        self._outputs.drain()
        if self.failure:
            status = self._code() << 8
        self.ended(status)

    def _set_failure(self, status: int) -> None:
        """What the runtime wrote to its log, by its last line."""
        text = _last_message(self._path("log"))
        name = os.path.basename(self._given.foreign["program"])
        code = os.waitstatus_to_exitcode(status)
        low = text.lower()
        kind = "ContainerError"
        if any(words in low for words in _MISSING):
            kind = "CommandNotFound"
        elif any(words in low for words in _DENIED):
            kind = "NotExecutable"
        said = f"{name}: {text}" if text else f"{name} ended with exit code {code}"
        self.failure = {"error": kind, "text": said, "hint": ""}

    def _code(self) -> int:
        codes = {"CommandNotFound": 127, "NotExecutable": 126}
        return codes.get(self.failure.get("error", ""), 125)


def _become(
    words: list[str],
    streams: tuple[int, int, int] | None,
    alone: bool,
    cgroups: list[int],
) -> NoReturn:
    """In a child with a copy of the keeper's mounts: execute the runtime."""
    try:
        syscalls.mount("", "/", "", syscalls.MS_REC | syscalls.MS_SLAVE)
        if alone:
            syscalls.mount("proc", "/proc", "proc", 0)
        _hide_cgroups(cgroups)
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        for number, fd in enumerate(streams or (null, null, null)):
            os.dup2(fd, number)
        keep_only(0, 1, 2)
        os.setsid()
        os.execve(words[0], words, _ENVIRONMENT)
    except OSError:
        os._exit(125)
    os._exit(125)


def _hide_cgroups(joined: list[int]) -> None:
    """Show the runtime the cgroups that it can use; join those where it is to stay."""
    # crun refuses version 2 beside version 1; runc does without.
    if os.path.exists("/sys/fs/cgroup/unified/cgroup.procs"):
        if not needs_user_xattr():
            syscalls.umount2("/sys/fs/cgroup/unified", syscalls.MNT_DETACH)
        else:
            # What a user namespace has from the host cannot be unmounted there.
            syscalls.mount("tmpfs", "/sys/fs/cgroup/unified", "tmpfs", 0)
    if needs_user_xattr():
        for file in joined:
            os.write(file, b"0")
        # So that it makes none of its own, which nobody would give back.
        tree = os.open("/sys/fs/cgroup", os.O_PATH | os.O_CLOEXEC)
        syscalls.mount_setattr(tree, syscalls.MOUNT_ATTR_RDONLY, recursive=True)


def _last_message(path: str) -> str:
    """The `msg` of the last JSON line of a log."""
    try:
        with open(path, "rb", buffering=0) as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _MOST))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    for line in reversed(lines):
        _, found, rest = line.partition('"msg":')
        if not found:
            continue
        text = rest.strip()
        if text.startswith('"'):
            try:
                return str(scanstring(text, 1)[0])
            except ValueError:
                continue
    return ""
