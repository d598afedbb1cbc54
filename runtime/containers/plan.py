"""From what was asked of a container to the Spec that is launched.

Decided here as data; opening host paths and making volumes is volumes.py, and the
network's part comes with its Uplink.
"""

from __future__ import annotations

from lamina.runtime import spec as oci
from lamina.runtime.containers import devices, endpoints, joining, process, resources
from lamina.runtime.containers.options import HOST
from lamina.runtime.containers.volumes import BIND, TMPFS, Volume
from lamina.runtime.errors import ContainerError
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.containers.options import Options
    from lamina.runtime.containers.state import Container


def plan(
    container: Container,
    volumes: tuple[Volume, ...],
    etc: tuple[str, ...],
    namespaces: tuple[oci.Namespace, ...] = oci.DEFAULT_NAMESPACES,
) -> oci.Spec:
    """The Spec of a container.

    Its binds take descriptors in this order: `etc` (names in /etc), /dev/shm where it
    is another's (joining.py), then those of `volumes` that are no tmpfs.
    """
    options = container.options
    mounts = _default_mounts(options)
    mounts += [oci.Mount(f"/etc/{name}", "bind", "", ("bind",)) for name in etc]
    if joining.shares_memory(options):
        mounts.append(oci.Mount("/dev/shm", "bind", "", ("rbind",)))
    mounts += [_mount(volume) for volume in volumes]
    own_name = options.uts != HOST
    given = {text.replace(":", "=", 1) for text in options.security}
    opened = "systempaths=unconfined" in given
    made = oci.Spec(
        process=process.process(container),
        namespaces=namespaces,
        hostname=process.hostname(container) if own_name else "",
        domainname=options.domainname if own_name else "",
        root_readonly=options.read_only,
        mounts=tuple(mounts),
        devices=devices.devices(options),
        resources=resources.resources(options),
        masked_paths=() if opened else oci.MASKED_PATHS,
        readonly_paths=() if opened else oci.READONLY_PATHS,
        sysctl=_sysctls(options),
        annotations=dict(text.partition("=")[::2] for text in options.annotations),
    )
    if options.privileged:
        from lamina.runtime.isolation.privileged import privileged

        return privileged(made)
    return made


def check(options: Options) -> None:
    """Raises ContainerError for what was asked and cannot be carried out."""
    from lamina.runtime.containers.volumes import asked_for

    asked_for(options)
    joining.check(options)
    endpoints.check(options)
    if options.links:
        from lamina.runtime.containers import linking

        linking.check(options)
    process.check(options)
    _sysctls(options)
    resources.check(options)
    if options.cgroup_parent:
        from lamina.runtime.cgroups.parents import check_parent

        check_parent(options.cgroup_parent)
    if options.publish:
        from lamina.runtime.network.ports import parse_port

        for text in options.publish:
            parse_port(text)


# Mounts


def _default_mounts(options: Options) -> list[oci.Mount]:
    """Docker's, with a /dev/shm of the size asked for, another's, or none."""
    found = []
    for mount in oci.DEFAULT_MOUNTS:
        if mount.destination != "/dev/shm":
            found.append(mount)
        elif options.ipc != joining.NONE and not joining.shares_memory(options):
            kept = [o for o in mount.options if not o.startswith("size=")]
            size = f"size={options.shm_size}"
            found.append(replace(mount, options=(*kept, size)))
    return found


def _mount(volume: Volume) -> oci.Mount:
    access = ("ro",) if volume.read_only else ()
    if volume.kind == TMPFS:
        return oci.Mount(
            volume.destination, "tmpfs", "tmpfs", (*volume.options, *access)
        )
    how = (volume.propagation,) if volume.kind == BIND else ()
    kind = "rbind" if volume.recursive else "bind"
    return oci.Mount(volume.destination, "bind", "", (kind, *how, *access))


def _sysctls(options: Options) -> dict[str, str]:
    result = {}
    for text in options.sysctls:
        name, equals, amount = text.partition("=")
        if not equals or not name:
            raise ContainerError(f"Invalid sysctl {text!r}; it is NAME=VALUE.")
        from lamina.runtime.isolation.sysctls import check_sysctl

        shared = options.ipc == HOST
        check_sysctl(name, options.network == HOST, shared)
        result[name] = amount
    return result
