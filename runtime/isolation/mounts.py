"""The mount plan: what a container sees, as data before anything is done.

    plan(spec) -> Plan(early, late)    tuples of Operation, which `describe` prints

`early` operations build /proc, /dev and /sys apart from any root, so they can be
carried out before the root is known; `late` ones need it. `runtime/isolation/setup.py`
carries them out. File systems and their options are from a list; what is not in it
is an error, never passed on (CVE-2024-9407). A bundle's are its owner's affair: what
the list does not have goes to the kernel, a word at a time.
"""

from __future__ import annotations

import os

from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation.mount_options import (
    ATTRIBUTES,
    PROPAGATIONS,
    Meaning,
    meaning,
    unknown_option,
)
from lamina.runtime.isolation.operations import Operation
from lamina.runtime.spec import Device, Mount, Spec
from lamina.values import replace, value

_TREES = ("/proc", "/dev", "/sys")

# Each file system that may be mounted, with the options that it is given.
_FILE_SYSTEMS = {
    "proc": ("hidepid", "subset"),
    "sysfs": (),
    "tmpfs": ("size", "mode", "uid", "gid", "nr_inodes", "nr_blocks"),
    "devpts": ("newinstance", "ptmxmode", "mode", "gid", "uid"),
    "mqueue": (),
    "cgroup": (),
    "cgroup2": (),
}
_SELF_LABELLED = ("proc", "sysfs", "mqueue", "cgroup", "cgroup2")
# What may be mounted below /proc (runc's list): files that lxcfs and such replace.
_BELOW_PROC = (
    *("/proc/cpuinfo", "/proc/diskstats", "/proc/loadavg", "/proc/meminfo"),
    *("/proc/slabinfo", "/proc/stat", "/proc/swaps", "/proc/uptime"),
    *("/proc/sys/kernel/ns_last_pid", "/proc/sys/crypto/fips_enabled"),
)

# Docker's device nodes; and links, as (name, target).
_NODES = (
    Device("/dev/null", "c", 1, 3),
    Device("/dev/zero", "c", 1, 5),
    Device("/dev/full", "c", 1, 7),
    Device("/dev/random", "c", 1, 8),
    Device("/dev/urandom", "c", 1, 9),
    Device("/dev/tty", "c", 5, 0),
)
_LINKS = (
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/core", "/proc/kcore"),
    ("/dev/ptmx", "pts/ptmx"),
)


# A host's devices of these names are not for a container, which has its own.
_OURS = frozenset((*(name for name, _ in _LINKS), "/dev/console"))


@value
class Plan:
    """All mounts of a container; `binds` are the mounts that descriptors are for."""

    early: tuple[Operation, ...]
    late: tuple[Operation, ...]
    binds: tuple[Mount, ...]

    def describe(self) -> str:
        return "\n".join(map(describe, (*self.early, *self.late)))


def plan(spec: Spec, bundle: bool = False) -> Plan:
    """What to mount, in order. Raises ContainerError for what may not be mounted.

    `bundle`: the mounts are read as in a bundle's config.json, and the devices that
    every container has are there even where it mounts no /dev.
    """
    early: list[Operation] = []
    late: list[Operation] = []
    binds: list[Mount] = []
    trees: list[str] = []
    for mount in spec.mounts:
        target = _target(mount)
        read = _bundled if bundle else _operation
        operation = _labelled(read(mount, target, len(binds)), spec.mount_label)
        if mount.type == "bind":
            binds.append(mount)
        tree = _tree(target)
        if operation.verb == "mount" and target in _TREES and target not in trees:
            trees.append(target)
            early.append(operation)
            if target == "/dev":
                early += _device_operations(_devices(spec, below=True))
        elif operation.verb == "mount" and tree in trees and not _covered(target, late):
            early.append(operation)
        else:
            late.append(operation)
    late += _other_devices(spec, trees, binds, bundle)
    for verb, paths in (("mask", spec.masked_paths), ("readonly", spec.readonly_paths)):
        for path in paths:
            apart = _tree(path) in trees and not _covered(path, late)
            (early if apart else late).append(Operation(verb, path))
    adopted = [Operation("adopt", tree) for tree in trees]
    if spec.process.terminal and (bundle or "/dev" in trees):
        late.append(Operation("console", "/dev/console"))
    if spec.root_readonly:
        late.append(Operation("readonly", "/"))
    return Plan(tuple(early), (*adopted, *late), tuple(binds))


def _bundled(mount: Mount, target: str, index: int) -> Operation:
    """A bundle's mount: any file system, and any option that it may know."""
    if mount.type == "bind":
        return Operation("bind", target, source=mount.source, index=index)
    found: Meaning = meaning(mount.options)
    return Operation(
        "mount",
        target,
        type=mount.type,
        source=mount.source,
        options=(*((flag, "") for flag in found.flags), *found.data),
        attributes=found.attributes,
        propagation=found.propagation,
        copies_up=found.copies_up,
    )


