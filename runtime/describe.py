"""`inspect` of a container: Docker's JSON (its API, "ContainerInspect"), our facts."""

from __future__ import annotations

from lamina.runtime import plan, state, volumes
from lamina.runtime.errors import NoSuchContainer
from lamina.runtime.logs import rfc3339

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lamina.oci.store import Store
    from lamina.runtime.state import Container, State
    from lamina.runtime.volumes import Volume

_NEVER = "0001-01-01T00:00:00Z"


def describe(store: Store, name: str) -> dict[str, Any] | None:
    """What docker inspect says of a container; None when there is none of that name."""
    try:
        container = state.load_container(store.root, state.find(store.root, name))
        found = state.see(store.root, container.id)
    except NoSuchContainer:
        return None
    place = state.directory(store.root, container.id)
    return {
        "Id": container.id,
        "Created": rfc3339(container.created),
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
                "LowerDir": ":".join(map(store.layer_path, reversed(container.layers))),
                "UpperDir": f"{place}/upper",
                "WorkDir": f"{place}/work",
            },
        },
        "Mounts": [_mount(store, v) for v in _volumes(container)],
        "Config": _config(container),
        "NetworkSettings": _network(container, found),
    }


def _state(found: State) -> dict[str, Any]:
    return {
        "Status": found.status,
        "Running": found.is_running,
        "Paused": found.status == state.PAUSED,
        "Restarting": False,
        "OOMKilled": found.oom_killed,
        "Dead": False,
        "Pid": found.init.pid if found.init and found.is_running else 0,
        "ExitCode": found.exit_code,
        "Error": found.error,
        "StartedAt": rfc3339(found.started) if found.started else _NEVER,
        "FinishedAt": rfc3339(found.finished) if found.finished else _NEVER,
    }


def _config(container: Container) -> dict[str, Any]:
    from lamina.oci.config_json import inner_json

    options = container.options
    watched = not options.detached
    return {
        "Hostname": plan.hostname(container),
        "Domainname": options.domainname,
        "User": "",
        "AttachStdin": watched and options.interactive,
        "AttachStdout": watched,
        "AttachStderr": watched,
        "Tty": options.terminal,
        "OpenStdin": options.interactive,
        "StdinOnce": watched and options.interactive,
        "Env": [],
        "Cmd": None,
        "Image": container.image_name,
        "Volumes": None,
        "WorkingDir": "",
        "Entrypoint": None,
        "Labels": {},
        **inner_json(container.config),
    }


def _host_config(container: Container) -> dict[str, Any]:
    options = container.options
    limits = plan.resources(options)
    return {
        "Binds": list(options.binds) or None,
        "LogConfig": {"Type": "json-file", "Config": {}},
        "NetworkMode": options.network,
        "PortBindings": _wanted(container),
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "AutoRemove": options.remove,
        "CapAdd": list(options.cap_add) or None,
        "CapDrop": list(options.cap_drop) or None,
        "CgroupnsMode": "private",
        "Dns": list(options.dns),
        "DnsOptions": list(options.dns_options),
        "DnsSearch": list(options.dns_search),
        "ExtraHosts": list(options.extra_hosts) or None,
        "GroupAdd": list(options.groups) or None,
        "IpcMode": "private",
        "OomScoreAdj": options.oom_score_adj,
        "PidMode": "",
        "Privileged": options.privileged,
        "PublishAllPorts": options.publish_all,
        "ReadonlyRootfs": options.read_only,
        "SecurityOpt": list(options.security) or None,
        "ShmSize": options.shm_size,
        "Tmpfs": dict(text.partition(":")[::2] for text in options.tmpfs) or None,
        "CpuShares": limits.cpu_shares,
        "Memory": limits.memory,
        "NanoCpus": options.nano_cpus,
        "CpusetCpus": limits.cpuset_cpus,
        "MemoryReservation": limits.memory_reservation,
        "MemorySwap": limits.memory_swap,
        "PidsLimit": limits.pids or None,
        "Ulimits": list(options.ulimits),
        "Init": options.init,
    }


def _wanted(container: Container) -> dict[str, Any]:
    from lamina.runtime.uplink import wanted_ports

    bindings: dict[str, Any] = {}
    for mapping in wanted_ports(container):
        host = str(mapping.host_port) if mapping.host_port else ""
        inside = f"{mapping.container_port}/{mapping.protocol}"
        entry = {"HostIp": mapping.host_ip, "HostPort": host}
        bindings.setdefault(inside, []).append(entry)
    return bindings


def _volumes(container: Container) -> tuple[Volume, ...]:
    found = volumes.of_container(container.options, container.config)
    return tuple(volume for volume in found if volume.kind != volumes.TMPFS)


def _mount(store: Store, volume: Volume) -> dict[str, Any]:
    fields = {
        "Type": volume.kind,
        "Source": volume.source,
        "Destination": volume.destination,
        "Mode": "ro" if volume.read_only else "",
        "RW": not volume.read_only,
        "Propagation": volume.propagation if volume.kind == volumes.BIND else "",
    }
    if volume.kind == volumes.VOLUME:
        fields["Name"] = volume.source
        fields["Source"] = f"{store.root}/volumes/{volume.source}/_data"
    return fields


def _network(container: Container, found: State) -> dict[str, Any]:
    at = found.attachment
    address = {
        "Gateway": at.gateway if at else "",
        "IPAddress": at.address if at else "",
        "IPPrefixLen": at.prefix if at else 0,
        "MacAddress": at.mac if at else "",
    }
    name = container.options.network
    return {**address, "Ports": _ports(container, found), "Networks": {name: address}}


def _ports(container: Container, found: State) -> dict[str, Any]:
    """Published ports with their host's; null for what is only exposed."""
    ports: dict[str, Any] = {}
    for text in container.config.exposed_ports:
        ports[text if "/" in text else f"{text}/tcp"] = None
    for text in found.ports:
        host, _, inside = text.partition("->")
        address, _, port = host.rpartition(":")
        entry = {"HostIp": address.strip("[]"), "HostPort": port}
        ports[inside] = [*(ports.get(inside) or []), entry]
    return ports
