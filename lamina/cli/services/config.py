"""`lamina compose config`: a compose file as it is understood."""

from __future__ import annotations

import argparse
import sys

from lamina.cli.services.flags import loaded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from lamina.cli.settings import Settings
    from lamina.services.compose.asked import Loaded
    from lamina.services.project import Project, Service

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_NAMES = ("services", "networks", "volumes", "images", "profiles")


def add_config(inner: Commands) -> None:
    """Register `config`."""
    about = "Show the compose file as it is understood, or what is wrong with it"
    parser = inner.add_parser("config", help=about, description=about + ".")
    flag = parser.add_argument
    flag("--format", choices=("yaml", "json"), default="yaml", help="yaml or json")
    flag("-q", "--quiet", action="store_true", help="say only what is wrong")
    for name in _NAMES:
        flag(
            f"--{name}", action="store_true", dest=f"{name}_only", help=f"print {name}"
        )
    about = "print the hashes of services, `*` for all"
    flag("--hash", default="", metavar="SERVICES", help=about)
    flag(
        "--environment", action="store_true", help="print what ${...} is resolved with"
    )
    flag("-o", "--output", default="", metavar="FILE", help="write it to FILE")
    flag("services", metavar="SERVICE", nargs="*")
    parser.set_defaults(call=_config)


def _config(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.services.reading import project_of
    from lamina.services.selecting import selected

    found = loaded(arguments, settings, tuple(arguments.services))
    project = project_of(found)
    services = selected(project, arguments.services)
    if arguments.quiet:
        return 0
    lines = _lines(arguments, found, project, services)
    if lines is None:
        _write(arguments, _document(found, [one.name for one in services]))
        return 0
    for line in lines:
        print(line)
    return 0


def _lines(
    arguments: argparse.Namespace,
    found: Loaded,
    project: Project,
    services: tuple[Service, ...],
) -> list[str] | None:
    """The part of it that is asked for; None for the whole."""
    parts: dict[str, Callable[[], list[str]]] = {
        "services_only": lambda: sorted(one.name for one in services),
        "networks_only": lambda: [one.key for one in project.networks],
        "volumes_only": lambda: [one.key for one in project.volumes],
        "images_only": lambda: [one.image for one in services],
        "profiles_only": lambda: sorted(
            {text for one in project.services for text in one.profiles}
        ),
        "environment": lambda: [
            f"{key}={text}" for key, text in sorted(found.environment.items())
        ],
        "hash": lambda: [
            f"{one.name} {one.hash}"
            for one in services
            if arguments.hash == "*" or one.name in arguments.hash.split(",")
        ],
    }
    for name, part in parts.items():
        if getattr(arguments, name):
            return part()
    return None


def _document(found: Loaded, names: list[str]) -> dict[str, Any]:
    """The canonical tree, with the services that are meant."""
    services = found.tree.get("services") or {}
    chosen = {name: services[name] for name in sorted(names)}
    return {"name": found.name, **found.tree, "services": chosen}


def _write(arguments: argparse.Namespace, tree: dict[str, Any]) -> None:
    if arguments.format == "json":
        from lamina.cli.formats.documents import as_json

        text = as_json(tree, indent=2) + "\n"
    else:
        from lamina.services.compose.yaml_reader import write_yaml

        text = write_yaml(tree)
    if arguments.output:
        with open(arguments.output, "w", encoding="utf-8") as file:
            file.write(text)
    else:
        sys.stdout.write(text)
