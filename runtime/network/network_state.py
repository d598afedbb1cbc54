"""What a network is called on this machine, and the lock that is held to change it.

A network is what its state directory says: the bridge and the nftables table are
named after it. The state is the machine's, not a store's, because two stores that
share a bridge have to share the leases. `STATE_DIR` is that of the default network
`lamina0`; with another directory comes another network. Those that users make have
theirs in NETWORKS, by their IDs; an ordinary user's in the store (`networks_of`).

    <state_dir>/lock          held while the network is checked, made or changed
    <state_dir>/subnet        the subnet of last time, taken again while it is free
    <state_dir>/layout        what a user's network was made as: layout.py
    <state_dir>/leases/       who has which address: addresses.py
    <state_dir>/ports/        which host port leads where: portmap.py
    <state_dir>/groups/       virtual addresses of groups: groups.py
"""

from __future__ import annotations

import binascii
import errno
import fcntl
import os

from lamina.runtime.errors import NetworkError
from lamina.runtime.network import layout
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.network.layout import Layout

STATE_DIR = "/run/lamina/network"
NETWORKS = "/run/lamina/networks"
_NETWORKS = "networks"

_UNKNOWN_TO_KERNEL = (errno.ENOENT, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT)


@value
class Network:
    """The names of a network's parts."""

    directory: str
    bridge: str
    table: str
    subnet: str  # the first to try
    layout: Layout | None = None  # of a network that a user made

    @property
    def leases(self) -> str:
        return os.path.join(self.directory, "leases")

    @property
    def ports(self) -> str:
        return os.path.join(self.directory, "ports")

    @property
    def groups(self) -> str:
        return os.path.join(self.directory, "groups")


def is_hosts() -> bool:
    """Whether networks are made on the host: by root, and not that of a namespace."""
    with open("/proc/self/uid_map", "rb", buffering=0) as file:
        everyone = file.read(4096).split() == [b"0", b"0", b"4294967295"]
    return everyone and os.geteuid() == 0


def networks_of(root: str) -> str:
    """Where the networks that users make lie while they are up."""
    return NETWORKS if is_hosts() else f"{root}/run/{_NETWORKS}"


def network_of(state_dir: str) -> Network:
    """The network whose state lies in `state_dir`, which need not exist yet."""
    directory = os.path.realpath(state_dir)
    if directory == os.path.realpath(STATE_DIR):
        return Network(directory, "lamina0", "lamina", "10.201.0.0/24")
    place, identity = os.path.split(directory)
    if os.path.basename(place) == _NETWORKS:
        found = layout.read(directory)
        bridge = (found.bridge if found else "") or f"lm{identity[:12]}"
        subnet = found.subnet if found else ""
        return Network(directory, bridge, f"lamina_{identity[:12]}", subnet, found)
    number = binascii.crc32(os.fsencode(directory))
    mark, subnet = f"{number:08x}", f"10.201.{number % 256}.0/24"
    return Network(directory, f"lam{mark}", f"lamina_{mark}", subnet)


class Lock:
    """A context in which no other process changes the network; makes its folders."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._fd = -1

    def __enter__(self) -> None:
        try:
            for folder in (self._network.leases, self._network.ports):
                os.makedirs(folder, mode=0o700, exist_ok=True)
            path = os.path.join(self._network.directory, "lock")
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise NetworkError(
                f"Cannot keep the network's state: {error}.",
                hint="Networks take root and a writable /run; `--network=none` and "
                "`--network=host` do not.",
            ) from error
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


class explained:
    """Turns the kernel's refusals into NetworkError: `what`, and its reason."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _t: object) -> None:
        if isinstance(error, OSError):
            hint = ""
            if error.errno == errno.EPERM:
                hint = "It takes root; `--network=none` and `--network=host` do not."
            elif error.errno in _UNKNOWN_TO_KERNEL:
                hint = "Networks need nf_tables (with nat, masq, ct and fib), bridge "
                hint += "and veth in the kernel; `--network=host` needs none of them."
            text = f"{self._what}: {error.strerror}."
            raise NetworkError(text, hint=hint) from error
