"""Options: what `run` and `create` may ask of a container beside its ImageConfig.

Docker's HostConfig in plain text and numbers, so that it goes to disk as it is; what
its texts mean is read where it is carried out (volumes.py, ports.py, plan.py).
"""

from __future__ import annotations

from lamina.values import value

# Docker's, in bytes.
DEFAULT_SHM_SIZE = 64 << 20


@value
class Options:
    """All fields have Docker's defaults. Sizes in bytes, `nano_cpus` 10^9 a CPU.

    `binds`, `mounts`, `tmpfs` as `-v`, `--mount` and `--tmpfs` take them; what is
    relative in them is so to `folder`. `publish`: `[IP:][HOST:]CONTAINER[/PROTOCOL]`;
    `ulimits`: `TYPE=SOFT[:HARD]`; `stop_timeout` in seconds, -1 the default;
    `pids_limit` 0 is none.
    """

    interactive: bool = False
    terminal: bool = False
    detached: bool = False
    remove: bool = False
    network: str = "default"
    publish: tuple[str, ...] = ()
    publish_all: bool = False
    binds: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    tmpfs: tuple[str, ...] = ()
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
    nano_cpus: int = 0
    cpu_shares: int = 0
    cpuset_cpus: str = ""
    pids_limit: int = 0
    ulimits: tuple[str, ...] = ()
    shm_size: int = DEFAULT_SHM_SIZE
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    privileged: bool = False
    security: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    sysctls: tuple[str, ...] = ()
    init: bool = False
    oom_score_adj: int = 0
    stop_timeout: int = -1
