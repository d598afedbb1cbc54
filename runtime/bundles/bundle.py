"""A Spec as the config.json of an OCI bundle (runtime-spec, config.md).

What is written here, `runc` and `crun` run; config.py reads it, and what others write.
"""

from __future__ import annotations

import json

from lamina.runtime.bundles.resources_json import write_resources
from lamina.runtime.spec import Device, IdMapping, Process, Spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What runc 1.1 and crun 1.8 take; nothing newer is written.
VERSION = "1.0.2"


def to_config(spec: Spec, root: str, ids: tuple[int, int, tuple[int, ...]]) -> bytes:
    """config.json for `spec` on the root directory `root`.

    `ids` is the user as (uid, gid, supplementary groups): config.json has no names.
    """
    linux = {
        "namespaces": [_without_empty(space.__dict__) for space in spec.namespaces],
        "resources": write_resources(spec.resources),
        "maskedPaths": list(spec.masked_paths),
        "readonlyPaths": list(spec.readonly_paths),
        "devices": [_device(device) for device in spec.devices],
        "sysctl": dict(spec.sysctl),
        "cgroupsPath": spec.cgroup,
        "seccomp": spec.seccomp,
        "uidMappings": _mappings(spec.uid_mappings),
        "gidMappings": _mappings(spec.gid_mappings),
        "rootfsPropagation": spec.propagation,
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
                **_without_empty(
                    {
                        "uidMappings": _mappings(mount.uid_mappings),
                        "gidMappings": _mappings(mount.gid_mappings),
                    }
                ),
            }
            for mount in spec.mounts
        ],
        "annotations": dict(spec.annotations),
        "linux": _without_empty(linux),
    }
    return json.dumps(_without_empty(config), indent=1).encode()


def _process(process: Process, ids: tuple[int, int, tuple[int, ...]]) -> dict[str, Any]:
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
            "capabilities": _capabilities(process),
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
            "apparmorProfile": process.apparmor_profile,
            "selinuxLabel": process.selinux_label,
        }
    )


def _capabilities(process: Process) -> dict[str, list[str]]:
    bounding = process.capabilities
    return {
        "bounding": list(bounding),
        "effective": list(bounding if process.effective is None else process.effective),
        "permitted": list(bounding if process.permitted is None else process.permitted),
        "inheritable": list(process.inheritable),
        "ambient": list(process.ambient),
    }


def _mappings(rows: tuple[IdMapping, ...]) -> list[dict[str, int]]:
    return [
        {"containerID": row.inside, "hostID": row.outside, "size": row.size}
        for row in rows
    ]


def _rlimit(name: str) -> str:
    return "RLIMIT_" + name.upper().removeprefix("RLIMIT_")


def _limit(value: int) -> int:
    """No limit is the largest 64-bit number in config.json, -1 here."""
    return value & 2**64 - 1


def _device(device: Device) -> dict[str, Any]:
    names = ("path", "type", "major", "minor", "uid", "gid")
    found: dict[str, Any] = {name: getattr(device, name) for name in names}
    return {**found, "fileMode": device.mode}


def _without_empty(found: dict[str, Any]) -> dict[str, Any]:
    """Without the fields that say what their absence says too."""
    return {k: v for k, v in found.items() if v or (k == "oomScoreAdj" and v == 0)}
