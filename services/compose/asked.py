"""What is asked of the reader of compose files, and what it answers."""

from __future__ import annotations

from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from lamina.services.compose.places import Places


@value
class Asked:
    """Which files, for which project.

    `files` are those of `-f`, "-" is the standard input; without any, compose.yaml and
    its kin are looked for from `cwd` upwards. `folder` is `--project-directory`, "" the
    first file's. `name` is `-p`; "" stands for COMPOSE_PROJECT_NAME, the files' `name:`
    and the folder's. `profiles` are added to those of COMPOSE_PROFILES; `services` are
    named on the command line and count as active whatever their profiles.
    `env_files` are those of `--env-file`; without any, `.env` of the project's folder.
    """

    cwd: str
    environment: Mapping[str, str]
    files: tuple[str, ...] = ()
    folder: str = ""
    name: str = ""
    profiles: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()


@value
class Loaded:
    """A project as its files describe it.

    `folder` and `files` are absolute. `tree` is canonical, and holds the services of
    inactive profiles too; such a one keeps its `env_file` where that is not there.
    `environment` is what `${}` was resolved with, and `read` are all files that any of
    it is from, those of variables too.
    """

    name: str
    folder: str
    files: tuple[str, ...]
    profiles: tuple[str, ...]
    tree: dict[str, Any]
    places: Places
    warnings: tuple[str, ...]
    environment: Mapping[str, str]
    read: tuple[str, ...] = ()
