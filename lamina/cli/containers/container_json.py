"""A container as the Engine API's `GET /containers/{id}/json` gives it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from lamina.cli.containers.endpoint_json import moment, networks_json, sandbox_id
from lamina.cli.containers.host_json import exposed, host_config
from lamina.cli.images.image_json import docker_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.oci.store.store import Store
    from lamina.runtime.containers.state import Container, State
    from lamina.runtime.containers.volumes import Volume


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
    from lamina.runtime.containers.volume_users import listed

    place = directory(store.root, container.id)
    volumes = listed(store.root, container)
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
        "Labels": dict(container.config.labels),
    }
    ports = {**config.get("ExposedPorts", {}), **exposed(container.options.publish)}
    if ports:
        config["ExposedPorts"] = dict(sorted(ports.items()))
    if container.options.stop_timeout >= 0:
        config["StopTimeout"] = container.options.stop_timeout
    return {
        "Id": container.id,
        "Created": moment(container.created),
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
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": None,
        "HostConfig": host_config(store.root, container),
        "GraphDriver": {
            "Name": "overlay",
            "Data": {
                "LowerDir": ":".join(lowers),
                **_merged(found),
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
        "StartedAt": moment(found.started),
        "FinishedAt": moment(found.finished),
    }
    return document | ({"Health": _health(found.health)} if found.health else {})


def _health(health: Mapping[str, Any]) -> dict[str, Any]:
    """What the last probes said; Docker has times in the zone of the daemon."""
    return {
        "Status": health["status"],
        "FailingStreak": health["failing_streak"],
        "Log": [
            {
                "Start": moment(result["start"]),
                "End": moment(result["end"]),
                "ExitCode": result["exit_code"],
                "Output": result["output"],
            }
            for result in health["results"]
        ],
    }


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
    networks = networks_json(store, container, found)
    default = networks.get("bridge", {})
    names = (
        *("IPAddress", "IPPrefixLen", "Gateway", "MacAddress", "EndpointID"),
        *("GlobalIPv6Address", "GlobalIPv6PrefixLen", "IPv6Gateway"),
    )
    empty = {name: 0 if name.endswith("Len") else "" for name in names}
    return {
        "Bridge": "",
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        "SandboxID": sandbox_id(container) if _pid(found) else "",
        "SandboxKey": f"/proc/{_pid(found)}/ns/net" if _pid(found) else "",
        "Ports": ports,
        # Of the network that is there by itself, as docker has it.
        **{name: default.get(name, empty[name]) for name in names},
        "Networks": networks,
    }


def _merged(found: State) -> dict[str, str]:
    """The root as the container sees it; it is mounted for its processes only."""
    pid = _pid(found)
    return {"MergedDir": f"/proc/{pid}/root"} if pid else {}


def _pid(found: State) -> int:
    init = found.init if found.is_running else None
    # The process may be seen ending: its namespace is then gone as well.
    return init.pid if init is not None and os.path.exists(f"/proc/{init.pid}") else 0
