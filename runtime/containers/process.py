"""A container's process: who it is, what it sees of its surroundings, what it may do.

The first one goes into the Spec (plan.py); `exec` and health checks start others that
are like it.
"""

from __future__ import annotations

import os

from lamina.runtime import spec as oci
from lamina.runtime.containers.options import HOST
from lamina.runtime.errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.runtime.containers.options import Options
    from lamina.runtime.containers.state import Container

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# What asks for it, and what says that it isn't asked for.
_NO_NEW_PRIVILEGES = (
    *("no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"),
    *("no-new-privileges:false", "no-new-privileges=false"),
)
# What is so anyway, and what plan.py looks at.
_NO_OPS = (
    ("label", "disable"),
    ("systempaths", "unconfined"),
)


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


def check(options: Options) -> None:
    """Raises ContainerError for what no process can be given."""
    for text in options.security:
        key, _, given = text.replace(":", "=", 1).partition("=")
        known = (key in ("seccomp", "apparmor") and given) or (key, given) in _NO_OPS
        if not known and text not in _NO_NEW_PRIVILEGES:
            raise ContainerError(
                f"Invalid security option {text!r}.",
                hint="no-new-privileges, seccomp=unconfined, seccomp=FILE, "
                "apparmor=PROFILE or systempaths=unconfined.",
            )
    capabilities(options)
    _groups(options.groups)
    for text in options.ulimits:
        parse_rlimit(text)


def hostname(container: Container) -> str:
    """The name that the container sees; with the host's network, the host's."""
    options = container.options
    if options.hostname:
        return options.hostname
    if HOST in (options.network, options.uts):
        return os.uname().nodename
    return container.short


def environment(
    container: Container, terminal: bool, given: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Docker's variables, the config's, and those `given` to this process."""
    own = [PATH, f"HOSTNAME={hostname(container)}"]
    if terminal:
        own.append("TERM=xterm")
    return merge_env(merge_env(own, container.config.env), given)


def merge_env(env: Iterable[str], given: Iterable[str]) -> tuple[str, ...]:
    """`env` with the variables in `given` set, or taken away where there is no `=`."""
    merged = {entry.partition("=")[0]: entry for entry in env}
    for entry in given:
        name, equals, _ = entry.partition("=")
        if not name or "\0" in entry:
            raise ContainerError(
                f"Invalid environment variable {entry[:60]!r}.",
                hint="It is `NAME=value`, without NUL.",
            )
        if equals:
            merged[name] = entry
        else:
            merged.pop(name, None)
    return tuple(merged.values())


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
