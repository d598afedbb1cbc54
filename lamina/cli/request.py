"""What the flags of `run` ask for: Options and Overrides, checked, in plain units."""

from __future__ import annotations

import argparse
import os
import sys

from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

    from lamina.runtime.container import Overrides
    from lamina.runtime.options import Options
    from lamina.runtime.session import Console

_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_MOST_ENV_FILE = 4 << 20


class RunUsage(LaminaError):
    """Flags that mean nothing, or do not go together."""

    exit_code = 125


class RunParser(argparse.ArgumentParser):
    """A parser whose errors exit with Docker's 125: 2 may be the container's own."""

    def parse_known_args(
        self, args: Any = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        # What is unknown here would be reported by the parser above, with its code.
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unknown flag: {unknown[0]}")
        return parsed, unknown

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(125, f"lamina: {message}\nTry `{self.prog} --help`.\n")


def check_terminal(arguments: argparse.Namespace) -> None:
    """A terminal that is to be typed into has to be one on our side as well."""
    typed = arguments.tty and arguments.interactive and not arguments.detach
    if typed and not os.isatty(0):
        error = RunUsage(
            "The input device is not a TTY.", hint="Without a terminal, use `-i` alone."
        )
        error.exit_code = 1
        raise error


def console_from(arguments: argparse.Namespace, attach: tuple[str, ...]) -> Console:
    """What of ours the container is shown on; `-a` narrows it."""
    from lamina.runtime.session import Console

    chosen = [name.lower() for name in attach]
    if set(chosen) - {"stdin", "stdout", "stderr"}:
        raise RunUsage("`--attach` takes stdin, stdout or stderr.")
    shown = chosen or ["stdin", "stdout", "stderr"]
    terminal = 0 if arguments.tty and os.isatty(0) else -1
    return Console(
        stdin=0 if "stdin" in shown and arguments.interactive else -1,
        stdout=1 if "stdout" in shown else -1,
        stderr=2 if "stderr" in shown else -1,
        terminal=terminal if "stdin" in shown and arguments.interactive else -1,
    )


def options_from(arguments: argparse.Namespace) -> Options:
    """The container's Options; raises LaminaError for what cannot be carried out."""
    from lamina.runtime import plan
    from lamina.runtime.options import DEFAULT_SHM_SIZE, Options

    if arguments.detach and arguments.rm and arguments.attach:
        raise RunUsage("`--attach` and `--detach` do not go together.")
    options = Options(
        interactive=arguments.interactive,
        terminal=arguments.tty,
        detached=arguments.detach,
        remove=arguments.rm,
        network=_network(arguments.network),
        publish=tuple(arguments.publish),
        publish_all=arguments.publish_all,
        binds=tuple(arguments.volume),
        mounts=tuple(arguments.mount),
        tmpfs=tuple(arguments.tmpfs),
        folder=os.getcwd(),
        read_only=arguments.read_only,
        hostname=_host_name(arguments.hostname),
        domainname=arguments.domainname,
        extra_hosts=tuple(arguments.add_host),
        dns=tuple(arguments.dns),
        dns_search=tuple(arguments.dns_search),
        dns_options=tuple(arguments.dns_option),
        memory=_memory(arguments.memory),
        memory_swap=-1
        if arguments.memory_swap == "-1"
        else size(arguments.memory_swap, "--memory-swap"),
        memory_reservation=size(arguments.memory_reservation, "--memory-reservation"),
        nano_cpus=_cpus(arguments.cpus),
        cpu_shares=_integer(arguments.cpu_shares, "--cpu-shares"),
        cpuset_cpus=arguments.cpuset_cpus,
        pids_limit=_integer(arguments.pids_limit, "--pids-limit"),
        ulimits=tuple(arguments.ulimit),
        shm_size=size(arguments.shm_size, "--shm-size") or DEFAULT_SHM_SIZE,
        cap_add=tuple(arguments.cap_add),
        cap_drop=tuple(arguments.cap_drop),
        privileged=arguments.privileged,
        security=tuple(arguments.security_opt),
        groups=tuple(arguments.group_add),
        devices=tuple(arguments.device),
        sysctls=tuple(arguments.sysctl),
        init=arguments.init,
        oom_score_adj=_integer(arguments.oom_score_adj, "--oom-score-adj"),
        stop_timeout=_integer(arguments.stop_timeout, "--stop-timeout"),
    )
    plan.check(options)
    return options


def overrides_from(
    arguments: argparse.Namespace, environment: Mapping[str, str]
) -> Overrides:
    """What the flags say over the image's config."""
    from lamina.runtime.container import Overrides

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
        exposed_ports=tuple(map(_exposed, arguments.expose)),
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


def size(text: str, flag: str) -> int:
    """`512m` in bytes; "" is 0. Units b, k, m, g, t, of 1024, as Docker's."""
    lowered = text.strip().lower().removesuffix("ib").removesuffix("b") or text
    if not text:
        return 0
    unit = lowered[-1:] if not lowered[-1:].isdecimal() else ""
    try:
        amount = float(lowered.removesuffix(unit)) * _UNITS[unit]
        if amount < 0 or amount >= 1 << 63:
            raise ValueError
    except (KeyError, ValueError, OverflowError):
        raise RunUsage(
            f"Invalid size {text!r} for {flag}.", hint="As in 512m, 2g or 65536."
        ) from None
    return int(amount)


def _memory(text: str) -> int:
    amount = size(text, "--memory")
    if amount and amount < 6 << 20:
        raise RunUsage("Minimum memory limit allowed is 6MB.")
    return amount


def _cpus(text: str) -> int:
    try:
        amount = round(float(text or 0) * 1_000_000_000)
    except (ValueError, OverflowError):
        amount = -1
    if amount < 0 or (text and amount < 10_000_000):
        raise RunUsage(
            f"Invalid number of CPUs {text!r}.", hint="From 0.01 on, as in 1.5."
        )
    return amount


def _integer(text: str, flag: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise RunUsage(f"Invalid number {text!r} for {flag}.") from None


def _network(text: str) -> str:
    known = {"default": "default", "bridge": "default", "none": "none", "host": "host"}
    if text not in known:
        raise RunUsage(f"There is no network {text!r}.", hint="default, none or host.")
    return known[text]


def _host_name(text: str) -> str:
    if len(text) > 64 or text[:1] in ("-", "."):
        raise RunUsage(f"Invalid host name {text!r}.", hint="64 characters at most.")
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
        with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:
            text = file.read(_MOST_ENV_FILE)
    except OSError as error:
        raise RunUsage(f"{path} cannot be read: {error.strerror}.") from error
    lines = (line.lstrip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _pair(text: str) -> tuple[str, str, str]:
    key, equals, given = text.partition("=")
    if not key:
        raise RunUsage(f"Invalid label {text!r}.", hint="It is KEY=VALUE.")
    return key, equals, given


def _exposed(text: str) -> str:
    """`PORT[/PROTOCOL]`, as the config has it."""
    number, _, protocol = text.partition("/")
    first, _, last = number.partition("-")
    good = first.isdecimal() and 0 < int(first) < 65536 and (not last)
    if not good or protocol not in ("", "tcp", "udp", "sctp"):
        raise RunUsage(f"Invalid port {text!r}.", hint="As in 8080 or 53/udp.")
    return f"{int(first)}/{protocol or 'tcp'}"
