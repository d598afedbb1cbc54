"""Spec: what to run and how it is isolated, as values.

The parts of an OCI runtime-spec config.json that Lamina carries out, under the
spec's names. `runtime/bundles/bundle.py` reads and writes the JSON.
"""

from __future__ import annotations

from lamina.values import EMPTY, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


# Docker's defaults (moby, oci/caps/defaults.go).
DEFAULT_CAPABILITIES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
)

# Docker's (moby, oci/defaults.go), with those of GHSA-6fw5-f8r9-fgfm and
# GHSA-jq35-85cj-fj4p.
MASKED_PATHS = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
READONLY_PATHS = (
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
)


@value
class Namespace:
    """A namespace that a container is in: a new one, or the one at `path`.

    `type`: pid, network, mount, ipc, uts, cgroup or time. A path is one like
    /proc/PID/ns/ipc, looked up by who launches (namespaces(7)).
    """

    type: str
    path: str = ""


DEFAULT_NAMESPACES = tuple(
    Namespace(kind) for kind in ("pid", "ipc", "uts", "mount", "network", "cgroup")
)


@value
class Rlimit:
    """`type` as in setrlimit(2): RLIMIT_NOFILE. -1 is no limit."""

    type: str
    soft: int
    hard: int


@value
class IdMapping:
    """`size` ids from `inside` on are those from `outside` on; user_namespaces(7)."""

    inside: int
    outside: int
    size: int


@value
class Scheduler:
    """How a process is scheduled, as sched_setattr(2) has it: `policy` and `flags` are
    its numbers; the last three, in ns, are SCHED_DEADLINE's."""

    policy: int = 0
    flags: int = 0
    nice: int = 0
    priority: int = 0
    runtime: int = 0
    deadline: int = 0
    period: int = 0


@value
class Process:
    """One process in a container: the first, or one that `exec` adds.

    `user` is as an image says it (`name`, `uid`, `user:group`), resolved inside the
    root; `groups` are supplementary ones beside those that /etc/group gives, by number
    or by a name there.
    `env` are `NAME=value`. `init` puts a process before it as PID 1 that forwards
    signals and reaps. `console_size` is (rows, columns). `parent_death`: the kernel
    kills it when the process that started it ends.

    `ids` are (uid, gid) instead of `user`, as numbers that no file of the root turns
    into others. `capabilities` bound what it can ever have; `effective` and `permitted`
    are the same where they are None. `io_priority` is (class, priority) of
    ioprio_set(2), `cpus` those that it may run on, `personality` a domain of
    personality(2).
    """

    args: tuple[str, ...]
    env: tuple[str, ...] = ()
    cwd: str = "/"
    user: str = ""
    groups: tuple[int | str, ...] = ()
    terminal: bool = False
    console_size: tuple[int, int] = (0, 0)
    capabilities: tuple[str, ...] = DEFAULT_CAPABILITIES
    no_new_privileges: bool = False
    rlimits: tuple[Rlimit, ...] = ()
    oom_score_adj: int | None = None
    umask: int = 0o022
    init: bool = False
    parent_death: bool = False
    ids: tuple[int, int] | None = None
    effective: tuple[str, ...] | None = None
    permitted: tuple[str, ...] | None = None
    inheritable: tuple[str, ...] = ()
    ambient: tuple[str, ...] = ()
    apparmor_profile: str = ""
    selinux_label: str = ""
    scheduler: Scheduler | None = None
    io_priority: tuple[int, int] | None = None
    cpus: tuple[int, ...] = ()
    personality: int | None = None


@value
class Mount:
    """One mount. A `bind` without a source takes the next fd that launch is given.

    The mappings are those of an idmapped mount (mount_setattr(2)).
    """

    destination: str
    type: str
    source: str = ""
    options: tuple[str, ...] = ()
    uid_mappings: tuple[IdMapping, ...] = ()
    gid_mappings: tuple[IdMapping, ...] = ()


