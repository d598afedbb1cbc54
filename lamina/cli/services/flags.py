"""Which project a command is about: the flags that say so, and the project read."""

from __future__ import annotations

import os

from lamina.cli.telling import warn
from lamina.errors import LaminaError
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from lamina.cli.settings import Settings
    from lamina.services.compose.asked import Loaded
    from lamina.services.project import Project

_FILE = "a compose file (repeat: later ones override)"
_NAME = "the project's name (default: the folder's)"
_PROFILE = "have the services of a profile, too (repeat)"
_ENV_FILE = "the variables of ${...} (default: .env)"
_FOLDER = "what paths are relative to (default: where the file lies)"
_PROGRESS = ("auto", "tty", "plain", "quiet")


class ServicesUsage(LaminaError):
    """Words that do not go together, or that name nothing."""


def add_project_flags(parser: argparse.ArgumentParser) -> None:
    """Register them."""
    flag = parser.add_argument
    flag("-f", "--file", action="append", default=[], metavar="FILE", help=_FILE)
    flag("-p", "--project-name", default="", metavar="NAME", help=_NAME)
    flag("--profile", action="append", default=[], metavar="NAME", help=_PROFILE)
    flag("--env-file", action="append", default=[], metavar="FILE", help=_ENV_FILE)
    flag("--project-directory", default="", metavar="DIR", help=_FOLDER)
    about = "how it is told (auto: tty on a terminal, else plain)"
    flag("--progress", choices=_PROGRESS, default="auto", help=about)


def loaded(
    arguments: argparse.Namespace, settings: Settings, names: tuple[str, ...] = ()
) -> Loaded:
    """The compose files, read; `names` are services that are named, and so meant
    whatever their profiles. Warnings are told. Raises ComposeError."""
    from lamina.services.compose.asked import Asked
    from lamina.services.compose.load import load

    found = load(
        Asked(
            cwd=os.getcwd(),
            environment=settings.environment,
            files=tuple(arguments.file),
            folder=arguments.project_directory,
            name=arguments.project_name,
            profiles=tuple(arguments.profile),
            services=names,
            env_files=tuple(arguments.env_file),
        )
    )
    for text in found.warnings:
        warn(text)
    return found


def project_from(
    arguments: argparse.Namespace,
    settings: Settings,
    names: tuple[str, ...] = (),
    scales: dict[str, int] | None = None,
) -> Project:
    """The project that the flags mean; raises ComposeError."""
    from lamina.services.reading import project_of

    return project_of(loaded(arguments, settings, names), scales)


@value
class Named:
    """A project by its name; `project` is None where nothing but the name is known."""

    name: str
    project: Project | None


def named_project(
    arguments: argparse.Namespace, settings: Settings, names: tuple[str, ...] = ()
) -> Named:
    """The project, for what needs no file: `-p` alone will do. Raises ComposeError."""
    from lamina.services.compose.finding import check_name
    from lamina.services.errors import ComposeError, NoComposeFile

    try:
        project = project_from(arguments, settings, names)
    except NoComposeFile:
        name = arguments.project_name or settings.environment.get(
            "COMPOSE_PROJECT_NAME", ""
        )
        if not name or arguments.file:
            raise
        checked = check_name(name, lambda said, hint: ComposeError(said, hint=hint))
        return Named(checked, None)
    return Named(project.name, project)


def scales_of(texts: list[str]) -> dict[str, int]:
    """`SERVICE=NUMBER` of `--scale`; raises ServicesUsage."""
    found = {}
    for text in texts:
        name, equals, number = text.partition("=")
        if not (name and equals and number.isascii() and number.isdecimal()):
            raise ServicesUsage(
                f"Invalid scale {text!r}.", hint="It is SERVICE=NUMBER, as in web=3."
            )
        found[name] = int(number)
    return found
