"""A container as the Engine API's `GET /containers/{id}/json` gives it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from lamina.cli.image_json import docker_config

if TYPE_CHECKING:
    from lamina.oci.store import Store
    from lamina.runtime.state import Container, State
    from lamina.runtime.volumes import Volume

_NEVER = "0001-01-01T00:00:00Z"


def find_container_json(store: Store, name: str, size: bool) -> dict[str, Any] | None:
    """What `inspect` shows of the container that `name` means; None for no one."""
    from lamina.runtime import state
    from lamina.runtime.errors import NoSuchContainer

    try:
        identity = state.find(store.root, name)
        container = state.load_container(store.root, identity)
        found = state.see(store.root, identity)
    except NoSuchContainer:
        return None
    document = container_json(store, container, found)
    if size:
        from lamina.cli.disk_usage import tree_size

        upper = tree_size(f"{state.directory(store.root, identity)}/upper")
        layers = [store.layer(content) for content in container.layers]
        document["SizeRw"] = upper
        document["SizeRootFs"] = upper + sum(layer.bytes for layer in layers if layer)
    return document


def container_json(store: Store, container: Container, found: State) -> dict[str, Any]:
    """The whole of it, in the order of Docker's type."""
    from lamina.runtime.plan import hostname
    from lamina.runtime.state import directory
    from lamina.runtime.volumes import of_container

    place = directory(store.root, container.id)
    volumes = of_container(container.options, container.config)
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
        "RestartCount": 0,
        "Driver": "overlay",
        "Platform": container.config.os,
        "HostConfig": _host_config(container),
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
        "NetworkSettings": _network(container, found),
    }


def _state(found: State) -> dict[str, Any]:
    pid = found.init.pid if found.init is not None and found.is_running else 0
    return {
        "Status": found.status,
        "Running": found.is_running,
        "Paused": found.status == "paused",
        "Restarting": False,
        "OOMKilled": found.oom_killed,
        "Dead": False,
        "Pid": pid,
        "ExitCode": found.exit_code,
        "Error": found.error,
        "StartedAt": _moment(found.started),
        "FinishedAt": _moment(found.finished),
    }


def _moment(nanoseconds: int) -> str:
    if not nanoseconds:
        return _NEVER
    seconds, fraction = divmod(nanoseconds, 10**9)
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{fraction:09d}Z"


def _host_config(container: Container) -> dict[str, Any]:
    options = container.options
    return {
        "Binds": list(options.binds) or None,
        "NetworkMode": options.network,
        "PortBindings": _bindings(options.publish),
        "AutoRemove": options.remove,
        "CapAdd": list(options.cap_add) or None,
        "CapDrop": list(options.cap_drop) or None,
        "Dns": list(options.dns),
        "DnsOptions": list(options.dns_options),
        "DnsSearch": list(options.dns_search),
        "ExtraHosts": list(options.extra_hosts) or None,
        "GroupAdd": list(options.groups) or None,
        "OomScoreAdj": options.oom_score_adj,
        "Privileged": options.privileged,
        "PublishAllPorts": options.publish_all,
        "ReadonlyRootfs": options.read_only,
        "SecurityOpt": list(options.security) or None,
        "ShmSize": options.shm_size,
        "Sysctls": dict(text.partition("=")[::2] for text in options.sysctls),
        "CpuShares": options.cpu_shares,
        "Memory": options.memory,
        "NanoCpus": options.nano_cpus,
        "CpusetCpus": options.cpuset_cpus,
        "Devices": list(options.devices),
        "MemoryReservation": options.memory_reservation,
        "MemorySwap": options.memory_swap,
        "PidsLimit": options.pids_limit or None,
        "Ulimits": list(options.ulimits) or None,
        "Init": options.init,
    }


def _bindings(published: tuple[str, ...]) -> dict[str, Any]:
    """What was asked for: `80/tcp` to the addresses and ports of the host."""
    from lamina.runtime.ports import parse_port

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


def _network(container: Container, found: State) -> dict[str, Any]:
    ports: dict[str, Any] = {
        port if "/" in port else f"{port}/tcp": None
        for port in container.config.exposed_ports
    }
    for text in found.ports if found.is_running else ():
        host, _, port = text.partition("->")
        address, _, number = host.rpartition(":")
        entry = {"HostIp": address.strip("[]"), "HostPort": number}
        ports[port] = [*(ports.get(port) or ()), entry]
    attachment = found.attachment if found.is_running else None
    fields = {
        "IPAddress": attachment.address if attachment else "",
        "IPPrefixLen": attachment.prefix if attachment else 0,
        "Gateway": attachment.gateway if attachment else "",
        "MacAddress": attachment.mac if attachment else "",
    }
    name = container.options.network
    return {
        "SandboxKey": f"/proc/{_pid(found)}/ns/net" if _pid(found) else "",
        "Ports": ports,
        **fields,
        "Networks": {name: {"NetworkID": name, **fields}},
    }


def _pid(found: State) -> int:
    init = found.init if found.is_running else None
    # The process may be seen ending: its namespace is then gone as well.
    return init.pid if init is not None and os.path.exists(f"/proc/{init.pid}") else 0
