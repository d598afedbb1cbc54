"""Privileged: a Spec with all of the machine's devices, capabilities and settings.

For `run --privileged` and `RUN --security=insecure`: what moby's WithPrivileged and
BuildKit's WithInsecureSpec do. The seccomp filter is left out by who launches.
"""

from __future__ import annotations

import os
import stat

from lamina.runtime import spec as oci
from lamina.runtime.isolation.privileges import capability_names, capability_set
from lamina.values import replace

_OWN_DEVICES = frozenset(
    f"/dev/{name}"
    for name in ("console", "full", "null", "ptmx", "random", "tty", "urandom", "zero")
)


def privileged(made: oci.Spec) -> oci.Spec:
    """The same Spec, isolated by nothing but its namespaces."""
    every = oci.DeviceRule(True)
    return replace(
        made,
        process=replace(
            made.process, capabilities=capability_names(capability_set(("ALL",)))
        ),
        mounts=tuple(_writable(mount) for mount in made.mounts),
        masked_paths=(),
        readonly_paths=(),
        devices=(*made.devices, *_host_devices()),
        resources=replace(made.resources, devices=(every,)),
    )


def _writable(mount: oci.Mount) -> oci.Mount:
    if mount.type not in ("sysfs", "cgroup"):
        return mount
    return replace(mount, options=tuple(o for o in mount.options if o != "ro"))


def _host_devices() -> list[oci.Device]:
    """What is in the host's /dev, without the folders that a container has itself."""
    found = []
    for folder, folders, files in os.walk("/dev"):
        folders[:] = [n for n in folders if n not in ("pts", "shm", "mqueue", "fd")]
        for name in files:
            path = f"{folder}/{name}"
            if path in _OWN_DEVICES or os.path.islink(path):
                continue
            if device := device_node(path, path):
                found.append(device)
    return found


def device_node(path: str, inside: str) -> oci.Device | None:
    """The device at `path` of the host, to be seen at `inside`; None for no device."""
    try:
        info = os.stat(path)
    except OSError:
        return None
    if not (stat.S_ISCHR(info.st_mode) or stat.S_ISBLK(info.st_mode)):
        return None
    return oci.Device(
        inside,
        "c" if stat.S_ISCHR(info.st_mode) else "b",
        os.major(info.st_rdev),
        os.minor(info.st_rdev),
        stat.S_IMODE(info.st_mode),
        info.st_uid,
        info.st_gid,
        path if path != inside else "",
    )
