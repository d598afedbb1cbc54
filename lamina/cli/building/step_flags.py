"""The flags of `lamina build` that are about steps: secrets, agents, hosts, limits."""

from __future__ import annotations

import os

from lamina.builder.inputs.build import PROXIES
from lamina.errors import LaminaError
from lamina.sizes import byte_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from typing import Any

    from lamina.runtime.spec import Rlimit

_SECRET_FIELDS = ("id", "type", "src", "source", "env")


class StepUsage(LaminaError):
    """A flag that says something impossible."""


def add_step_flags(parser: argparse.ArgumentParser) -> None:
    """Docker's flags, spelled as there."""
    flag = parser.add_argument
    flag(
        "--secret",
        action="append",
        default=[],
        metavar="id=NAME[,src=FILE|env=VAR]",
        help="a secret that steps may mount (repeat)",
    )
    flag(
        "--ssh",
        action="append",
        default=[],
        metavar="default|ID[=SOCKET|KEY,...]",
        help="an agent or keys that steps may mount (repeat)",
    )
    flag(
        "--network",
        choices=("default", "none", "host"),
        default="default",
        help="what steps have that say nothing of it",
    )
    flag("--allow", action="append", default=[], metavar="ENTITLEMENT", help=_ALLOW)
    about = "one more line in /etc/hosts of steps (repeat)"
    flag("--add-host", action="append", default=[], metavar="NAME:ADDRESS", help=about)
    flag("--shm-size", metavar="SIZE", help="/dev/shm of steps (default: 64m)")
    flag("--unpack-limit", metavar="SIZE", help=_UNPACK)
    flag(
        "--ulimit",
        action="append",
        default=[],
        metavar="TYPE=SOFT[:HARD]",
        help="a resource limit of steps (repeat)",
    )


_UNPACK = "bytes that ADD may unpack from one archive (default: 250 times its size)"
_ALLOW = "let RUN have network.host or security.insecure (repeat)"


def step_inputs(
    arguments: argparse.Namespace, environment: Mapping[str, str]
) -> dict[str, Any]:
    """The fields of BuildInputs that these flags are; raises LaminaError."""
    try:
        return _step_inputs(arguments, environment)
    except LaminaError as error:
        # Some are raised for `run` too, which has codes of its own.
        error.exit_code = 1
        raise


def _step_inputs(
    arguments: argparse.Namespace, environment: Mapping[str, str]
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "network": arguments.network,
        "secrets": secrets(arguments.secret, environment),
    }
    if arguments.ssh:
        found["ssh"] = agents(arguments.ssh, environment)
    if arguments.allow or arguments.network == "host":
        from lamina.builder.planning.entitlements import parse_entitlements

        found["allow"] = parse_entitlements(arguments.allow, arguments.network)
    if arguments.add_host:
        found["hosts"] = tuple(map(_host, arguments.add_host))
    if arguments.shm_size:
        found["shm_size"] = size("--shm-size", arguments.shm_size)
    if arguments.unpack_limit:
        found["unpack_limit"] = size("--unpack-limit", arguments.unpack_limit)
    if arguments.ulimit:
        found["ulimits"] = _limits(arguments.ulimit)
    return found


def secrets(given: list[str], environment: Mapping[str, str]) -> dict[str, str]:
    """The files of secrets by id; one from a variable goes through a sealed memory."""
    found = {}
    for text in given:
        fields = _fields(text)
        name = fields["id"]
        source = fields.get("src", fields.get("source", ""))
        kind = fields.get("type", "")
        variable = fields.get("env", source if kind == "env" else "")
        if kind == "env":
            source = ""
        if not source and (variable or (name in environment and kind != "file")):
            source = _in_memory(variable or name, environment)
        found[name] = _path(source or name)
        if not os.path.isfile(found[name]):
            raise StepUsage(
                f"The secret {name!r} has no file {found[name]!r}.",
                hint=f"Write `--secret id={name},src=FILE` or `id={name},env=NAME`.",
            )
    return found


def _fields(text: str) -> dict[str, str]:
    """The fields of a `--secret`."""
    fields = dict(field.partition("=")[::2] for field in text.split(","))
    unknown = [name for name in fields if name not in _SECRET_FIELDS]
    if unknown:
        raise StepUsage(
            f"The secret {text!r} has an unknown field {unknown[0]!r}.",
            hint=f"A secret has {', '.join(_SECRET_FIELDS)}.",
        )
    if not fields.get("id"):
        raise StepUsage(
            f"The secret {text!r} has no id.",
            hint="Write `--secret id=token,src=FILE` or `id=token,env=TOKEN`.",
        )
    if fields.get("type", "file") not in ("file", "env"):
        raise StepUsage(f"A secret is of type file or env, not {fields['type']!r}.")
    return fields


def _in_memory(name: str, environment: Mapping[str, str]) -> str:
    """A file that only this process has (memfd_create(2))."""
    if name not in environment:
        raise StepUsage(f"There is no variable {name} for a secret.")
    descriptor = os.memfd_create("secret")
    with open(descriptor, "wb", closefd=False) as file:
        file.write(os.fsencode(environment[name]))
    return f"/proc/self/fd/{descriptor}"


def agents(
    given: list[str], environment: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """A socket or key files by id; alone, an id stands for the user's own agent."""
    found = {}
    for text in given:
        name, _, paths = text.partition("=")
        if not name:
            raise StepUsage(f"{text!r} names no agent.", hint="As in --ssh default.")
        chosen = tuple(path for path in paths.split(",") if path)
        if not chosen:
            socket = environment.get("SSH_AUTH_SOCK", "")
            if not socket:
                raise StepUsage(
                    "No ssh agent runs here: SSH_AUTH_SOCK is not set.",
                    hint="Start one, `eval $(ssh-agent) && ssh-add`, or give a key: "
                    f"--ssh {name}=KEYFILE",
                )
            chosen = (socket,)
        found[name] = tuple(map(_path, chosen))
    return found


def _host(text: str) -> tuple[str, str]:
    """A name and its address; where the machine is only a step's network tells."""
    from lamina.builder.ops.step_spec import GATEWAY
    from lamina.runtime.network.resolver_files import parse_host

    name, address = parse_host(text, "127.0.0.1")
    return name, GATEWAY if text.endswith(GATEWAY) else address


def _path(text: str) -> str:
    """An absolute path; shells leave the `~` of `src=~/token` alone."""
    return os.path.abspath(os.path.expanduser(text))


def size(flag: str, text: str) -> int:
    """`64m` in bytes, and not none of them."""
    amount = byte_count(text)
    if not amount:
        raise StepUsage(f"{text!r} is no size.", hint=f"As in {flag} 128m.")
    return amount


def _limits(given: list[str]) -> tuple[Rlimit, ...]:
    """Each limit once; the last one given counts, as in Docker."""
    from lamina.runtime.containers.process import parse_rlimit

    limits = {limit.type: limit for limit in map(parse_rlimit, given)}
    return tuple(limits.values())


def proxies_for(
    environment: Mapping[str, str], build_args: Mapping[str, str]
) -> dict[str, str]:
    """What reaches steps without ARG: of build arguments in both spellings, since
    programs differ in which one they read."""
    found = {name: given for name, given in environment.items() if _is_proxy(name)}
    for name, given in build_args.items():
        if _is_proxy(name):
            found[name.upper()] = found[name.lower()] = given
    return {name: given for name, given in found.items() if given}


def _is_proxy(name: str) -> bool:
    return name.upper() in PROXIES
