"""`lamina diff`, `commit`, `export`: what a container changed."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from typing import TYPE_CHECKING

from lamina.cli.images.changing import add_change
from lamina.cli.telling import warn
from lamina.errors import LaminaError

if TYPE_CHECKING:
    from lamina.cli.settings import Settings
    from lamina.oci.reference import Reference

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add(commands: Commands) -> None:
    """Register the commands."""
    diff = commands.add_parser(
        "diff",
        help="Show what a container changed, or how two images differ",
        usage="lamina diff CONTAINER | lamina diff IMAGE IMAGE [--format json]",
        description="Show what was (A)dded, (C)hanged and (D)eleted: by a container "
        "in its image's files, or from one image to another.",
    )
    diff.add_argument("names", metavar="CONTAINER|IMAGE", nargs="+")
    diff.add_argument("--format", choices=("json",), default="", help="for two images")
    diff.set_defaults(call=_diff)
    commit = commands.add_parser(
        "commit",
        help="Make an image of a container's changes",
        description="Make an image of a container's changes; print its ID.",
    )
    flag = commit.add_argument
    flag("-a", "--author", default="", help="who made it")
    flag("-m", "--message", default="", help="a note for `history`")
    add_change(commit)
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
    about = "write to FILE, not to stdout"
    export.add_argument("-o", "--output", default="", metavar="FILE", help=about)
    export.add_argument("container", metavar="CONTAINER")
    export.set_defaults(call=_export)


def _diff(arguments: argparse.Namespace, settings: Settings) -> int:
    names = arguments.names
    if len(names) == 2:
        from lamina.cli.images.image_diff import diff_images

        return diff_images(names, arguments.format, settings)
    if len(names) > 2 or arguments.format:
        raise LaminaError(
            "`lamina diff` takes one container, or two images.",
            hint="`lamina diff CONTAINER`, `lamina diff IMAGE IMAGE --format json`.",
        )
    from lamina.cli.containers.finding import find, open_store
    from lamina.cli.formats.tables import one_line
    from lamina.runtime.containers.changes import diff

    # As ls(1): a program gets the bytes, and a terminal nothing that steers it.
    shown = one_line if sys.stdout.isatty() else str
    with open_store(settings) as store:
        for kind, path in diff(store, find(store, names[0])):
            print(kind, shown(path))
        return 0


def _commit(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.containers.finding import find, open_store
    from lamina.oci.store import journal
    from lamina.runtime.containers import events
    from lamina.runtime.containers.changes import commit, paused

    reference = _reference(arguments.name)
    with open_store(settings) as store:
        container = find(store, arguments.container)
        config = container.config
        if arguments.change:
            from lamina.builder.planning.changes import apply_changes

            config = apply_changes(config, arguments.change)
        no_pause = contextlib.nullcontext("")
        with paused(store, container) if arguments.pause else no_pause as warning:
            if warning:
                warn(warning)
            image = commit(
                store, container, config, arguments.message, arguments.author
            )
        if reference is not None:
            store.tag(reference, image.id)
            journal.note_image(store.root, "tag", image.id, reference.familiar())
        name = {"imageRef": reference.familiar()} if reference is not None else {}
        events.tell(
            store.root,
            container,
            "commit",
            comment=arguments.message,
            imageID=image.id,
            **name,
        )
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


def _export(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.containers.finding import find, open_store
    from lamina.oci.archives.writer import tar_at, write_out
    from lamina.runtime.containers import events
    from lamina.runtime.containers.changes import export

    with open_store(settings) as store:
        container = find(store, arguments.container)
        events.tell(store.root, container, "export")
        if arguments.output not in ("", "-"):
            with tar_at(arguments.output) as file:
                export(
                    store, container, lambda data: write_out(file, data, "the archive")
                )
            return 0
        if os.isatty(1):
            raise LaminaError(
                "A tar is not written to a terminal.", hint="Use -o FILE, or a pipe."
            )
        export(store, container, sys.stdout.buffer.write)
        sys.stdout.buffer.flush()
        return 0
