"""A network for those who may not make one: pasta(1) or slirp4netns(1) in user space.

They open a tap in the container's namespace and speak for it with the sockets of an
ordinary process. One of them serves one namespace: a container's, or a build's.
"""

from __future__ import annotations

import _thread
import contextlib
import fcntl
import os
import select

from lamina.runtime.errors import NetworkError
from lamina.runtime.network import links, netlink, netns
from lamina.runtime.network.endpoint import Endpoint
from lamina.runtime.network.listeners import bind
from lamina.runtime.network.ports import PortMapping
from lamina.runtime.network.published import Published, forward

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FOLDERS = ("/usr/bin", "/usr/local/bin", "/bin", "/usr/sbin", "/sbin")
_TUN = "/dev/net/tun"
_PATIENCE = 10_000  # ms for it to be ready; it takes 20 to 40

# Where the helper finds what it needs: the end of a pipe that says when its owner is
# gone, another on which to say that it is ready, and the namespace.
_OWNER, _READY, _NAMESPACE = 3, 4, 5
_FIRST_FREE = 10

_SIGPIPE, _SIGXFSZ = 13, 25  # the module `signal` costs 10 ms

# Neither helper can be told to end with its owner (what they do with their own
# credentials clears PR_SET_PDEATHSIG), so a shell waits for the pipe to break.
_WATCH = '"$@" 3<&- & exec 4>&- 5<&-; read gone <&3; kill $!; wait'

_SLIRP_DNS = "10.0.2.3"


class UserNetwork:
    """A namespace's way out, until `close` or until this process is gone.

    `endpoint` is what the container has; `ports` are the host ports that lead to it;
    `nameservers` answer inside where the host's own cannot be reached. The owner
    watches `fileno()` and calls `serve()` when it is readable.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        nameservers: tuple[str, ...],
        ports: tuple[PortMapping, ...],
        helper: _Helper,
        published: Published,
    ) -> None:
        self.endpoint = endpoint
        self.nameservers = nameservers
        self.ports = ports
        self._helper = helper
        self._published = published

    def __enter__(self) -> UserNetwork:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def helper(self) -> int:
        """The pipe that keeps the helper: it ends when nobody has it any more."""
        return self._helper.pipe

    def fileno(self) -> int:
        return self._published.fileno()

    def serve(self) -> None:
        """Pass on what waits, without blocking."""
        self._published.serve()

    def hand_over(self) -> tuple[dict[str, Any], tuple[int, ...], tuple[int, ...]]:
        """As Published.hand_over; who holds the helper's pipe has the helper."""
        given, serving, _ = self._published.hand_over()
        return given, serving, (self._helper.pipe,)

    def release(self) -> None:
        """Let go of what another process has now."""
        self._published.release()
        self._helper.release()

    def close(self) -> None:
        """End the helper and give the ports back; a second time does nothing."""
        self._published.close()
        self._helper.close()


def attach(
    namespace: int, ports: tuple[PortMapping, ...] = (), program: str = ""
) -> UserNetwork:
    """Connect `namespace` to the outside, and `ports` of the host to it.

    `program` is the path of pasta or slirp4netns; by default the first of them that
    is installed. pasta leads TCP ports by itself; the others this process serves.
    Raises NetworkError.
    """
    program = program or _find()
    if not os.access(_TUN, os.R_OK | os.W_OK):
        raise NetworkError(
            f"{_TUN} cannot be opened, without which there is no network for a user.",
            hint=f"As root: `modprobe tun; chmod 0666 {_TUN}`; or --network=host.",
        )
    slirp = os.path.basename(program).startswith("slirp4netns")
    # pasta as Debian 12 has it loses the answers to datagrams on led ports.
    led = () if slirp else tuple(_free(m) for m in ports if m.protocol == "tcp")
    arguments = _slirp_arguments() if slirp else _pasta_arguments(led)
    helper = _Helper(namespace, (program, *arguments))
    try:
        endpoint = _endpoint(namespace, helper.name)
        rest = tuple(m for m in ports if slirp or m.protocol != "tcp")
        published = forward(rest, endpoint.address, namespace)
    except BaseException:
        helper.close()
        raise
    nameservers = (_SLIRP_DNS,) if slirp else ()
    return UserNetwork(
        endpoint, nameservers, (*led, *published.ports), helper, published
    )


def _endpoint(namespace: int, network: str) -> Endpoint:
    """What the helper made of the namespace."""
    with netns.inside(namespace, lambda: netlink.Socket(netlink.ROUTE)) as route:
        found = links.find_interface(route)
    return Endpoint(
        address=found.address,
        prefix=found.prefix,
        gateway=found.gateway,
        interface=links.INTERFACE,
        mtu=found.mtu,
        mac=found.mac,
        network=network,
        name="bridge",
    )


