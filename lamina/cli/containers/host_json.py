"""`HostConfig` of a container, as the Engine API gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.cli.formats.amounts import size
from lamina.runtime.containers.devices import parts
from lamina.runtime.containers.volumes import BIND, TMPFS, VOLUME, parse_mount
from lamina.runtime.spec import MASKED_PATHS, READONLY_PATHS

if TYPE_CHECKING:
    from lamina.runtime.containers.state import Container

_OPENED = "systempaths=unconfined"


def host_config(root: str, container: Container) -> dict[str, Any]:
    """What the user asked for, in the types of Docker's API."""
    options = container.options
    bare = options.privileged or any(
        text.replace(":", "=", 1) == _OPENED for text in options.security
    )
    return {
        "Binds": list(options.binds) or None,
        "ContainerIDFile": "",
        "VolumesFrom": list(options.volumes_from) or None,
        "LogConfig": {
            "Type": options.log_driver,
            "Config": _pairs(options.log_options),
        },
        "NetworkMode": options.network,
        "Links": _links(root, container) or None,
        "PortBindings": _bindings(options.publish),
        "RestartPolicy": _restart_policy(options.restart),
        "AutoRemove": options.remove,
        "VolumeDriver": "",
        "ConsoleSize": [0, 0],
        "CapAdd": list(map(_capability, options.cap_add)) or None,
        "CapDrop": list(map(_capability, options.cap_drop)) or None,
        "Dns": list(options.dns),
        "DnsOptions": list(options.dns_options),
        "DnsSearch": list(options.dns_search),
        "ExtraHosts": list(options.extra_hosts) or None,
        "GroupAdd": list(options.groups) or None,
        "OomScoreAdj": options.oom_score_adj,
        "CgroupParent": options.cgroup_parent,
        "Cgroup": "",
        "CgroupnsMode": options.cgroupns or "private",
        "IpcMode": options.ipc or "private",
        "PidMode": options.pid,
        "UTSMode": options.uts,
        "UsernsMode": options.userns,
        "Privileged": options.privileged,
        "PublishAllPorts": options.publish_all,
        "ReadonlyRootfs": options.read_only,
        "SecurityOpt": list(options.security) or None,
        "ShmSize": options.shm_size,
        "Sysctls": _pairs(options.sysctls),
        "Annotations": _pairs(options.annotations),
        "CpuShares": options.cpu_shares,
        "Memory": options.memory,
        "NanoCpus": options.nano_cpus,
        "CpuPeriod": options.cpu_period,
        "CpuQuota": options.cpu_quota,
        "CpusetCpus": options.cpuset_cpus,
        "CpusetMems": options.cpuset_mems,
        "CpuRealtimePeriod": 0,
        "CpuRealtimeRuntime": 0,
        "BlkioWeight": options.blkio_weight,
        "Devices": list(map(_device, options.devices)),
        "DeviceCgroupRules": list(options.device_rules) or None,
        "DeviceRequests": None,
        "MemoryReservation": options.memory_reservation,
        # As docker has it, and the kernel: as much swap as memory.
        "MemorySwap": options.memory_swap or 2 * options.memory,
        "MemorySwappiness": _given(options.memory_swappiness),
        "OomKillDisable": options.oom_kill_disabled,
        "PidsLimit": options.pids_limit or None,
        "Ulimits": list(map(_ulimit, options.ulimits)),
        "Init": options.init or None,
        "Runtime": options.runtime or "lamina",
        "Isolation": "",
        "CpuCount": 0,
        "CpuPercent": 0,
        "IOMaximumIOps": 0,
        "IOMaximumBandwidth": 0,
        "Tmpfs": {
            place: rest
            for place, _, rest in (text.partition(":") for text in options.tmpfs)
        }
        or None,
        "Mounts": [_mount(text, options.folder) for text in options.mounts] or None,
        "MaskedPaths": None if bare else list(MASKED_PATHS),
        "ReadonlyPaths": None if bare else list(READONLY_PATHS),
    }


def exposed(published: tuple[str, ...]) -> dict[str, Any]:
    """The container's ports of what is published."""
    return {port: {} for port in _bindings(published)}


def _given(number: int) -> int | None:
    return None if number < 0 else number


def _capability(name: str) -> str:
    whole = name.upper()
    return whole if whole == "ALL" or whole.startswith("CAP_") else f"CAP_{whole}"


def _device(text: str) -> dict[str, str]:
    host, inside, access = parts(text)
    return {
        "PathOnHost": host,
        "PathInContainer": inside,
        "CgroupPermissions": access,
    }


def _ulimit(text: str) -> dict[str, Any]:
    name, _, limits = text.partition("=")
    soft, _, hard = limits.partition(":")
    return {"Name": name, "Hard": int(hard or soft), "Soft": int(soft)}


def _mount(text: str, folder: str) -> dict[str, Any]:
    """One of `--mount`; what says nothing is left out."""
    volume = parse_mount(text, folder)
    found: dict[str, Any] = {"Type": volume.kind, "Target": volume.destination}
    if volume.source:
        found["Source"] = volume.source
    if volume.read_only:
        found["ReadOnly"] = True
    if volume.kind == BIND and volume.propagation != "rprivate":
        found["BindOptions"] = {"Propagation": volume.propagation}
    if volume.kind == VOLUME and not volume.copy:
        found["VolumeOptions"] = {"NoCopy": True}
    if volume.kind == TMPFS:
        given = _pairs(volume.options)
        limits: dict[str, int] = {}
        if "size" in given:
            limits["SizeBytes"] = size(given["size"], "tmpfs-size")
        if "mode" in given:
            limits["Mode"] = int(given["mode"], 8)
        found |= {"TmpfsOptions": limits} if limits else {}
    return found


def _links(root: str, container: Container) -> list[str]:
    """Those of the default network; others are of their network."""
    from lamina.runtime.containers import linking
    from lamina.runtime.containers.state import load_container
    from lamina.runtime.errors import NoSuchContainer

    found = []
    if linking.are_legacy(container.options):
        for identity, alias in map(linking.parse, container.options.links):
            try:
                name = load_container(root, identity).name
            except NoSuchContainer:
                name = identity  # it is gone
            found.append(f"/{name}:/{container.name}/{alias}")
    return found


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    return dict(text.partition("=")[::2] for text in texts)


def _restart_policy(text: str) -> dict[str, Any]:
    name, _, most = text.partition(":")
    return {"Name": name, "MaximumRetryCount": int(most or 0)}


def _bindings(published: tuple[str, ...]) -> dict[str, Any]:
    """What was asked for: `80/tcp` to the addresses and ports of the host."""
    from lamina.runtime.network.ports import parse_port

    found: dict[str, list[dict[str, str]]] = {}
    for text in published:
        for mapping in parse_port(text):
            key = f"{mapping.container_port}/{mapping.protocol}"
            host = {
                "HostIp": mapping.host_ip,
                "HostPort": str(mapping.host_port or ""),
            }
            found.setdefault(key, []).append(host)
    return found
