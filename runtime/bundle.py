"""A Spec as the config.json of an OCI bundle, and back (runtime-spec, config.md).

What Lamina writes, `runc` and `crun` run; what they are given, Lamina reads.
"""

from __future__ import annotations

import json

from lamina.runtime.errors import ContainerError
from lamina.runtime.privileges import capability_names, capability_set
from lamina.runtime.spec import (
    Device,
    DeviceRule,
    Mount,
    Process,
    Resources,
    Rlimit,
    Spec,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

VERSION = "1.0.2"

_NAMESPACES = ("pid", "ipc", "uts", "mount", "network", "cgroup")
# Device.type and the file modes of runtime-spec's "c", "u" (unbuffered) and "b".
_DEVICE_TYPES = {"c": "c", "u": "c", "b": "b"}


def to_config(spec: Spec, root: str, ids: tuple[int, int, tuple[int, ...]]) -> bytes:
    """config.json for `spec` on the root directory `root`.

    `ids` is the user as (uid, gid, supplementary groups): config.json has no names.
    """
    linux = {
        "namespaces": [{"type": kind} for kind in _NAMESPACES],
        "resources": _resources(spec.resources),
        "maskedPaths": list(spec.masked_paths),
        "readonlyPaths": list(spec.readonly_paths),
        "devices": [_device(device) for device in spec.devices],
        "sysctl": dict(spec.sysctl),
        "cgroupsPath": spec.cgroup,
        "seccomp": spec.seccomp,
    }
    config = {
        "ociVersion": VERSION,
        "process": _process(spec.process, ids),
        "root": {"path": root, "readonly": spec.root_readonly},
        "hostname": spec.hostname,
        "domainname": spec.domainname,
        "mounts": [
            {
                "destination": mount.destination,
                "type": mount.type,
                "source": mount.source,
                "options": list(mount.options),
            }
            for mount in spec.mounts
        ],
        "annotations": dict(spec.annotations),
        "linux": _without_empty(linux),
    }
    return json.dumps(_without_empty(config), indent=1).encode()


def from_config(data: bytes) -> tuple[Spec, str]:
    """The Spec of a config.json and its root's path. Raises ContainerError."""
    try:
        return _spec(json.loads(data))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ContainerError(
            f"config.json is not as the OCI runtime specification has it: {error!r}"
        ) from error


def _process(process: Process, ids: tuple[int, int, tuple[int, ...]]) -> dict[str, Any]:
    names = list(process.capabilities)
    sets = ("bounding", "effective", "permitted")
    uid, gid, groups = ids
    rows, columns = process.console_size
    return _without_empty(
        {
            "terminal": process.terminal,
            "consoleSize": {"height": rows, "width": columns} if rows else None,
            "user": {
                "uid": uid,
                "gid": gid,
                "umask": process.umask,
                "additionalGids": list(groups),
            },
            "args": list(process.args),
            "env": list(process.env),
            "cwd": process.cwd,
            "capabilities": dict.fromkeys(sets, names),
            "rlimits": [
                {
                    "type": _rlimit(r.type),
                    "soft": _limit(r.soft),
                    "hard": _limit(r.hard),
                }
                for r in process.rlimits
            ],
            "noNewPrivileges": process.no_new_privileges,
            "oomScoreAdj": process.oom_score_adj,
        }
    )


def _rlimit(name: str) -> str:
    return "RLIMIT_" + name.upper().removeprefix("RLIMIT_")


def _limit(value: int) -> int:
    """No limit is the largest 64-bit number in config.json, -1 here."""
    return value & 2**64 - 1


def _device(device: Device) -> dict[str, Any]:
    names = ("path", "type", "major", "minor", "uid", "gid")
    found: dict[str, Any] = {name: getattr(device, name) for name in names}
    return {**found, "fileMode": device.mode}


def _resources(resources: Resources) -> dict[str, Any]:
    return _without_empty(
        {
            "memory": _without_empty(
                {
                    "limit": resources.memory,
                    "swap": resources.memory_swap,
                    "reservation": resources.memory_reservation,
                }
            ),
            "cpu": _without_empty(
                {
                    "quota": resources.cpu_quota,
                    "period": resources.cpu_period,
                    "shares": resources.cpu_shares,
                    "cpus": resources.cpuset_cpus,
                    "mems": resources.cpuset_mems,
                }
            ),
            "pids": _without_empty({"limit": resources.pids}),
            "blockIO": _without_empty({"weight": resources.blkio_weight}),
            "devices": [_rule(rule) for rule in resources.devices],
            "unified": dict(resources.unified),
        }
    )


def _rule(rule: DeviceRule) -> dict[str, Any]:
    names = ("allow", "type", "major", "minor", "access")
    found = {name: getattr(rule, name) for name in names}
    return {name: given for name, given in found.items() if given is not None}


def _without_empty(found: dict[str, Any]) -> dict[str, Any]:
    """Without the fields that say what their absence says too."""
    return {k: v for k, v in found.items() if v or (k == "oomScoreAdj" and v == 0)}


def _spec(config: Mapping[str, Any]) -> tuple[Spec, str]:
    linux = config.get("linux") or {}
    spec = Spec(
        process=_read_process(config["process"]),
        hostname=config.get("hostname", ""),
        domainname=config.get("domainname", ""),
        root_readonly=bool(config["root"].get("readonly")),
        mounts=tuple(_read_mount(m) for m in config.get("mounts") or ()),
        devices=tuple(_read_device(d) for d in linux.get("devices") or ()),
        resources=_read_resources(linux.get("resources") or {}),
        masked_paths=tuple(linux.get("maskedPaths") or ()),
        readonly_paths=tuple(linux.get("readonlyPaths") or ()),
        sysctl=dict(linux.get("sysctl") or {}),
        cgroup=linux.get("cgroupsPath", ""),
        seccomp=linux.get("seccomp"),
        annotations=dict(config.get("annotations") or {}),
    )
    return spec, str(config["root"]["path"])


def _read_process(given: Mapping[str, Any]) -> Process:
    user = given.get("user") or {}
    sets = given.get("capabilities") or {}
    wanted = capability_set(tuple(sets.get("bounding") or ()))
    size = given.get("consoleSize") or {}
    limits = given.get("rlimits") or ()
    return Process(
        args=tuple(given["args"]),
        env=tuple(given.get("env") or ()),
        cwd=given["cwd"],
        user=f"{user.get('uid', 0)}:{user.get('gid', 0)}",
        groups=tuple(user.get("additionalGids") or ()),
        terminal=bool(given.get("terminal")),
        console_size=(size.get("height", 0), size.get("width", 0)),
        capabilities=capability_names(wanted),
        no_new_privileges=bool(given.get("noNewPrivileges")),
        rlimits=tuple(
            Rlimit(r["type"], _plain(r["soft"]), _plain(r["hard"])) for r in limits
        ),
        oom_score_adj=given.get("oomScoreAdj"),
        umask=user.get("umask", 0o022),
    )


def _plain(limit: int) -> int:
    return -1 if limit == 2**64 - 1 else limit


def _read_mount(given: Mapping[str, Any]) -> Mount:
    options = tuple(given.get("options") or ())
    bind = "bind" in options or "rbind" in options
    kind = "bind" if bind else given.get("type", "bind")
    source = given.get("source", "")
    return Mount(given["destination"], kind, source, options)


def _read_device(given: Mapping[str, Any]) -> Device:
    return Device(
        given["path"],
        _DEVICE_TYPES[given["type"]],
        given["major"],
        given["minor"],
        given.get("fileMode", 0o666),
        given.get("uid", 0),
        given.get("gid", 0),
    )


def _read_resources(given: Mapping[str, Any]) -> Resources:
    memory, cpu = given.get("memory") or {}, given.get("cpu") or {}
    return Resources(
        memory=memory.get("limit", 0),
        memory_swap=memory.get("swap", 0),
        memory_reservation=memory.get("reservation", 0),
        cpu_quota=cpu.get("quota", 0),
        cpu_period=cpu.get("period", 0),
        cpu_shares=cpu.get("shares", 0),
        cpuset_cpus=cpu.get("cpus", ""),
        cpuset_mems=cpu.get("mems", ""),
        pids=(given.get("pids") or {}).get("limit", 0),
        blkio_weight=(given.get("blockIO") or {}).get("weight", 0),
        devices=tuple(
            DeviceRule(
                rule["allow"],
                rule.get("type", "a"),
                rule.get("major"),
                rule.get("minor"),
                rule.get("access", "rwm"),
            )
            for rule in given.get("devices") or ()
        ),
        unified=dict(given.get("unified") or {}),
    )
