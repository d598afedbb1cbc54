"""From what was asked of a container to the Spec that is launched.

Decided here as data; opening host paths and making volumes is volumes.py, and the
network's part comes with its Attachment.
"""

from __future__ import annotations

import os

from lamina.runtime import spec as oci
from lamina.runtime.errors import ContainerError
from lamina.runtime.sysctls import check_sysctl
from lamina.runtime.volumes import BIND, TMPFS, Volume
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.options import Options
    from lamina.runtime.state import Container

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CPU_PERIOD = 100_000
# What is files of the host, written for each container.
ETC_FILES = ("hosts", "resolv.conf", "hostname")


def plan(
    container: Container, volumes: tuple[Volume, ...], etc: tuple[str, ...]
) -> oci.Spec:
    """The Spec of a container.

    Its binds take descriptors in this order: `etc` (names in /etc), then those of
    `volumes` that are no tmpfs.
    """
    options = container.options
    mounts = [_sized(mount, options) for mount in oci.DEFAULT_MOUNTS]
    mounts += [oci.Mount(f"/etc/{name}", "bind", "", ("bind",)) for name in etc]
    mounts += [_mount(volume) for volume in volumes]
    made = oci.Spec(
        process=process(container),
        hostname=hostname(container),
        domainname=options.domainname,
        root_readonly=options.read_only,
        mounts=tuple(mounts),
        devices=tuple(_device(text) for text in options.devices),
        resources=resources(options),
        sysctl=_sysctls(options),
    )
    if options.privileged:
        from lamina.runtime.privileged import privileged

        return privileged(made)
    return made


def hostname(container: Container) -> str:
    """The name that the container sees; with the host's network, the host's."""
    if container.options.hostname:
        return container.options.hostname
    if container.options.network == "host":
        return os.uname().nodename
    return container.short


# The process


def process(container: Container) -> oci.Process:
    """A container's first process."""
    config, options = container.config, container.options
    return oci.Process(
        args=container.args,
        env=environment(container, options.terminal),
        cwd=config.working_dir or "/",
        user=config.user,
        groups=_groups(options.groups),
        terminal=options.terminal,
        capabilities=capabilities(options),
        no_new_privileges=no_new_privileges(options),
        rlimits=tuple(parse_rlimit(text) for text in options.ulimits),
        oom_score_adj=options.oom_score_adj or None,
        init=options.init,
    )


