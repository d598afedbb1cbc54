"""What a service's keys ask of a container: its Options and its Overrides.

The keys are those of the compose specification in their canonical form; what each of
them means is docker's, as docker compose translates them.
"""

from __future__ import annotations

from lamina.oci.config import Healthcheck
from lamina.runtime.containers import volumes
from lamina.runtime.containers.container import Overrides
from lamina.runtime.containers.options import DEFAULT_SHM_SIZE, Options
from lamina.services import labels
from lamina.services.attachments import hosts_of, mode_of, network_of, port_of
from lamina.services.limits import (
    block_devices,
    grace_of,
    limits_of,
    microseconds,
    size_of,
    ulimits_of,
)
from lamina.services.log_options import log_options
from lamina.services.mounts import file_mounts, memory_mounts, mounts_of, shared_from
from lamina.services.units import nanoseconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from lamina.services.wanted import Wanted

    Keys = Mapping[str, Any]

_POLICIES = {"none": "no", "any": "always", "on-failure": "on-failure"}


def options_of(wanted: Wanted, find: Callable[[str], str]) -> Options:
    """Its Options; `find` gives the ID of a container of another service.

    Raises ComposeError, ContainerError.
    """
    keys = wanted.service.keys
    limits = limits_of(keys)
    mounts = (*mounts_of(wanted), *file_mounts(wanted))
    shared = keys.get("volumes_from") or ()
    return Options(
        interactive=bool(keys.get("stdin_open")),
        terminal=bool(keys.get("tty")),
        detached=True,
        **network_of(wanted, find),
        publish=tuple(map(port_of, () if wanted.once else keys.get("ports") or ())),
        mounts=tuple(map(volumes.mount_text, mounts)),
        tmpfs=(*_texts(keys, "tmpfs"), *memory_mounts(keys)),
        volumes_from=tuple(shared_from(text, find) for text in shared),
        folder=wanted.project.folder,
        read_only=bool(keys.get("read_only")),
        hostname=keys.get("hostname") or "",
        domainname=keys.get("domainname") or "",
        extra_hosts=hosts_of(keys.get("extra_hosts") or ()),
        dns=_texts(keys, "dns"),
        dns_search=_texts(keys, "dns_search"),
        dns_options=_texts(keys, "dns_opt"),
        memory=limits.memory,
        memory_swap=size_of(keys, "memswap_limit"),
        memory_reservation=limits.reservation,
        memory_swappiness=int(keys.get("mem_swappiness", -1)),
        oom_kill_disabled=bool(keys.get("oom_kill_disable")),
        nano_cpus=limits.nano_cpus,
        cpu_shares=int(keys.get("cpu_shares") or 0),
        cpu_period=microseconds(keys, "cpu_period"),
        cpu_quota=microseconds(keys, "cpu_quota"),
        cpuset_cpus=str(keys.get("cpuset") or ""),
        pids_limit=limits.pids,
        **block_devices(keys.get("blkio_config") or {}),
        ulimits=ulimits_of(keys.get("ulimits") or {}),
        shm_size=size_of(keys, "shm_size") or DEFAULT_SHM_SIZE,
        cap_add=_texts(keys, "cap_add"),
        cap_drop=_texts(keys, "cap_drop"),
        privileged=bool(keys.get("privileged")),
        security=_texts(keys, "security_opt"),
        groups=_texts(keys, "group_add"),
        devices=tuple(map(_device, keys.get("devices") or ())),
        device_rules=_texts(keys, "device_cgroup_rules"),
        sysctls=_pairs(keys.get("sysctls") or {}),
        pid=mode_of(keys.get("pid") or "", find),
        ipc=mode_of(keys.get("ipc") or "", find),
        uts=keys.get("uts") or "",
        cgroupns=keys.get("cgroup") or "",
        cgroup_parent=keys.get("cgroup_parent") or "",
        userns=keys.get("userns_mode") or "",
        runtime=keys.get("runtime") or "",
        annotations=_pairs(keys.get("annotations") or {}),
        init=bool(keys.get("init")),
        oom_score_adj=int(keys.get("oom_score_adj") or 0),
        stop_timeout=grace_of(keys),
        restart="no" if wanted.once else _restart(keys),
        **log_options(keys.get("logging") or {}),
    )


def overrides_of(wanted: Wanted) -> Overrides:
    """What its keys say over the image's config."""
    keys = wanted.service.keys
    entrypoint = keys.get("entrypoint")
    own = {str(key): str(text) for key, text in (keys.get("labels") or {}).items()}
    variables = (keys.get("environment") or {}).items()
    return Overrides(
        command=tuple(keys.get("command") or ()),
        entrypoint=None if entrypoint is None else tuple(entrypoint),
        env=tuple(f"{name}={text}" for name, text in variables if text is not None),
        user=str(keys.get("user") or ""),
        working_dir=keys.get("working_dir") or "",
        labels=tuple({**own, **labels.of_container(wanted)}.items()),
        stop_signal=keys.get("stop_signal") or "",
        exposed_ports=tuple(map(_exposed, keys.get("expose") or ())),
        healthcheck=_healthcheck(keys.get("healthcheck") or {}),
    )


def _exposed(one: object) -> str:
    text = str(one)
    return text if "/" in text else f"{text}/tcp"


def _texts(keys: Keys, name: str) -> tuple[str, ...]:
    given = keys.get(name) or ()
    return (given,) if isinstance(given, str) else tuple(map(str, given))


def _pairs(given: Any) -> tuple[str, ...]:
    if not isinstance(given, dict):
        return tuple(map(str, given))
    return tuple(f"{key}={text}" for key, text in given.items())


def _device(one: Any) -> str:
    if isinstance(one, str):
        return one
    fields = (one["source"], one.get("target"), one.get("permissions"))
    return ":".join(text for text in fields if text)


def _restart(keys: Keys) -> str:
    given = keys.get("restart")
    if given:
        return str(given)
    policy = (keys.get("deploy") or {}).get("restart_policy") or {}
    if not policy:
        return "no"
    name = _POLICIES[policy.get("condition") or "any"]
    most = policy.get("max_attempts")
    return f"{name}:{most}" if name == "on-failure" and most else name


def _healthcheck(given: Keys) -> Healthcheck | None:
    if not given:
        return None
    if given.get("disable"):
        return Healthcheck(("NONE",))
    times = {
        name: nanoseconds(given[name])
        for name in ("interval", "timeout", "start_period", "start_interval")
        if given.get(name) is not None
    }
    retries = int(given.get("retries") or 0)
    return Healthcheck(tuple(given.get("test") or ()), **times, retries=retries)
