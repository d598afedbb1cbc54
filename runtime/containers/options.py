"""Options: what `run` and `create` may ask of a container beside its ImageConfig.

Docker's HostConfig in plain text and numbers, so that it goes to disk as it is; what
its texts mean is read where it is carried out (volumes.py, ports.py, plan.py).
"""

from __future__ import annotations

from lamina.values import value

# For `network`, `pid`, `ipc` and `uts`: the container has the host's own.
HOST = "host"
# Docker's, in bytes.
DEFAULT_SHM_SIZE = 64 << 20


@value
class Options:
    """All fields have Docker's defaults. Sizes are in bytes, 0 for no limit."""

    # Its streams, and what becomes of it at its end.
    interactive: bool = False
    terminal: bool = False
    detached: bool = False
    remove: bool = False
    # A policy of keeper/restarts.py; `on-failure:N` with a limit.
    restart: str = "no"
    # In seconds, -1 for the default.
    stop_timeout: int = -1
    log_driver: str = "json-file"
    # KEY=VALUE, as in max-size=BYTES.
    log_options: tuple[str, ...] = ()

    # Networks: see endpoints.py. Links are CONTAINER[:ALIAS], published ports
    # [IP:][HOST:]CONTAINER[/PROTOCOL].
    network: str = "default"
    networks: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    publish: tuple[str, ...] = ()
    publish_all: bool = False
    hostname: str = ""
    domainname: str = ""
    extra_hosts: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()

    # Files: as `-v`, `--mount` and `--tmpfs` take them, relative to `folder`.
    # `volumes_from` are containers, ID[:ro|rw], and `inherited` what that came to, as
    # `--mount` takes it.
    binds: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    tmpfs: tuple[str, ...] = ()
    volumes_from: tuple[str, ...] = ()
    inherited: tuple[str, ...] = ()
    folder: str = "/"
    read_only: bool = False
    shm_size: int = DEFAULT_SHM_SIZE

    # Limits: see resources.py. `nano_cpus` is 10^9 for a CPU; -1 is no limit of swap
    # and processes, and of `memory_swappiness` the kernel's own; `ulimits` are
    # TYPE=SOFT[:HARD].
    memory: int = 0
    memory_swap: int = 0
    memory_reservation: int = 0
    memory_swappiness: int = -1
    oom_kill_disabled: bool = False
    oom_score_adj: int = 0
    nano_cpus: int = 0
    cpu_shares: int = 0
    cpu_period: int = 0
    cpu_quota: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    pids_limit: int = 0
    blkio_weight: int = 0
    blkio_weight_device: tuple[str, ...] = ()
    device_read_bps: tuple[str, ...] = ()
    device_write_bps: tuple[str, ...] = ()
    device_read_iops: tuple[str, ...] = ()
    device_write_iops: tuple[str, ...] = ()
    ulimits: tuple[str, ...] = ()

    # Rights. Devices are HOST[:CONTAINER][:rwm], their rules as in
    # cgroup-v1/devices.rst.
    privileged: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    security: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    device_rules: tuple[str, ...] = ()
    sysctls: tuple[str, ...] = ()

    # Namespaces: see joining.py; `userns` is `host` or nothing, which is the same. And
    # the cgroup to be below: see cgroups/parents.py.
    pid: str = ""
    ipc: str = ""
    uts: str = ""
    cgroupns: str = ""
    userns: str = ""
    cgroup_parent: str = ""

    # How it is launched: by another OCI runtime, a name or a path (foreign.py), with an
    # init before its process; `annotations` are KEY=VALUE.
    runtime: str = ""
    init: bool = False
    annotations: tuple[str, ...] = ()
