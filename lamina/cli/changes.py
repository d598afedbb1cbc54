"""`lamina diff`, `commit`, `export`: what a container changed."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from typing import TYPE_CHECKING, cast

from lamina.errors import LaminaError

if TYPE_CHECKING:
    from lamina.builder.scope import Scope
    from lamina.cli.settings import Settings
    from lamina.oci.config import ImageConfig
    from lamina.oci.reference import Reference

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

# What docker commit takes, and two more that only edit the config.
_CHANGES = (
    *("CMD", "ENTRYPOINT", "ENV", "EXPOSE", "LABEL", "ONBUILD", "USER", "VOLUME"),
    *("WORKDIR", "STOPSIGNAL", "HEALTHCHECK"),
)


def add(commands: Commands) -> None:
    """Register the commands."""
    diff = commands.add_parser(
        "diff",
        help="Show what a container changed in its files",
        description="Show what was (A)dded, (C)hanged and (D)eleted.",
    )
    diff.add_argument("container", metavar="CONTAINER")
    diff.set_defaults(call=_diff)
    commit = commands.add_parser(
        "commit",
        help="Make an image of a container's changes",
        description="Make an image of a container's changes; print its ID.",
    )
    flag = commit.add_argument
    flag("-a", "--author", default="", help="who made it")
    flag("-m", "--message", default="", help="a note for `history`")
    flag("-c", "--change", action="append", default=[], metavar="INSTRUCTION")
    flag(
        "-p",
        "--pause",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="let the container stand still meanwhile",
    )
    flag("container", metavar="CONTAINER")
    flag("name", metavar="NAME[:TAG]", nargs="?", default="")
    commit.set_defaults(call=_commit)
    export = commands.add_parser("export", help="Write a container's files as a tar")
    export.add_argument("-o", "--output", default="", metavar="FILE")
    export.add_argument("container", metavar="CONTAINER")
    export.set_defaults(call=_export)


def _diff(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.containers import find, open_store
    from lamina.runtime.changes import diff

    store = open_store(settings)
    for kind, path in diff(store, find(store, arguments.container)):
        print(kind, path)
    return 0


def _commit(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.containers import find, open_store
    from lamina.runtime.changes import commit, paused

    reference = _reference(arguments.name)
    store = open_store(settings)
    container = find(store, arguments.container)
    config = _changed(container.config, arguments.change)
    still = paused(store, container) if arguments.pause else contextlib.nullcontext()
    with still:
        image = commit(store, container, config, arguments.message, arguments.author)
    if reference is not None:
        store.tag(reference, image.id)
    print(image.id)
    return 0


def _reference(name: str) -> Reference | None:
    if not name:
        return None
    from lamina.oci.reference import parse_reference

    reference = parse_reference(name)
    if reference.digest is not None:
        raise LaminaError(f"{name!r} has a digest, which is the image's to say.")
    return reference


def _changed(config: ImageConfig, changes: list[str]) -> ImageConfig:
    """`config` with instructions applied as a build applies them.

    Docker notes none of them in the history; nor is that done here.
    """
    if not changes:
        return config
    from lamina.builder.stage import apply, base_state
    from lamina.lang.parser import parse_trigger
    from lamina.lang.source import Source, Span
    from lamina.values import replace

    state = base_state(0, "", config, -1)
    for text in changes:
        keyword = text.split(None, 1)[0].upper() if text.split() else text
        if keyword not in _CHANGES:
            raise LaminaError(
                f"{keyword or text!r} is no change that commit makes.",
                hint=", ".join(_CHANGES),
            )
        span = Span(Source("--change", text), 0, len(text))
        instruction = parse_trigger(text, "\\", span)
        state = apply(state, instruction, cast("Scope", _NoSteps()))
    return replace(state.config, history=config.history)


class _NoSteps:
    """The scope of a change: what it would do to files is not done (WORKDIR)."""

    escape = "\\"
    network = "default"

    def add(self, *_: object) -> int:
        return -1


def _export(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.containers import find, open_store
    from lamina.runtime.changes import export

    store = open_store(settings)
    container = find(store, arguments.container)
    if arguments.output:
        temporary = f"{arguments.output}.{os.getpid()}.new"
        with open(temporary, "xb") as file:
            try:
                export(store, container, file.write)
                os.rename(temporary, arguments.output)
            except BaseException:
                os.unlink(temporary)
                raise
        return 0
    if os.isatty(1):
        raise LaminaError(
            "A tar is not written to a terminal.", hint="Use -o FILE, or a pipe."
        )
    export(store, container, sys.stdout.buffer.write)
    sys.stdout.buffer.flush()
    return 0
