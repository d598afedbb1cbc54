"""Devices of the host that a container gets: `--device`, `--device-cgroup-rule`."""

from __future__ import annotations

import os

from lamina.runtime import spec as oci
from lamina.runtime.errors import ContainerError
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.containers.options import Options

_ACCESS = frozenset("rwm")


def devices(options: Options) -> tuple[oci.Device, ...]:
    """The nodes to make; raises ContainerError for what is no device here."""
    return tuple(node for text in options.devices for node, _ in _nodes(text))


def rules(options: Options) -> tuple[oci.DeviceRule, ...]:
    """What may be used beside what every container may; raises ContainerError."""
    found = [
        oci.DeviceRule(True, node.type, node.major, node.minor, access)
        for text in options.devices
        for node, access in _nodes(text)
    ]
    return (*found, *map(parse_rule, options.device_rules))


def _nodes(text: str) -> list[tuple[oci.Device, str]]:
    """`HOST[:CONTAINER][:rwm]`: the device, or all in that folder, and the access."""
    from lamina.runtime.isolation.privileged import device_node

    host, inside, access = parts(text)
    if os.path.isdir(host):
        return [(_moved(node, host, inside), access) for node in _below(host)]
    device = device_node(host, inside)
    if device is None or not inside.startswith("/"):
        raise ContainerError(
            f"Invalid device {text!r}: {host} is no device.",
            hint="As in `--device /dev/fuse`, `/dev/sda:/dev/xvda:r`.",
        )
    return [(device, access)]


def _moved(node: oci.Device, host: str, inside: str) -> oci.Device:
    """A device below `host`, at the same place below `inside`."""
    if host == inside:
        return node
    place = f"{inside}{node.path[len(host) :]}"
    return replace(node, path=place, source=node.path)


def parts(text: str) -> tuple[str, str, str]:
    """Of `HOST[:CONTAINER][:rwm]`: host, container, access; raises ContainerError."""
    host, *rest = text.split(":")
    access = "rwm"
    if rest and rest[-1] and _ACCESS.issuperset(rest[-1]):
        access = rest.pop()
    if len(rest) > 1 or not host or "" in rest:
        raise ContainerError(
            f"Invalid device {text!r}.",
            hint="It is `HOST[:CONTAINER][:rwm]`: r reads, w writes, m makes nodes.",
        )
    return host, rest[0] if rest else host, access


def _below(folder: str) -> list[oci.Device]:
    from lamina.runtime.isolation.privileged import device_node

    found = []
    for place, _, names in os.walk(folder):
        for name in sorted(names):
            path = f"{place}/{name}"
            if not os.path.islink(path) and (device := device_node(path, path)):
                found.append(device)
    return found


def parse_rule(text: str) -> oci.DeviceRule:
    """`TYPE MAJOR:MINOR ACCESS` (cgroup-v1/devices.rst), as in `c 42:* rmw`."""
    words = text.split()
    if len(words) == 3:
        kind, numbers, access = words
        major, _, minor = numbers.partition(":")
        known = all(n == "*" or n.isdecimal() for n in (major, minor))
        if kind in ("a", "b", "c") and known and _ACCESS.issuperset(access):
            low, high = (None if n == "*" else int(n) for n in (major, minor))
            return oci.DeviceRule(True, kind, low, high, access)
    raise ContainerError(
        f"Invalid device cgroup rule {text!r}.",
        hint="As in `--device-cgroup-rule 'c 42:* rmw'`.",
    )
