"""What the flags of `run` ask for: Options and Overrides, checked, in plain units."""

from __future__ import annotations

import argparse
import os

from lamina.cli.formats import amounts
from lamina.cli.formats.amounts import RunUsage, integer, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.oci.config import Healthcheck
    from lamina.runtime.containers.container import Overrides
    from lamina.runtime.containers.options import Options

_MOST_ENV_FILE = 4 << 20


def options_from(arguments: argparse.Namespace) -> Options:
    """The container's Options; raises LaminaError for what cannot be carried out."""
    from lamina.runtime.containers import plan

    options = options_of(arguments)
    plan.check(options)
    return options


def options_of(arguments: argparse.Namespace) -> Options:
    """The same, before it is known that they can be carried out (plan.check)."""
    from lamina.cli.containers.log_flags import log_options
    from lamina.cli.containers.network_flags import network_options
    from lamina.runtime.containers.options import DEFAULT_SHM_SIZE, Options

    _check(arguments)
    return Options(
        interactive=arguments.interactive,
        terminal=arguments.tty,
        detached=arguments.detach,
        remove=arguments.rm,
        **network_options(arguments),
        publish=tuple(arguments.publish),
        publish_all=arguments.publish_all,
        binds=tuple(arguments.volume),
        mounts=tuple(arguments.mount),
        tmpfs=tuple(arguments.tmpfs),
        volumes_from=tuple(arguments.volumes_from),
        folder=os.getcwd(),
        read_only=arguments.read_only,
        hostname=_host_name(arguments.hostname),
        domainname=arguments.domainname,
        extra_hosts=tuple(arguments.add_host),
        dns=tuple(arguments.dns),
        dns_search=tuple(arguments.dns_search),
        dns_options=tuple(arguments.dns_option),
        memory=amounts.memory(arguments.memory),
        memory_swap=amounts.swap(arguments.memory_swap),
        memory_reservation=size(arguments.memory_reservation, "--memory-reservation"),
        nano_cpus=amounts.cpus(arguments.cpus),
        cpu_shares=integer(arguments.cpu_shares, "--cpu-shares"),
        cpu_period=integer(arguments.cpu_period, "--cpu-period"),
        cpu_quota=integer(arguments.cpu_quota, "--cpu-quota"),
        cpuset_cpus=arguments.cpuset_cpus,
        cpuset_mems=arguments.cpuset_mems,
        pids_limit=integer(arguments.pids_limit, "--pids-limit"),
        runtime=arguments.runtime,
        memory_swappiness=integer(arguments.memory_swappiness, "--memory-swappiness"),
        oom_kill_disabled=arguments.oom_kill_disable,
        blkio_weight=amounts.blkio_weight(arguments.blkio_weight),
        blkio_weight_device=tuple(arguments.blkio_weight_device),
        device_read_bps=tuple(arguments.device_read_bps),
        device_write_bps=tuple(arguments.device_write_bps),
        device_read_iops=tuple(arguments.device_read_iops),
        device_write_iops=tuple(arguments.device_write_iops),
        # The last one of a kind counts.
        ulimits=tuple({text.split("=")[0]: text for text in arguments.ulimit}.values()),
        shm_size=size(arguments.shm_size, "--shm-size") or DEFAULT_SHM_SIZE,
        cap_add=tuple(arguments.cap_add),
        cap_drop=tuple(arguments.cap_drop),
        privileged=arguments.privileged,
        security=tuple(arguments.security_opt),
        groups=tuple(arguments.group_add),
        devices=tuple(arguments.device),
        device_rules=tuple(arguments.device_cgroup_rule),
        sysctls=tuple(arguments.sysctl),
        pid=arguments.pid,
        ipc=arguments.ipc,
        uts=arguments.uts,
        cgroupns=arguments.cgroupns,
        cgroup_parent=arguments.cgroup_parent,
        userns=arguments.userns,
        annotations=tuple(map(_annotation, arguments.annotation)),
        init=arguments.init,
        oom_score_adj=_oom_score(arguments.oom_score_adj),
        stop_timeout=integer(arguments.stop_timeout, "--stop-timeout"),
        restart=amounts.restart_policy(arguments.restart or "no"),
        **log_options(arguments.log_driver or "json-file", arguments.log_opt),
    )