def environment(
    container: Container, terminal: bool, given: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Docker's variables, the config's, and those `given` to this process."""
    from lamina.runtime.container import merge_env

    own = [PATH, f"HOSTNAME={hostname(container)}"]
    if terminal:
        own.append("TERM=xterm")
    return merge_env(merge_env(own, container.config.env), given)


def capabilities(options: Options) -> tuple[str, ...]:
    """The default set with `--cap-drop` and `--cap-add` (moby, TweakCapabilities)."""
    if not (options.privileged or options.cap_add or options.cap_drop):
        return oci.DEFAULT_CAPABILITIES
    from lamina.runtime.privileges import capability_names, capability_set

    everything = capability_set(("ALL",))
    if options.privileged:
        return capability_names(everything)
    add, drop = capability_set(options.cap_add), capability_set(options.cap_drop)
    if add == everything:
        return capability_names(everything & ~drop)
    kept = capability_set(oci.DEFAULT_CAPABILITIES) & ~drop
    return capability_names(kept | add)


def no_new_privileges(options: Options) -> bool:
    """Whether `--security-opt no-new-privileges` was given."""
    texts = ("no-new-privileges", "no-new-privileges:true", "no-new-privileges=true")
    return any(text in texts for text in options.security)


def seccomp_profile(options: Options) -> bytes | str | None:
    """The profile's text; None for the default one, "" for no filter."""
    if options.privileged:
        return ""
    for text in options.security:
        key, _, chosen = text.replace(":", "=", 1).partition("=")
        if key == "seccomp":
            return "" if chosen == "unconfined" else _read(chosen)
    return None


def check(options: Options) -> None:
    """Raises ContainerError for what was asked and cannot be carried out."""
    from lamina.runtime.volumes import asked_for

    for text in options.security:
        key, _, _ = text.replace(":", "=", 1).partition("=")
        if key not in ("no-new-privileges", "seccomp"):
            raise ContainerError(
                f"Invalid security option {text!r}.",
                hint="no-new-privileges, seccomp=unconfined or seccomp=FILE.",
            )
    asked_for(options)
    capabilities(options)
    _groups(options.groups)
    _sysctls(options)
    resources(options)
    for text in options.ulimits:
        parse_rlimit(text)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ContainerError(
            f"The seccomp profile {path} cannot be read: {error.strerror}."
        ) from error


def _groups(texts: tuple[str, ...]) -> tuple[int, ...]:
    if not all(text.isdecimal() and int(text) < 2**32 - 1 for text in texts):
        raise ContainerError(f"Invalid groups {' '.join(texts)}: they are numbers.")
    return tuple(int(text) for text in texts)


def parse_rlimit(text: str) -> oci.Rlimit:
    """`TYPE=SOFT[:HARD]`, as `--ulimit` takes it."""
    name, _, amounts = text.partition("=")
    soft, _, hard = amounts.partition(":")
    try:
        low = int(soft)
        high = int(hard) if hard else low
    except ValueError:
        low, high = 0, -2
    from lamina.runtime.privileges import RLIMITS

    if (
        name.upper() not in RLIMITS
        or low < -1
        or high < -1
        or (high != -1 and low > high)
    ):
        raise ContainerError(
            f"Invalid ulimit {text!r}.", hint="As in `--ulimit nofile=1024:2048`."
        )
    return oci.Rlimit(f"RLIMIT_{name.upper()}", low, high)


# Mounts, devices, limits


def _sized(mount: oci.Mount, options: Options) -> oci.Mount:
    if mount.destination == "/dev/shm":
        kept = [o for o in mount.options if not o.startswith("size=")]
        return replace(mount, options=(*kept, f"size={options.shm_size}"))
    return mount


def _mount(volume: Volume) -> oci.Mount:
    access = ("ro",) if volume.read_only else ()
    if volume.kind == TMPFS:
        return oci.Mount(
            volume.destination, "tmpfs", "tmpfs", (*volume.options, *access)
        )
    how = (volume.propagation,) if volume.kind == BIND else ()
    return oci.Mount(volume.destination, "bind", "", ("rbind", *how, *access))


def _device(text: str) -> oci.Device:
    """`--device HOST[:CONTAINER[:rwm]]`."""
    from lamina.runtime.privileged import device_node

    host, _, rest = text.partition(":")
    inside = rest.partition(":")[0] or host
    device = device_node(host, inside)
    if device is None or not inside.startswith("/"):
        raise ContainerError(
            f"Invalid device {text!r}.", hint="As in `--device /dev/fuse[:/dev/fuse]`."
        )
    return device


def resources(options: Options) -> oci.Resources:
    """The limits, Docker's way: memory alone allows as much swap again."""
    swap = options.memory_swap
    if options.memory and not swap:
        swap = 2 * options.memory
    quota = options.nano_cpus * _CPU_PERIOD // 1_000_000_000
    rules = [
        oci.DeviceRule(True, device.type, device.major, device.minor)
        for device in map(_device, options.devices)
    ]
    return oci.Resources(
        memory=options.memory,
        memory_swap=swap,
        memory_reservation=options.memory_reservation,
        cpu_quota=quota,
        cpu_period=_CPU_PERIOD if quota else 0,
        cpu_shares=options.cpu_shares,
        cpuset_cpus=options.cpuset_cpus,
        pids=max(options.pids_limit, 0),
        devices=tuple(rules),
    )


def _sysctls(options: Options) -> dict[str, str]:
    result = {}
    for text in options.sysctls:
        name, equals, amount = text.partition("=")
        if not equals or not name:
            raise ContainerError(f"Invalid sysctl {text!r}; it is NAME=VALUE.")
        check_sysctl(name, options.network == "host")
        result[name] = amount
    return result
