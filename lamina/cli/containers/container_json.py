"""A container as the Engine API's `GET /containers/{id}/json` gives it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from lamina.cli.images.image_json import docker_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.oci.store.store import Store
    from lamina.runtime.containers.state import Container, State
    from lamina.runtime.containers.volumes import Volume

_NEVER = "0001-01-01T00:00:00Z"


def find_container_json(store: Store, name: str, size: bool) -> dict[str, Any] | None:
    """What `inspect` shows of the container that `name` means; None for no one."""
    from lamina.runtime.containers import state
    from lamina.runtime.errors import NoSuchContainer

    try:
        identity = state.find(store.root, name)
        container = state.load_container(store.root, identity)
        found = state.see(store.root, identity)
    except NoSuchContainer:
        return None
    document = container_json(store, container, found)
    if size:
        from lamina.cli.images.sizes import tree_size

        upper = tree_size(f"{state.directory(store.root, identity)}/upper")
        layers = [store.layer(content) for content in container.layers]
        document["SizeRw"] = upper
        document["SizeRootFs"] = upper + sum(layer.bytes for layer in layers if layer)
    return document


def container_json(store: Store, container: Container, found: State) -> dict[str, Any]:
    """The whole of it, in the order of Docker's type."""
    from lamina.runtime.containers.process import hostname
    from lamina.runtime.containers.state import directory
    from lamina.runtime.containers.volume_users import mounted

    place = directory(store.root, container.id)
    volumes = mounted(store.root, container)
    lowers = [store.layer_path(content) for content in reversed(container.layers)]
    config = {
        **docker_config(container.config),
        "Hostname": hostname(container),
        "Domainname": container.options.domainname,
        "AttachStdin": container.options.interactive,
        "AttachStdout": not container.options.detached,
        "AttachStderr": not container.options.detached,
        "Tty": container.options.terminal,
        "OpenStdin": container.options.interactive,
        "StdinOnce": container.options.interactive and not container.options.detached,
        "Image": container.image_name,
    }
    if container.options.stop_timeout >= 0:
        config["StopTimeout"] = container.options.stop_timeout
    return {
        "Id": container.id,
        "Created": _moment(container.created),
        "Path": container.args[0],
        "Args": list(container.args[1:]),
        "State": _state(found),
        "Image": container.image,
        "ResolvConfPath": f"{place}/resolv.conf",
        "HostnamePath": f"{place}/hostname",
        "HostsPath": f"{place}/hosts",
        "LogPath": f"{place}/log",
        "Name": f"/{container.name}",
        "RestartCount": found.restart_count,
        "Driver": "overlay",
        "Platform": container.config.os,
        "HostConfig": _host_config(store.root, container),
        "GraphDriver": {
            "Name": "overlay",
            "Data": {
                "LowerDir": ":".join(lowers),
                "UpperDir": f"{place}/upper",
                "WorkDir": f"{place}/work",
            },
        },
        "Mounts": [_mount(store, volume) for volume in volumes],
        "Config": config,
        "NetworkSettings": _network(store, container, found),
    }


def _state(found: State) -> dict[str, Any]:
    pid = found.init.pid if found.init is not None and found.is_running else 0
    document = {
        "Status": found.status,
        "Running": found.is_active,
        "Paused": found.status == "paused",
        "Restarting": found.status == "restarting",
        "OOMKilled": found.oom_killed,
        "Dead": False,
        "Pid": pid,
        "ExitCode": found.exit_code,
        "Error": found.error,
        "StartedAt": _moment(found.started),
        "FinishedAt": _moment(found.finished),
    }
    return document | ({"Health": _health(found.health)} if found.health else {})


def _health(health: Mapping[str, Any]) -> dict[str, Any]:
    """What the last probes said; Docker has times in the zone of the daemon."""
    return {
        "Status": health["status"],
        "FailingStreak": health["failing_streak"],
        "Log": [
            {
                "Start": _moment(result["start"]),
                "End": _moment(result["end"]),
                "ExitCode": result["exit_code"],
                "Output": result["output"],
            }
            for result in health["results"]
        ],
    }


def _moment(nanoseconds: int) -> str:
    if not nanoseconds:
        return _NEVER
    seconds, fraction = divmod(nanoseconds, 10**9)
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{fraction:09d}Z"


def _host_config(root: str, container: Container) -> dict[str, Any]:
    options = container.options
    return {
        "Binds": list(options.binds) or None,
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
        "CapAdd": list(options.cap_add) or None,
        "CapDrop": list(options.cap_drop) or None,
        "Dns": list(options.dns),
        "DnsOptions": list(options.dns_options),
        "DnsSearch": list(options.dns_search),
        "ExtraHosts": list(options.extra_hosts) or None,
        "GroupAdd": list(options.groups) or None,
        "OomScoreAdj": options.oom_score_adj,
        "CgroupParent": options.cgroup_parent,
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
        "BlkioWeight": options.blkio_weight,
        "Devices": list(options.devices),
        "DeviceCgroupRules": list(options.device_rules) or None,
        "MemoryReservation": options.memory_reservation,
        "MemorySwap": options.memory_swap,
        "PidsLimit": options.pids_limit or None,
        "Ulimits": list(options.ulimits) or None,
        "Init": options.init,
    }


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


def _mount(store: Store, volume: Volume) -> dict[str, Any]:
    found: dict[str, Any] = {"Type": volume.kind}
    source = volume.source
    if volume.kind == "volume":
        found["Name"] = volume.source
        source = f"{store.root}/volumes/{volume.source}/_data" if source else ""
        found["Driver"] = "local"
    return {
        **found,
        "Source": source,
        "Destination": volume.destination,
        "Mode": "" if volume.kind != "bind" else ("ro" if volume.read_only else ""),
        "RW": not volume.read_only,
        "Propagation": volume.propagation if volume.kind == "bind" else "",
    }


def _network(store: Store, container: Container, found: State) -> dict[str, Any]:
    ports: dict[str, Any] = {
        port if "/" in port else f"{port}/tcp": None
        for port in container.config.exposed_ports
    }
    for text in found.ports if found.is_running else ():
        host, _, port = text.partition("->")
        address, _, number = host.rpartition(":")
        entry = {"HostIp": address.strip("[]"), "HostPort": number}
        ports[port] = [*(ports.get(port) or ()), entry]
    from lamina.cli.containers.endpoint_json import networks_json, sandbox_id

    networks = networks_json(store, container, found)
    default = networks.get("bridge", {})
    names = (
        *("IPAddress", "IPPrefixLen", "Gateway", "MacAddress", "EndpointID"),
        *("GlobalIPv6Address", "GlobalIPv6PrefixLen", "IPv6Gateway"),
    )
    empty = {name: 0 if name.endswith("Len") else "" for name in names}
    return {
        "Bridge": "",
        "SandboxID": sandbox_id(container) if _pid(found) else "",
        "SandboxKey": f"/proc/{_pid(found)}/ns/net" if _pid(found) else "",
        "Ports": ports,
        # Of the network that is there by itself, as docker has it.
        **{name: default.get(name, empty[name]) for name in names},
        "Networks": networks,
    }


def _pid(found: State) -> int:
    init = found.init if found.is_running else None
    # The process may be seen ending: its namespace is then gone as well.
    return init.pid if init is not None and os.path.exists(f"/proc/{init.pid}") else 0
