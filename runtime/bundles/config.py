"""config.json of a bundle as values: a Spec, and what is the runtime's own affair.

runtime-spec 1.2, config.md and config-linux.md. What this machine or Lamina cannot do
is an error that says so, never left out in silence; what only an engine younger than
this reading knows is ignored, as the specification asks (Extensibility).
"""

from __future__ import annotations

import os

from lamina.runtime.bundles import fields
from lamina.runtime.bundles.hooks import Hooks, read_hooks
from lamina.runtime.bundles.json_text import InvalidJson
from lamina.runtime.bundles.process_json import (
    PERSONALITIES,
    has_selinux,
    read_process,
    unknown_capabilities,
)
from lamina.runtime.bundles.resources_json import read_resources
from lamina.runtime.errors import ContainerError
from lamina.runtime.spec import Device, IdMapping, Mount, Namespace, Process, Spec
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lamina.runtime.bundles.fields import Object

VERSION = "1.2.0"
NAMESPACES = ("pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time")
# Device.type and the file modes of runtime-spec's "c", "u" (unbuffered), "b" and "p".
_DEVICE_TYPES = {"c": "c", "u": "c", "b": "b", "p": "p"}
_PROPAGATIONS = (
    *("shared", "slave", "private", "unbindable"),
    *("rshared", "rslave", "rprivate", "runbindable"),
)
_CLOCKS = ("monotonic", "boottime")


@value
class Config:
    """A container as its bundle describes it.

    `root` is the absolute path of the root file system; `warnings` are sentences on
    what is taken otherwise than it is written.
    """

    version: str
    root: str
    spec: Spec
    hooks: Hooks = Hooks()
    warnings: tuple[str, ...] = ()


def read_config(given: Any, bundle: str) -> Config:
    """The Config of a config.json that was parsed; relative paths are the bundle's."""
    if not isinstance(given, dict):
        raise InvalidJson("config.json is not an object")
    try:
        return _config(given, os.path.abspath(bundle))
    except InvalidJson as error:
        raise InvalidJson(f"config.json: {error}") from None


def _config(given: Object, bundle: str) -> Config:
    version = _version(given)
    root = fields.obj(given, "root")
    path = fields.text(root, "path")
    if not path:
        raise InvalidJson("`root.path` is missing")
    return Config(
        version,
        os.path.normpath(os.path.join(bundle, path)),
        _spec(given, bundle, fields.flag(root, "readonly")),
        read_hooks(given),
        _warnings(given),
    )


def _version(given: Object) -> str:
    """The version, which has to be one of those that 1.2 is compatible with."""
    version = fields.text(given, "ociVersion")
    major, dot, rest = version.partition(".")
    if major != "1" or not dot or not rest[:1].isdigit():
        raise InvalidJson(
            f"`ociVersion` {version!r} is not a version that is supported (1.x)"
        )
    return version


def _spec(given: Object, bundle: str, readonly: bool) -> Spec:
    linux = fields.obj(given, "linux")
    _refuse(linux)
    process = _process(given, linux)
    spec = Spec(
        process=process,
        namespaces=_namespaces(linux),
        hostname=fields.text(given, "hostname"),
        domainname=fields.text(given, "domainname"),
        root_readonly=readonly,
        mounts=tuple(_mount(row, bundle) for row in fields.objects(given, "mounts")),
        devices=tuple(_device(row) for row in fields.objects(linux, "devices")),
        resources=read_resources(fields.obj(linux, "resources")),
        masked_paths=fields.texts(linux, "maskedPaths"),
        readonly_paths=fields.texts(linux, "readonlyPaths"),
        sysctl=fields.mapping(linux, "sysctl"),
        cgroup=fields.text(linux, "cgroupsPath"),
        seccomp=fields.obj(linux, "seccomp") or None,
        annotations=fields.mapping(given, "annotations"),
        uid_mappings=_mappings(linux, "uidMappings"),
        gid_mappings=_mappings(linux, "gidMappings"),
        time_offsets=_time_offsets(linux),
        propagation=fields.text(linux, "rootfsPropagation"),
        mount_label=fields.text(linux, "mountLabel"),
    )
    _check(spec)
    return spec


def _process(given: Object, linux: Object) -> Process:
    found = fields.obj(given, "process")
    if not found:
        raise InvalidJson("`process` is missing, without which nothing can be started")
    process = read_process(found)
    domain = fields.obj(linux, "personality")
    if domain:
        name = fields.text(domain, "domain")
        if name not in PERSONALITIES:
            raise InvalidJson(f"`personality.domain` {name!r} is unknown")
        process = replace(process, personality=PERSONALITIES[name])
    return process


