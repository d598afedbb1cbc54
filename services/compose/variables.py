"""What `${}` is resolved with: the environment, and files of variables below it."""

from __future__ import annotations

import os

from lamina.services.compose.dotenv import parse_dotenv
from lamina.services.compose.reading import exists, read_file, shown
from lamina.services.errors import ComposeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def with_files(
    environment: Mapping[str, str],
    paths: Sequence[str],
    cwd: str,
    missing: Callable[[str], None],
) -> dict[str, str]:
    """The environment, and below it the variables of the files: of two files the later
    counts. Raises ComposeError."""
    below: dict[str, str] = {}
    for path in paths:

        def known(name: str) -> str | None:
            given = environment.get(name)
            return below.get(name) if given is None else given

        data = read_file(path, "file of variables")
        below.update(parse_dotenv(shown(path, cwd), data, known, missing))
    return {**below, **environment}


def env_files(
    folder: str, asked: Sequence[str], environment: Mapping[str, str], cwd: str
) -> list[str]:
    """The files of variables of a project: those asked for, those of
    COMPOSE_ENV_FILES, or the folder's `.env` if there is one. Raises ComposeError."""
    listed = environment.get("COMPOSE_ENV_FILES", "")
    named = list(asked) or [path for path in listed.split(",") if path]
    if named:
        paths = [os.path.normpath(os.path.join(cwd, path)) for path in named]
        for path in paths:
            if not exists(path):
                raise ComposeError(f"There is no file of variables {path}.")
        return paths
    if environment.get("COMPOSE_DISABLE_ENV_FILE", "").lower() in ("1", "true"):
        return []
    own = os.path.join(folder, ".env")
    return [own] if os.path.isfile(own) else []