def _labelled(operation: Operation, label: str) -> Operation:
    """With the SELinux label that all files of a new file system have (mount(8),
    `context`), where the kernel's own have no other, as by runc."""
    if not label or operation.verb != "mount" or operation.type in _SELF_LABELLED:
        return operation
    return replace(operation, options=(*operation.options, ("context", label)))


def _operation(mount: Mount, target: str, index: int) -> Operation:
    if mount.type == "bind":
        return Operation("bind", target, source=mount.source, index=index)
    if mount.type not in _FILE_SYSTEMS:
        raise ContainerError(
            f"Cannot mount {mount.type!r} on {target}: not a type that containers get.",
            hint=f"The types are bind, {', '.join(_FILE_SYSTEMS)}.",
        )
    attributes = 0
    data: list[tuple[str, str]] = []
    for option in mount.options:
        key, equals, text = option.partition("=")
        if option in ATTRIBUTES:
            more, less = ATTRIBUTES[option]
            attributes = attributes & ~less | more
        elif key in _FILE_SYSTEMS[mount.type] and "," not in text:
            data.append((key, text if equals else ""))
        elif option not in PROPAGATIONS:
            raise unknown_option(option, mount, _FILE_SYSTEMS.get(mount.type, ()))
    return Operation(
        "mount", target, type=mount.type, options=tuple(data), attributes=attributes
    )


def _target(mount: Mount) -> str:
    """The destination, absolute and plain; ContainerError where none may be."""
    target = os.path.normpath(mount.destination)
    if target.startswith("//"):
        target = target[1:]
    if not target.startswith("/") or target == "/" or "\0" in target:
        raise ContainerError(
            f"Cannot mount on {mount.destination!r}: not an absolute path below /."
        )
    if target.startswith("/proc/") and target not in _BELOW_PROC:
        raise ContainerError(f"Cannot mount on {target}: inside /proc.")
    return target


def _tree(path: str) -> str:
    """`/dev` of `/dev/pts`; "" for what is not below one of the trees."""
    top = "/" + path.split("/", 2)[1]
    return top if top in _TREES else ""


def _covered(path: str, late: list[Operation]) -> bool:
    return any(path == op.target or path.startswith(f"{op.target}/") for op in late)


def _devices(spec: Spec, below: bool) -> tuple[Device, ...]:
    """Those with a place below /dev, with every container's own; or the others."""
    every = (*_NODES, *spec.devices) if below else spec.devices
    named = ((os.path.normpath(node.path), node) for node in every)
    return tuple(
        node
        for path, node in named
        if path.startswith("/dev/") == below and path not in _OURS
    )


def _other_devices(
    spec: Spec, trees: list[str], binds: list[Mount], bundle: bool
) -> list[Operation]:
    """What a /dev that is built apart does not have; only a bundle's may be elsewhere.

    A root that brings its own /dev gets them there. One that is bound is left as it is,
    as by runc.
    """
    if not bundle:
        if outside := _devices(spec, below=False):
            raise ContainerError(f"The device {outside[0].path!r} is not below /dev.")
        return []
    found = _device_operations(_devices(spec, below=False), links=False)
    if "/dev" in trees or any(_target(mount) == "/dev" for mount in binds):
        return found
    return [*found, *_device_operations(_devices(spec, below=True))]


def _device_operations(
    nodes: tuple[Device, ...], links: bool = True
) -> list[Operation]:
    operations = []
    for node in nodes:
        numbers = f"{node.type} {node.major}:{node.minor}"
        mode, owner = f"{node.mode:o}", f"{node.uid}:{node.gid}"
        options = (("device", numbers), ("mode", mode), ("owner", owner))
        operations.append(
            Operation(
                "node", os.path.normpath(node.path), source=node.source, options=options
            )
        )
    for name, target in _LINKS if links else ():
        operations.append(Operation("link", name, source=target))
    return operations


def describe(operation: Operation) -> str:
    """One line for people: what is done where."""
    parts = [operation.verb, operation.target]
    if operation.type:
        parts.append(operation.type)
    if operation.source:
        parts.append(f"-> {operation.source}")
    if operation.index >= 0:
        parts.append(f"descriptor {operation.index}")
    words = [f"{key}={given}" if given else key for key, given in operation.options]
    if words:
        parts.append(",".join(words))
    names = _attribute_names(operation.attributes)
    if names:
        parts.append(f"({names})")
    return " ".join(parts)


def _attribute_names(attributes: int) -> str:
    names = [
        name for name, (bit, _) in ATTRIBUTES.items() if bit and attributes & bit == bit
    ]
    return ",".join(names)