def _check(arguments: argparse.Namespace) -> None:
    """Raises RunUsage for flags that do not go together, or never."""
    if arguments.detach and arguments.rm and arguments.attach:
        raise RunUsage("`--attach` and `--detach` do not go together.")
    if arguments.rm and arguments.restart not in ("", "no"):
        raise RunUsage(
            "Conflicting options: cannot specify both --restart and --rm.",
            hint="What is removed at its end cannot be started again.",
        )
    if arguments.volume_driver not in ("", "local"):
        raise RunUsage(
            f"There is no volume driver {arguments.volume_driver!r}.", hint="local."
        )
    if arguments.gpus:
        raise RunUsage(
            "`--gpus` needs NVIDIA's runtime, which Lamina does not drive.",
            hint="`--device /dev/dri` gives a container the devices themselves.",
        )
    _check_modes(arguments)
    for text in arguments.storage_opt:
        _refuse_storage(text)
    if arguments.stop_signal:
        from lamina.runtime.containers.stop import parse_signal

        parse_signal(arguments.stop_signal)
    for text in arguments.dns:
        _check_address(text)


def _check_modes(arguments: argparse.Namespace) -> None:
    """Raises RunUsage for namespaces that there are not."""
    if arguments.isolation not in ("", "default"):
        raise RunUsage(
            f"Invalid isolation {arguments.isolation!r}.",
            hint="On Linux there is `default` alone.",
        )
    if arguments.userns.startswith("keep-id"):
        raise RunUsage(
            "`--userns keep-id`: the files of an image would need other owners.",
            hint="Run it as root, with `-u 0`: an ordinary user's root is that user "
            "outside, and what it writes in a bind mount is theirs.",
        )
    if arguments.userns not in ("", "host"):
        raise RunUsage(
            f"Invalid user namespace {arguments.userns!r}.",
            hint="It is `host`, as it is anyway: ids are the host's for root, and an "
            "ordinary user's own for that user.",
        )


def _refuse_storage(text: str) -> None:
    """Raises RunUsage: docker's overlay2 has one option, on one file system."""
    key, equals, given = text.partition("=")
    if not equals:
        raise RunUsage(f"Invalid storage option {text!r}.", hint="As in size=10g.")
    if key.lower() != "size":
        raise RunUsage(f"Unknown storage option {key!r}.", hint="size is the only one.")
    size(given, "--storage-opt size")
    raise RunUsage(
        "`--storage-opt size` needs project quotas of xfs, which Lamina does not set.",
        hint="`--read-only` with `--tmpfs /tmp:size=64m`, or with volumes, limits what "
        "it can write.",
    )


def _check_address(text: str) -> None:
    import _socket

    for family in (_socket.AF_INET, _socket.AF_INET6):
        try:
            _socket.inet_pton(family, text)
        except (OSError, UnicodeEncodeError):
            continue
        return
    raise RunUsage(f"{text!r} for --dns is not an IP address.")


def _oom_score(text: str) -> int:
    score = integer(text, "--oom-score-adj")
    if not -1000 <= score <= 1000:
        raise RunUsage(f"--oom-score-adj is from -1000 to 1000, not {score}.")
    return score


def _annotation(text: str) -> str:
    if not text.partition("=")[0] or "=" not in text:
        raise RunUsage(f"Invalid annotation {text!r}.", hint="It is KEY=VALUE.")
    return text


def overrides_from(
    arguments: argparse.Namespace, environment: Mapping[str, str]
) -> Overrides:
    """What the flags say over the image's config."""
    from lamina.runtime.containers.container import Overrides

    labels = [line for path in arguments.label_file for line in _lines(path)]
    labels += arguments.label
    entrypoint = arguments.entrypoint
    return Overrides(
        command=tuple(arguments.command),
        entrypoint=None if entrypoint is None else (entrypoint,) if entrypoint else (),
        env=env_from(arguments, environment),
        user=arguments.user,
        working_dir=working_dir(arguments.workdir),
        labels=tuple((key, given) for key, _, given in map(_pair, labels)),
        stop_signal=arguments.stop_signal,
        exposed_ports=tuple(p for text in arguments.expose for p in _exposed(text)),
        healthcheck=health_from(arguments),
    )


