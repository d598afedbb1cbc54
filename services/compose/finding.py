"""Which files a project is made of, and what it is called."""

from __future__ import annotations

import os
import re

from lamina.services.compose.reading import exists
from lamina.services.compose.variables import env_files, with_files
from lamina.services.errors import ComposeError, NoComposeFile
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lamina.services.compose.asked import Asked

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
OVERRIDES = (
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
STDIN = "-"


@value
class Found:
    """The files of a project, absolute or `-`, its folder, its variables, and the files
    that some of those are from."""

    files: tuple[str, ...]
    folder: str
    environment: Mapping[str, str]
    env_files: tuple[str, ...]


def find(asked: Asked, warn: Callable[[str], None]) -> Found:
    """What is asked for, on disk. Raises ComposeError where there is nothing.

    The `.env` of the current folder may name the files (COMPOSE_FILE); that of the
    project's folder, if it is another one, comes below it.
    """

    def missing(name: str) -> None:
        warn(unset(name))

    start = _absolute(asked.cwd, asked.folder) if asked.folder else asked.cwd
    first = env_files(start, asked.env_files, asked.environment, asked.cwd)
    environment = with_files(asked.environment, first, asked.cwd, missing)
    files = _named(asked, environment) or _discovered(start, warn)
    folder = start
    if not asked.folder and files[0] != STDIN:
        folder = os.path.dirname(files[0])
    second = env_files(folder, asked.env_files, asked.environment, asked.cwd)
    if second != first:
        environment = with_files(environment, second, asked.cwd, missing)
    return Found(tuple(files), folder, environment, (*first, *second))


def unset(name: str) -> str:
    """What is said of a variable that is not there."""
    return f"The variable {name} is not set, and stands for nothing."


def _absolute(cwd: str, path: str) -> str:
    return os.path.normpath(os.path.join(cwd, path))


def _named(asked: Asked, environment: Mapping[str, str]) -> list[str]:
    names = list(asked.files)
    if not names:
        separator = environment.get("COMPOSE_PATH_SEPARATOR") or os.pathsep
        listed = environment.get("COMPOSE_FILE", "")
        names = [name for name in listed.split(separator) if name]
    if names.count(STDIN) > 1:
        raise ComposeError("The standard input can be read once.")
    files = []
    for name in names:
        path = name if name == STDIN else _absolute(asked.cwd, name)
        if path != STDIN and not exists(path):
            raise ComposeError(f"There is no compose file {name}.")
        files.append(path)
    return files


def _discovered(start: str, warn: Callable[[str], None]) -> list[str]:
    folder = start
    while True:
        found = _in(folder, NAMES)
        if found:
            break
        parent = os.path.dirname(folder)
        if parent == folder:
            raise NoComposeFile(
                f"There is no compose file in {start}, nor in a folder above it.",
                hint="Call it compose.yaml, or name it with `-f`.",
            )
        folder = parent
    overrides = _in(folder, OVERRIDES)
    for several in (found, overrides):
        if len(several) > 1:
            names = ", ".join(os.path.basename(path) for path in several)
            warn(f"Of {names} in {folder} the first is used.")
    return [found[0], *overrides[:1]]


def _in(folder: str, names: tuple[str, ...]) -> list[str]:
    paths = (os.path.join(folder, name) for name in names)
    return [path for path in paths if exists(path)]


_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


def check_name(name: str, error: Callable[[str, str], ComposeError]) -> str:
    """The name, where a project can have it; else raises what `error` makes of a
    message and a hint."""
    if _NAME.fullmatch(name):
        return name
    hint = "Names are lower-case letters, digits, `-` and `_`, a letter or digit first."
    if normal_name(name):
        hint += f" Perhaps: {normal_name(name)}."
    raise error(f"A project cannot be called {name!r}.", hint)


def normal_name(name: str) -> str:
    """The name that a folder's gives a project; "" where nothing remains of it."""
    return re.sub(r"[^a-z0-9_-]", "", name.lower()).lstrip("_-")
