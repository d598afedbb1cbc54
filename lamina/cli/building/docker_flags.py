"""Flags of docker's build that ask for what is so anyway, or for other commands."""

from __future__ import annotations

from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from lamina.cli.settings import Settings

_OFF = ("0", "f", "false")
_NO_OP = "no-op"
_SWITCHES = {
    "--rm": "no step leaves a container: no-op",
    "--force-rm": _NO_OP,
    "--compress": _NO_OP,
    "--disable-content-trust": _NO_OP,
}
_METHODS = ("build", "check", "outline", "targets")


class DockerUsage(LaminaError):
    """What docker's build does and Lamina's does not."""


def add_docker_flags(parser: argparse.ArgumentParser) -> None:
    """Register them."""
    flag = parser.add_argument
    for name, about in _SWITCHES.items():
        flag(name, action="store_true", help=about)
    flag("--builder", metavar="NAME", help="there is one: no-op")
    flag("--isolation", default="", metavar="MODE", help="default, as it is anyway")
    for name in ("--provenance", "--sbom"):
        flag(name, default="false", metavar="false", help="as it is anyway")
    dest: dict[str, Any] = {"dest": "method", "default": "build"}
    flag("--call", metavar="METHOD[,format=json]", help=_CALL, **dest)
    flag("--check", action="store_const", const="check", help=_CHECK, **dest)


_CHECK = "show what is wrong with the recipe, as `lamina check` does"
_CALL = "instead of a build: check, outline or targets"


def check_docker_flags(arguments: argparse.Namespace) -> None:
    """Raises DockerUsage for what would be missed if it were left out."""
    for name in ("provenance", "sbom"):
        given = getattr(arguments, name)
        if given.lower() not in _OFF:
            raise DockerUsage(
                f"--{name}={given}: Lamina attests nothing of what it builds.",
                hint=f"Leave --{name} out. `lamina build --report FILE` and "
                "`--metadata-file` say how an image was made.",
            )
    if arguments.isolation not in ("", "default"):
        raise DockerUsage(
            f"There is no isolation {arguments.isolation!r}.",
            hint="On Linux there is `default` alone.",
        )


def other_command(arguments: argparse.Namespace, settings: Settings) -> int | None:
    """What `--call` names instead of a build, done: its exit code. None for a build."""
    method, _, style = arguments.method.partition(",")
    if method not in _METHODS:
        raise DockerUsage(
            f"There is no --call={method}.", hint=f"{', '.join(_METHODS)}."
        )
    if method == "build":
        return None
    from lamina.cli.main import main

    return main(["--root", settings.root, *_words(arguments, method, style)])


def _words(arguments: argparse.Namespace, method: str, style: str) -> list[str]:
    """The command line of `check` or `outline` for the same recipe."""
    words = ["check" if method == "check" else "outline", arguments.context]
    words += ["--targets"] if method == "targets" else []
    words += [f"--{style}"] if style else []
    for name in ("file", "compat", "stdin_name"):
        given = getattr(arguments, name)
        words += [f"--{name.replace('_', '-')}={given}"] if given is not None else []
    lists = (
        "set",
        "values",
        "build_arg",
        *(("target",) if method == "outline" else ()),
    )
    for name in lists:
        flag = f"--{name.replace('_', '-')}"
        words += [f"{flag}={given}" for given in getattr(arguments, name)]
    return words
