"""From what was asked of a container to the Spec that is launched.

Decided here as data; opening host paths and making volumes is volumes.py, and the
network's part comes with its Uplink.
"""

from __future__ import annotations

import os

from lamina.runtime import spec as oci
from lamina.runtime.containers import devices, endpoints, joining, resources
from lamina.runtime.containers.endpoints import HOST
from lamina.runtime.containers.volumes import BIND, TMPFS, Volume
from lamina.runtime.errors import ContainerError
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.containers.options import Options
    from lamina.runtime.containers.state import Container

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


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
    own_name = options.uts != joining.HOST
    given = {text.replace(":", "=", 1) for text in options.security}
    opened = "systempaths=unconfined" in given
    made = oci.Spec(
        process=process(container),
        namespaces=namespaces,
        hostname=hostname(container) if own_name else "",
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


def hostname(container: Container) -> str:
    """The name that the container sees; with the host's network, the host's."""
    options = container.options
    if options.hostname:
        return options.hostname
    if options.network == HOST or options.uts == joining.HOST:
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
        apparmor_profile=_apparmor(options),
        rlimits=tuple(parse_rlimit(text) for text in options.ulimits),
        oom_score_adj=options.oom_score_adj or None,
        init=options.init,
        # Otherwise the end of the pid namespace is its end.
        parent_death=bool(options.pid),
    )


def environment(
    container: Container, terminal: bool, given: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Docker's variables, the config's, and those `given` to this process."""
    from lamina.runtime.containers.container import merge_env

    own = [PATH, f"HOSTNAME={hostname(container)}"]
    if terminal:
        own.append("TERM=xterm")
    return merge_env(merge_env(own, container.config.env), given)


def capabilities(options: Options) -> tuple[str, ...]:
    """The default set with `--cap-drop` and `--cap-add` (moby, TweakCapabilities)."""
    if not (options.privileged or options.cap_add or options.cap_drop):
        return oci.DEFAULT_CAPABILITIES
    from lamina.runtime.isolation.privileges import capability_names, capability_set

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
    return any(text in _NO_NEW_PRIVILEGES[:3] for text in options.security)


# What asks for it, and what says that it isn't asked for.
_NO_NEW_PRIVILEGES = (
    *("no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"),
    *("no-new-privileges:false", "no-new-privileges=false"),
)


def _apparmor(options: Options) -> str:
    """The profile that is asked for; "" for none. A kernel without AppArmor refuses."""
    for text in options.security:
        key, _, chosen = text.replace(":", "=", 1).partition("=")
        if key == "apparmor" and chosen != "unconfined":
            return chosen
    return ""


def seccomp_profile(options: Options) -> bytes | str | None:
    """The profile's text; None for the default one, "" for no filter."""
    if options.privileged:
        return ""
    for text in options.security:
        key, _, chosen = text.replace(":", "=", 1).partition("=")
        if key == "seccomp" and chosen != "builtin":
            return "" if chosen == "unconfined" else _read(chosen)
    return None


def seccomp_filter(root: str, container: Container, pid: int = 0) -> bytes:
    """The compiled filter of a container of the store at `root`; b"": it has none.

    `pid`: one of its processes, unless this process is in its user namespace.
    """
    from lamina.oci.files.ids import has_one_id
    from lamina.runtime.isolation.seccomp import cached_profile

    profile = seccomp_profile(container.options)
    if profile == "":
        return b""
    assert not isinstance(profile, str)
    had = capabilities(container.options)
    return cached_profile(f"{root}/seccomp", had, profile, has_one_id(pid))


def check(options: Options) -> None:
    """Raises ContainerError for what was asked and cannot be carried out."""
    from lamina.runtime.containers.volumes import asked_for

    for text in options.security:
        key, _, given = text.replace(":", "=", 1).partition("=")
        known = (key in ("seccomp", "apparmor") and given) or (key, given) in _NO_OPS
        if not known and text not in _NO_NEW_PRIVILEGES:
            raise ContainerError(
                f"Invalid security option {text!r}.",
                hint="no-new-privileges, seccomp=unconfined, seccomp=FILE, "
                "apparmor=PROFILE or systempaths=unconfined.",
            )
    asked_for(options)
    joining.check(options)
    endpoints.check(options)
    if options.links:
        from lamina.runtime.containers import linking

        linking.check(options)
    capabilities(options)
    _groups(options.groups)
    _sysctls(options)
    resources.check(options)
    if options.cgroup_parent:
        from lamina.runtime.cgroups.parents import check_parent

        check_parent(options.cgroup_parent)
    for text in options.ulimits:
        parse_rlimit(text)
    if options.publish:
        from lamina.runtime.network.ports import parse_port

        for text in options.publish:
            parse_port(text)


# What is so anyway, and what other places of this module look at.
_NO_OPS = (
    ("label", "disable"),
    ("systempaths", "unconfined"),
)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ContainerError(
            f"The seccomp profile {path} cannot be read: {error.strerror}."
        ) from error


def _groups(texts: tuple[str, ...]) -> tuple[int | str, ...]:
    """Numbers, and names that the container's /etc/group has."""
    for text in texts:
        if not text or ":" in text or (text.isdecimal() and int(text) >= 2**32 - 1):
            raise ContainerError(f"Invalid group {text!r}: it is a name or a number.")
    return tuple(int(text) if text.isdecimal() else text for text in texts)


def parse_rlimit(text: str) -> oci.Rlimit:
    """`TYPE=SOFT[:HARD]`, as `--ulimit` takes it."""
    name, _, amounts = text.partition("=")
    soft, _, hard = amounts.partition(":")
    try:
        low = int(soft)
        high = int(hard) if hard else low
    except ValueError:
        low, high = 0, -2
    from lamina.runtime.isolation.privileges import RLIMITS

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

        shared = options.ipc == joining.HOST
        check_sysctl(name, options.network == HOST, shared)
        result[name] = amount
    return result