@value
class Device:
    """A device node: `type` c, b or p (a FIFO); a host's device that the container
    gets. `source` is where the host has it, if not at the same path."""

    path: str
    type: str
    major: int
    minor: int
    mode: int = 0o666
    uid: int = 0
    gid: int = 0
    source: str = ""


@value
class DeviceRule:
    """A line of the device list: type a, b or c; None is any; access out of `rwm`."""

    allow: bool
    type: str = "a"
    major: int | None = None
    minor: int | None = None
    access: str = "rwm"


@value
class Throttle:
    """A limit of one block device: `kind` is read_bps, write_bps, read_iops,
    write_iops, weight or leaf_weight."""

    kind: str
    major: int
    minor: int
    rate: int


@value
class Resources:
    """Limits, 0 or "" where there is none; bytes, microseconds, counts.

    `memory_swap` is memory and swap together as in Docker, -1 unlimited; with
    `derive_swap` a limit of memory alone allows as much swap again. `swappiness`
    None is the kernel's own. `hugepages` are (page size such as 2MB, bytes); `rdma`
    (device, handles, objects) with None for any; `priorities` (interface, number).
    """

    memory: int = 0
    memory_swap: int = 0
    memory_reservation: int = 0
    cpu_quota: int = 0
    cpu_period: int = 0
    cpu_shares: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    pids: int = 0
    blkio_weight: int = 0
    devices: tuple[DeviceRule, ...] = ()
    cpu_burst: int = 0
    cpu_idle: int | None = None
    realtime_runtime: int = 0
    realtime_period: int = 0
    swappiness: int | None = None
    oom_kill_disabled: bool = False
    derive_swap: bool = True
    leaf_weight: int = 0
    throttles: tuple[Throttle, ...] = ()
    hugepages: tuple[tuple[str, int], ...] = ()
    rdma: tuple[tuple[str, int | None, int | None], ...] = ()
    class_id: int = 0
    priorities: tuple[tuple[str, int], ...] = ()
    unified: Mapping[str, str] = EMPTY


DEFAULT_MOUNTS = (
    Mount("/proc", "proc", "proc", ("nosuid", "noexec", "nodev")),
    Mount(
        "/dev", "tmpfs", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=65536k")
    ),
    Mount(
        "/dev/pts",
        "devpts",
        "devpts",
        ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
    ),
    Mount(
        "/dev/shm",
        "tmpfs",
        "shm",
        ("nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
    ),
    Mount("/dev/mqueue", "mqueue", "mqueue", ("nosuid", "noexec", "nodev")),
    Mount("/sys", "sysfs", "sysfs", ("nosuid", "noexec", "nodev", "ro")),
    Mount("/sys/fs/cgroup", "cgroup", "cgroup", ("nosuid", "noexec", "nodev", "ro")),
)


@value
class Spec:
    """A container: its first process and what it sees.

    A type that is not among `namespaces` is that of who launches it. `sysctl` names
    are dotted. `seccomp` is a profile as Docker writes them, for the
    record; the filter itself is compiled by the caller and given to launch.
    The mappings are those of a new user namespace, `time_offsets` (clock, seconds, ns)
    those of a new time namespace. `propagation` is the root's, `mount_label` the
    SELinux label of what is mounted.
    """

    process: Process
    namespaces: tuple[Namespace, ...] = DEFAULT_NAMESPACES
    hostname: str = ""
    domainname: str = ""
    root_readonly: bool = False
    mounts: tuple[Mount, ...] = DEFAULT_MOUNTS
    devices: tuple[Device, ...] = ()
    resources: Resources = Resources()
    masked_paths: tuple[str, ...] = MASKED_PATHS
    readonly_paths: tuple[str, ...] = READONLY_PATHS
    sysctl: Mapping[str, str] = EMPTY
    cgroup: str = ""
    seccomp: Mapping[str, Any] | None = None
    annotations: Mapping[str, str] = EMPTY
    uid_mappings: tuple[IdMapping, ...] = ()
    gid_mappings: tuple[IdMapping, ...] = ()
    time_offsets: tuple[tuple[str, int, int], ...] = ()
    propagation: str = ""
    mount_label: str = ""