def env_from(
    arguments: argparse.Namespace, environment: Mapping[str, str]
) -> tuple[str, ...]:
    """The variables of `--env-file`, then those of `-e`."""
    env: list[str] = []
    for path in arguments.env_file:
        env += _env_file(path, environment)
    env += [_variable(text, environment) for text in arguments.env]
    return tuple(env)


def _host_name(text: str) -> str:
    if len(os.fsencode(text)) > 64:
        raise RunUsage(f"Invalid host name {text!r}.", hint="64 bytes at most.")
    return text


def working_dir(text: str) -> str:
    """What `-w` names, normal; raises RunUsage for a relative path."""
    if text and not text.startswith("/"):
        raise RunUsage(
            f"The working directory {text!r} is not an absolute path.",
            hint="It is one inside the container, as in `-w /app`.",
        )
    return os.path.normpath(text) if text else ""


def _variable(text: str, environment: Mapping[str, str]) -> str:
    """`NAME=value`; `NAME` passes the caller's on, or takes the image's away."""
    if "=" not in text and text in environment:
        return f"{text}={environment[text]}"
    return text


def _env_file(path: str, environment: Mapping[str, str]) -> list[str]:
    """The variables of an env file: Docker reads no quotes and no `export` there."""
    found = []
    for line in _lines(path):
        name = line.partition("=")[0]
        if not name or any(character.isspace() for character in name):
            raise RunUsage(
                f"{path}: {name[:60]!r} is no name for a variable.",
                hint="Each line is NAME=value; names have no blanks.",
            )
        if "=" in line or name in environment:
            found.append(_variable(line, environment))
    return found


def _lines(path: str) -> list[str]:
    try:
        # A line ends with a newline and nowhere else, whatever Python calls one.
        with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as (
            file
        ):
            text = file.read(_MOST_ENV_FILE)
    except OSError as error:
        raise RunUsage(f"{path} cannot be read: {error.strerror}.") from error
    lines = (line.removesuffix("\r").lstrip() for line in text.split("\n"))
    return [line for line in lines if line and not line.startswith("#")]


def _pair(text: str) -> tuple[str, str, str]:
    key, equals, given = text.partition("=")
    if not key:
        raise RunUsage(f"Invalid label {text!r}.", hint="It is KEY=VALUE.")
    return key, equals, given


def _exposed(text: str) -> list[str]:
    """`PORT[-LAST][/PROTOCOL]`, as the config has it."""
    number, _, protocol = text.partition("/")
    first, dash, last = number.partition("-")
    low, high = (
        int(n) if n.isdecimal() else 0 for n in (first, last if dash else first)
    )
    if not 0 < low <= high < 65536 or protocol not in ("", "tcp", "udp", "sctp"):
        raise RunUsage(f"Invalid port {text!r}.", hint="As in 8080, 80-90 or 53/udp.")
    return [f"{port}/{protocol or 'tcp'}" for port in range(low, high + 1)]


def health_from(arguments: argparse.Namespace) -> Healthcheck | None:
    """What `--health-*` and `--no-healthcheck` say; None for nothing."""
    given = {
        "interval": arguments.health_interval,
        "timeout": arguments.health_timeout,
        "start_period": arguments.health_start_period,
        "start_interval": arguments.health_start_interval,
    }
    retries = integer(arguments.health_retries, "--health-retries")
    asked = arguments.health_cmd or retries or any(given.values())
    if not (asked or arguments.no_healthcheck):
        return None
    if asked and arguments.no_healthcheck:
        raise RunUsage("--no-healthcheck conflicts with --health-* options.")
    if retries < 0:
        raise RunUsage("--health-retries cannot be negative.")
    from lamina.oci.config import Healthcheck

    if arguments.no_healthcheck:
        return Healthcheck(("NONE",))
    test = ("CMD-SHELL", arguments.health_cmd) if arguments.health_cmd else ()
    times = {
        name: amounts.duration(text, f"--health-{name.replace('_', '-')}")
        for name, text in given.items()
    }
    return Healthcheck(test, **times, retries=retries)