def _refuse(linux: Object) -> None:
    """What is asked for and cannot be had at all."""
    if fields.obj(linux, "intelRdt"):
        raise ContainerError("config.json: `intelRdt` is not supported")
    label = fields.text(linux, "mountLabel")
    if label and not has_selinux():
        raise ContainerError(
            f"config.json: `mountLabel` {label!r}, but SELinux is not enabled on this "
            "machine"
        )


def _check(spec: Spec) -> None:
    """What does not go together; the kernel would refuse it late and less clearly."""
    kinds = [space.type for space in spec.namespaces]
    if len(set(kinds)) < len(kinds):
        raise InvalidJson("`namespaces` has a type twice")
    new = {space.type for space in spec.namespaces if not space.path}
    if "mount" not in kinds:
        raise ContainerError(
            "config.json: a container needs a mount namespace",
            hint='Add `{"type": "mount"}` to linux.namespaces.',
        )
    for name, kind in ((spec.hostname, "uts"), (spec.domainname, "uts")):
        if name and kind not in kinds:
            raise InvalidJson("a host name is set without a UTS namespace of its own")
    if "user" in new and not (spec.uid_mappings and spec.gid_mappings):
        raise InvalidJson("a new user namespace needs `uidMappings` and `gidMappings`")
    if "user" not in kinds and (spec.uid_mappings or spec.gid_mappings):
        raise InvalidJson("`uidMappings` are set without a user namespace")
    if spec.time_offsets and "time" not in new:
        raise InvalidJson("`timeOffsets` are set without a new time namespace")
    if spec.propagation and spec.propagation not in _PROPAGATIONS:
        raise InvalidJson(f"`rootfsPropagation` {spec.propagation!r} is unknown")


def _namespaces(linux: Object) -> tuple[Namespace, ...]:
    found = []
    for row in fields.objects(linux, "namespaces"):
        kind, path = fields.text(row, "type"), fields.text(row, "path")
        if kind not in NAMESPACES:
            raise InvalidJson(f"`namespaces`: there is no type {kind!r}")
        if path and not path.startswith("/"):
            raise InvalidJson(f"`namespaces`: the path {path!r} is not absolute")
        found.append(Namespace(kind, path))
    return tuple(found)


def _mount(row: Object, bundle: str) -> Mount:
    destination = fields.text(row, "destination")
    if not destination.startswith("/"):
        raise InvalidJson(f"`mounts`: {destination!r} is not an absolute path")
    options = fields.texts(row, "options")
    source = fields.text(row, "source")
    kind = fields.text(row, "type") or "bind"
    if kind == "bind" or "bind" in options or "rbind" in options:
        kind = "bind"
        if not source:
            raise InvalidJson(f"`mounts`: the bind on {destination} has no source")
        source = os.path.join(bundle, source)
    uids, gids = _mappings(row, "uidMappings"), _mappings(row, "gidMappings")
    if bool(uids) != bool(gids):
        raise InvalidJson(f"`mounts`: {destination} has one kind of mappings only")
    return Mount(destination, kind, source, options, uids, gids)


def _mappings(given: Object, name: str) -> tuple[IdMapping, ...]:
    return tuple(
        IdMapping(
            fields.id_number(row, "containerID"),
            fields.id_number(row, "hostID"),
            fields.number(row, "size"),
        )
        for row in fields.objects(given, name)
    )


def _device(row: Object) -> Device:
    kind, path = fields.text(row, "type"), fields.text(row, "path")
    if kind not in _DEVICE_TYPES or not path.startswith("/"):
        raise InvalidJson(f"`devices`: {path!r} of type {kind!r} is none")
    return Device(
        path,
        _DEVICE_TYPES[kind],
        fields.number(row, "major"),
        fields.number(row, "minor"),
        fields.number(row, "fileMode", 0o666) & 0o7777,
        fields.id_number(row, "uid"),
        fields.id_number(row, "gid"),
    )


def _time_offsets(linux: Object) -> tuple[tuple[str, int, int], ...]:
    found = fields.obj(linux, "timeOffsets")
    rows = []
    for clock in found:
        if clock not in _CLOCKS:
            raise InvalidJson(f"`timeOffsets`: there is no clock {clock!r}")
        row = fields.obj(found, clock)
        rows.append((clock, fields.number(row, "secs"), fields.number(row, "nanosecs")))
    return tuple(rows)


def _warnings(given: Object) -> tuple[str, ...]:
    unknown = unknown_capabilities(fields.obj(given, "process"))
    if not unknown:
        return ()
    return (f"capabilities that this kernel does not have: {', '.join(unknown)}",)
