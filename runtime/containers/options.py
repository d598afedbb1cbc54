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
    """All fields have Docker's defaults. Sizes in bytes, `nano_cpus` 10^9 a CPU.

    `network` and `networks`: see endpoints.py; `links`: `CONTAINER[:ALIAS]`.
    `binds`, `mounts`, `tmpfs` as `-v`, `--mount` and `--tmpfs` take them; what is
    relative in them is so to `folder`. `volumes_from`: containers, `ID[:ro|rw]`, and
    `inherited` what that came to, as `--mount` takes it. `publish`:
    `[IP:][HOST:]CONTAINER[/PROTOCOL]`; `ulimits`: `TYPE=SOFT[:HARD]`;
    `stop_timeout` in seconds, -1 the default;
    `pids_limit` 0 is none. `restart`: a policy of keeper/restarts.py, `on-failure:N`
    with a limit; `log_options`: `max-size=BYTES`, `max-file=NUMBER`. `pid`, `ipc`,
    `uts` and `cgroupns`: see joining.py; `cgroup_parent`: cgroups/parents.py.
    `userns` is `host` or nothing, which is the same.
    `devices`: `HOST[:CONTAINER][:rwm]`; `device_rules` as in cgroup-v1/devices.rst;
    `annotations` are `KEY=VALUE`. `runtime`: another OCI runtime, by name or
    path (foreign.py).
    """

    interactive: bool = False
    terminal: bool = False
    detached: bool = False
    remove: bool = False
    network: str = "default"
    networks: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    publish: tuple[str, ...] = ()
    publish_all: bool = False
    binds: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    tmpfs: tuple[str, ...] = ()
    volumes_from: tuple[str, ...] = ()
    inherited: tuple[str, ...] = ()
    folder: str = "/"
    read_only: bool = False
    hostname: str = ""
    domainname: str = ""
    extra_hosts: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    memory: int = 0
    memory_swap: int = 0
    memory_reservation: int = 0
    memory_swappiness: int = -1
    oom_kill_disabled: bool = False
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
    shm_size: int = DEFAULT_SHM_SIZE
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    privileged: bool = False
    security: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    device_rules: tuple[str, ...] = ()
    sysctls: tuple[str, ...] = ()
    pid: str = ""
    ipc: str = ""
    uts: str = ""
    cgroupns: str = ""
    cgroup_parent: str = ""
    userns: str = ""
    runtime: str = ""
    annotations: tuple[str, ...] = ()
    init: bool = False
    oom_score_adj: int = 0
    stop_timeout: int = -1
    restart: str = "no"
    log_driver: str = "json-file"
    log_options: tuple[str, ...] = ()
