"""`lamina compose scale` and `create`: `up` in other words."""

from __future__ import annotations

import argparse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.settings import Settings

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_scale(inner: Commands) -> None:
    """Register `scale`."""
    about = "Have so many containers of a service"
    parser = inner.add_parser("scale", help=about, description=about + ".")
    parser.add_argument("--no-deps", action="store_true", help="and no other service")
    parser.add_argument("scales", metavar="SERVICE=NUMBER", nargs="+")
    parser.set_defaults(call=_scale)


def _scale(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.services.flags import scales_of

    names = scales_of(arguments.scales)
    words = ["--detach", "--no-recreate"]
    words += ["--no-deps"] if arguments.no_deps else []
    words += [f"--scale={text}" for text in arguments.scales]
    return _up(arguments, settings, [*words, *names])


def add_create(inner: Commands) -> None:
    """Register `create`."""
    about = "Make the containers of services, without starting them"
    parser = inner.add_parser("create", help=about, description=about + ".")
    flag = parser.add_argument
    flag("--build", action="store_true", help="build images before")
    flag("--no-build", action="store_true", help="build no image")
    flag("--force-recreate", action="store_true", help="make all anew")
    flag("--no-recreate", action="store_true", help="make none anew that is there")
    flag("--remove-orphans", action="store_true", help="remove orphans")
    about = "so many containers of a service (repeat)"
    flag("--scale", action="append", default=[], metavar="SERVICE=NUMBER", help=about)
    about = "when to ask registries"
    choices = ("always", "missing", "never", "build")
    flag("--pull", choices=choices, default="", help=about)
    flag("services", metavar="SERVICE", nargs="*")
    parser.set_defaults(call=_create)


_SWITCHES = ("build", "no_build", "force_recreate", "no_recreate", "remove_orphans")


def _create(arguments: argparse.Namespace, settings: Settings) -> int:
    words = ["--no-start"]
    words += [
        f"--{name.replace('_', '-')}" for name in _SWITCHES if getattr(arguments, name)
    ]
    words += [f"--scale={text}" for text in arguments.scale]
    words += [f"--pull={arguments.pull}"] if arguments.pull else []
    return _up(arguments, settings, [*words, *arguments.services])


def _up(arguments: argparse.Namespace, settings: Settings, words: list[str]) -> int:
    """`up` with these words, for the same project."""
    from lamina.cli.main import parsed
    from lamina.cli.services.up import up

    asked = parsed(["up", *words])
    for name in ("file", "project_name", "profile", "env_file", "project_directory"):
        setattr(asked, name, getattr(arguments, name))
    asked.progress = arguments.progress
    return up(asked, settings)