def _find() -> str:
    for name in ("pasta", "slirp4netns"):
        for folder in _FOLDERS:
            path = os.path.join(folder, name)
            if os.access(path, os.X_OK):
                return path
    raise NetworkError(
        "An ordinary user's containers need pasta or slirp4netns for their network.",
        hint="`sudo apt install passt` (or slirp4netns); `--network=none` and "
        "`--network=host` do without.",
    )


def _free(mapping: PortMapping) -> PortMapping:
    """The mapping with a host port that is free now: pasta binds it by itself."""
    bound, sockets = bind(mapping)
    for socket in sockets:
        socket.close()
    return bound


def _pasta_arguments(ports: tuple[PortMapping, ...]) -> tuple[str, ...]:
    """See pasta(1). `--no-map-gw`: the host's loopback is not the container's."""
    lead: list[str] = []
    for mapping in ports:
        where = f"{mapping.host_ip}/" if mapping.host_ip else ""
        lead += ("-t", f"{where}{mapping.host_port}:{mapping.container_port}")
    return (
        *("--foreground", "--quiet", "--config-net", "--no-map-gw"),
        *("--ns-ifname", links.INTERFACE, *(lead or ("-t", "none"))),
        *("-u", "none", "-T", "none", "-U", "none"),
        *("--netns", f"/proc/self/fd/{_NAMESPACE}"),
        *("--pid", f"/proc/self/fd/{_READY}"),
    )


def _slirp_arguments() -> tuple[str, ...]:
    """See slirp4netns(1)."""
    return (
        *("--configure", "--mtu=65520", "--disable-host-loopback"),
        *(f"--ready-fd={_READY}", "--netns-type=path"),
        *(f"/proc/self/fd/{_NAMESPACE}", links.INTERFACE),
    )


class _Helper:
    """pasta or slirp4netns, running and ready; ends when this process does."""

    def __init__(self, namespace: int, command: tuple[str, ...]) -> None:
        self.name = os.path.basename(command[0])
        watched, self._alive = os.pipe()
        ready, tell = os.pipe()
        log = os.memfd_create("log")
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        given = {0: null, 1: null, 2: log}
        given |= {_OWNER: watched, _READY: tell, _NAMESPACE: namespace}
        try:
            self._pid = _spawn(("sh", "-c", _WATCH, "sh", *command), given)
            os.close(tell)
            tell = -1
            if not _wait(ready):
                self.close()
                raise _failed(self.name, os.pread(log, 1 << 16, 0))
        finally:
            for fd in (watched, ready, tell, log, null):
                if fd >= 0:
                    os.close(fd)

    @property
    def pipe(self) -> int:
        """The helper ends when nobody has this open any more."""
        return self._alive

    def release(self) -> None:
        """Leave the helper to who else has the pipe."""
        os.close(self._alive)
        self._alive = -1
        # Where there can be no more threads it stays a zombie until this process ends.
        with contextlib.suppress(RuntimeError):
            _thread.start_new_thread(_bury, (self._pid,))

    def close(self) -> None:
        """Break the pipe, and wait until the helper is gone."""
        if self._alive < 0:
            return
        os.close(self._alive)
        self._alive = -1
        os.waitpid(self._pid, 0)


def _bury(pid: int) -> None:
    """Wait for a child that was left to another process: `lamina watch` has one for
    each container that it runs, and lives on when they end."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _spawn(command: tuple[str, ...], given: dict[int, int]) -> int:
    """Start the shell with the descriptors `given`; not part of our process group."""
    high = {
        target: fcntl.fcntl(source, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE)
        for target, source in given.items()
    }
    try:
        return os.posix_spawn(
            "/bin/sh",
            command,
            {"PATH": ":".join(_FOLDERS)},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, source, target) for target, source in high.items()
            ],
            setpgroup=0,
            # Python ignores these, and pasta takes that for an error.
            setsigdef=(_SIGPIPE, _SIGXFSZ),
            setsigmask=(),
        )
    finally:
        for source in high.values():
            os.close(source)


def _wait(ready: int) -> bool:
    """Whether something was written before the other end was closed, or in time."""
    poll = select.poll()
    poll.register(ready, select.POLLIN)
    return bool(poll.poll(_PATIENCE)) and bool(os.read(ready, 64))


def _failed(name: str, log: bytes) -> NetworkError:
    lines = [
        line
        for line in log.decode(errors="replace").splitlines()
        if line.strip() and "syslog" not in line
    ]
    why = lines[-1].strip() if lines else "it did not become ready"
    return NetworkError(
        f"{name} could not connect the container: {why}.",
        hint="`--network=none` and `--network=host` do without it.",
    )
