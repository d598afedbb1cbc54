"""Contexts that are no folder, and `--build-context`: the flags, and what they name.

A context from elsewhere (a repository, an archive at an address or on stdin) is brought
into the store; from there on it is a folder like any other. Nothing in it may lead out
of it: its recipe is opened as a process with the context for its root would.
"""

from __future__ import annotations

import io
import os
import sys

from lamina.errors import LaminaError
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from typing import Any

    from lamina.builder.events import Emit
    from lamina.builder.fetching.fetched import FetchedTree
    from lamina.builder.fetching.trees import Origins, Trees
    from lamina.cli.settings import Settings

_TOOLS = ("PATH", "SSH_AUTH_SOCK", "SUDO_UID")
_IMAGES = ("docker-image://", "oci-layout://")


class ContextUsage(LaminaError):
    """A context that cannot be one."""


@value
class Brought:
    """A context from elsewhere: its folder ("" for none, where the address was that
    of a recipe), the recipe's path ("-" for stdin) and name, and its commit's time."""

    folder: str
    recipe: str
    name: str
    commit: str = ""
    seconds: int = 0


def add_context_flags(parser: argparse.ArgumentParser) -> None:
    """`--build-context` and what holds for all that is fetched."""
    flag = parser.add_argument
    flag("--build-context", action="append", default=[], metavar="NAME=PLACE", help=_N)
    flag("--download-limit", metavar="SIZE", help="the largest file to fetch (8g)")


_N = "files or an image for FROM and --from: a folder, an address, docker-image://…"


def context_inputs(
    arguments: argparse.Namespace, environment: Mapping[str, str]
) -> dict[str, Any]:
    """The fields of BuildInputs that these flags are. Raises ContextUsage."""
    found: dict[str, Any] = {
        "contexts": _named(arguments.build_context),
        "tools": {name: environment[name] for name in _TOOLS if name in environment},
    }
    if arguments.download_limit:
        from lamina.cli.building.step_flags import size

        found["download_limit"] = size("--download-limit", arguments.download_limit)
    return found


def _named(given: list[str]) -> dict[str, str]:
    """Contexts by name: absolute folders, and addresses as they are."""
    found = {}
    for text in given:
        name, equals, place = text.partition("=")
        if not (name and equals and place):
            raise ContextUsage(
                f"--build-context {text!r} is no name with a place.",
                hint="As in --build-context src=../src or base=docker-image://debian",
            )
        if name.lower() in ("context", "scratch"):
            raise ContextUsage(f"A context cannot be called {name!r}.")
        found[name] = _place(name, place)
    return found


def _place(name: str, place: str) -> str:
    from lamina.builder.fetching.git_source import is_git, local_repository

    if place.startswith("oci-layout://"):
        return "oci-layout://" + os.path.abspath(place.removeprefix("oci-layout://"))
    if place.startswith("docker-image://"):
        return place
    if os.path.isdir(place):
        return os.path.realpath(place)
    local = local_repository(place)
    if local is not None:
        return f"{local.url}#{local.ref}:{local.subdir}"
    if is_git(place) or place.startswith(("http://", "https://")):
        return place
    raise ContextUsage(
        f"The context {name} is {place!r}, which is not there.",
        hint="Give a folder, an address of a repository or an archive,"
        " docker-image://NAME or oci-layout://FOLDER.",
    )


def is_elsewhere(place: str, file: str | None) -> bool:
    """Whether a build context is no folder: an address, a repository with a ref, an
    archive on stdin."""
    if place == "-":
        return file != "-" and _has_archive_on_stdin()
    if os.path.isdir(place):
        return False
    from lamina.builder.fetching.git_source import is_git, local_repository

    if place.startswith(("http://", "https://")) or is_git(place):
        return True
    return local_repository(place) is not None


def bring(
    arguments: argparse.Namespace, settings: Settings, origins: Origins, emit: Emit
) -> Brought:
    """Bring the build context into the store. Raises LaminaError."""
    from lamina.builder.fetching.trees import Trees
    from lamina.cli.opened import opened

    with opened(settings) as store:
        trees = Trees(store, origins, emit)
        place = arguments.context
        if place == "-":
            tree = _from_stdin(trees, store.root)
        else:
            from lamina.builder.fetching.git_source import is_git, local_repository

            local = local_repository(place)
            if local is not None:
                tree = trees.repository(local)
            elif is_git(place):
                tree = trees.tree(place)
            else:
                path = trees.download(place)
                if not _is_archive(path):
                    return Brought("", path, _file_name(place))
                tree = trees.tree(place)
    return _with_recipe(tree, arguments.file, place)


def _with_recipe(tree: FetchedTree, file: str | None, place: str) -> Brought:
    """The context, and the recipe in it that is meant."""
    from lamina.cli.recipes.recipe_file import RECIPES
    from lamina.runtime.paths import open_in_root

    if file == "-":
        return Brought(tree.path, "-", "-", tree.commit, tree.seconds)
    root = os.open(tree.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in (file,) if file else RECIPES:
            try:
                found = open_in_root(root, name)
            except OSError:
                continue
            # Where it leads to inside: a link out of the context leads nowhere.
            path = os.readlink(f"/proc/self/fd/{found}")
            os.close(found)
            return Brought(tree.path, path, name, tree.commit, tree.seconds)
    finally:
        os.close(root)
    from lamina.builder.fetching.git_source import shown

    where = "the archive on stdin" if place == "-" else shown(place)
    wanted = file or ", ".join(RECIPES)
    raise ContextUsage(
        f"There is no recipe in {where}.",
        hint=f"It was looked for as {wanted}; name one with -f, from its root on.",
    )


def _has_archive_on_stdin() -> bool:
    from lamina.cli.recipes.recipe_file import is_packed

    stdin = sys.stdin.buffer
    assert isinstance(stdin, io.BufferedReader)
    return is_packed(stdin.peek(512))


def _from_stdin(trees: Trees, root: str) -> FetchedTree:
    """The archive on stdin, which has to be read to its end first."""
    import tempfile

    from lamina.oci.files.workspace import space_error

    with tempfile.TemporaryFile(dir=f"{root}/tmp") as file:
        try:
            while data := sys.stdin.buffer.read(1 << 20):
                file.write(data)
            file.flush()
        except OSError as error:
            raise space_error(error, root) from error
        os.lseek(file.fileno(), 0, os.SEEK_SET)
        found: FetchedTree = trees.archive(file.fileno(), "What comes through stdin")
    return found


def _is_archive(path: str) -> bool:
    from lamina.builder.fetching.unpacking import is_archive

    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return is_archive(descriptor)
    finally:
        os.close(descriptor)


def _file_name(address: str) -> str:
    from lamina.builder.fetching.downloads import file_name

    return file_name(address) or "Dockerfile"
