"""`lamina load`, `save`, `import`: images from archives and into them."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING

from lamina.cli.images.changing import add_change
from lamina.cli.opened import opened
from lamina.errors import LaminaError
from lamina.oci.reference import parse_reference
from lamina.oci.store import journal
from lamina.oci.store.image_index import require_any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from lamina.cli.settings import Settings
    from lamina.oci.archives.save import Saved, SavedIndex
    from lamina.oci.archives.writer import ArchiveWriter
    from lamina.oci.config import ImageConfig
    from lamina.oci.digest import Digest
    from lamina.oci.reference import Reference
    from lamina.oci.store.store import Store

_FORMATS = ("docker-archive", "oci-archive", "oci", "oci-dir")


class ArchiveUsage(LaminaError):
    """Flags that do not go together, or a terminal where a file belongs."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `load`, `save` and `import`."""
    parser = commands.add_parser(
        "load",
        help="Load images from an archive",
        description="Load images from a docker-archive or an OCI layout, as tar or "
        "folder, compressed or not.",
    )
    flag = parser.add_argument
    flag("-i", "--input", metavar="FILE", help="read from FILE, not from stdin")
    flag("-q", "--quiet", action="store_true", help="say nothing of its progress")
    flag("--platform", metavar="OS/ARCH", help="of several platforms, load this one")
    parser.set_defaults(call=load_images)

    parser = commands.add_parser(
        "save",
        help="Save images to an archive",
        description="Save images to an archive that Docker, Podman and Skopeo read.",
    )
    flag = parser.add_argument
    flag("images", nargs="+", metavar="IMAGE")
    flag("-o", "--output", metavar="FILE", help="write to FILE, not to stdout")
    about = "what is written (default: docker-archive)"
    flag("--format", choices=_FORMATS, default="docker-archive", help=about)
    flag("--compression", choices=("gzip", "zstd", "none"), help=_COMPRESSION)
    flag("--platform", metavar="OS/ARCH", help="of several platforms, save this one")
    parser.set_defaults(call=save_images)

    parser = commands.add_parser(
        "import",
        help="Make an image from a tar of files",
        description="Make an image of one layer from a tar of a root file system.",
    )
    flag = parser.add_argument
    flag("source", metavar="FILE", help="a tar, compressed or not; - is stdin")
    flag("name", nargs="?", default="", metavar="NAME[:TAG]")
    add_change(parser)
    flag("-m", "--message", default="", help="a comment for the history")
    flag("--platform", metavar="OS/ARCH", help="what the files are for")
    parser.set_defaults(call=import_image)


_COMPRESSION = "of layers (default: gzip for OCI, none for docker-archive)"


def load_images(arguments: argparse.Namespace, settings: Settings) -> int:
    """Load an archive; one line for each name that an image got."""
    from lamina.oci.archives.load import load
    from lamina.oci.platforms import parse_platform

    source: str | int = arguments.input or "-"
    if source == "-":
        source = sys.stdin.fileno()
        if os.isatty(source):
            raise ArchiveUsage(
                "Stdin is a terminal, not an archive.",
                hint="Use `lamina load -i FILE`, or `docker save IMAGE | lamina load`.",
            )
    platform = parse_platform(arguments.platform) if arguments.platform else None
    with opened(settings) as store:
        found = load(store, source, platform, os.cpu_count() or 1)
        for loaded in found:
            names = [reference.familiar() for reference in loaded.references]
            identity = loaded.index or loaded.image.id
            for name in names or [identity]:
                journal.note_image(store.root, "load", identity, name)
    lines: dict[str, None] = {}
    for loaded in found:
        for reference in loaded.references:
            lines[f"Loaded image: {reference.familiar()}"] = None
        if not loaded.references:
            lines[f"Loaded image ID: {loaded.index or loaded.image.id}"] = None
    for line in lines:
        print(line)
    return 0


# save


def save_images(arguments: argparse.Namespace, settings: Settings) -> int:
    """Save images; nothing is left of the archive when that fails."""
    from lamina.oci.archives.save import Form, save

    docker = arguments.format == "docker-archive"
    compression = arguments.compression or ("none" if docker else "gzip")
    folder = arguments.format == "oci-dir"
    with opened(settings) as store, store.workspace() as workspace:
        chosen = arguments.platform
        images = [
            saved for name in arguments.images for saved in _saved(store, name, chosen)
        ]
        with _target(arguments.output or "-", folder, workspace.path) as writer:
            save(store, images, writer, Form(docker, compression))
        for name in arguments.images:
            identity = store.resolve_any(name) or name
            journal.note_image(store.root, "save", identity, name)
    return 0


def _saved(store: Store, name: str, platform: str) -> list[Saved | SavedIndex]:
    """The images that a name means; a bare repository means all of its tags."""
    here = store.references()
    try:
        wanted = parse_reference(name)
    except LaminaError:
        wanted = None
    if wanted is not None:
        bare = ":" not in name.rpartition("/")[2]
        found = [
            (reference, identity)
            for reference, identity in (
                (parse_reference(t), i) for t, i in here.items()
            )
            if reference == wanted or (bare and reference.name == wanted.name)
        ]
        if found:
            found.sort(key=lambda pair: str(pair[0]))
            return [
                what_to_save(store, identity, (reference,), platform)
                for reference, identity in found
            ]
    return [what_to_save(store, require_any(store, name), (), platform)]


def what_to_save(
    store: Store, identity: Digest, names: tuple[Reference, ...], platform: str
) -> Saved | SavedIndex:
    """An image, or an index where no platform is asked for, with what its build
    annotated it with. Raises NotFound."""
    from lamina.oci.archives.save import Saved, SavedIndex
    from lamina.oci.store.annotations import (
        INDEX,
        INDEX_DESCRIPTOR,
        MANIFEST,
        MANIFEST_DESCRIPTOR,
        annotated,
    )
    from lamina.oci.store.image_index import members, require_platform

    def one(image: Digest, references: tuple[Reference, ...]) -> Saved:
        notes = annotated(store, image)
        return Saved(
            store.image(image),
            references,
            notes.get(MANIFEST, {}),
            notes.get(MANIFEST_DESCRIPTOR, {}),
        )

    if platform:
        return one(require_platform(store, identity, platform), names)
    inside = members(store, identity)
    if not inside:
        return one(identity, names)
    notes = annotated(store, identity)
    return SavedIndex(
        tuple(one(m.id, ()) for m in inside),
        names,
        notes.get(INDEX, {}),
        notes.get(INDEX_DESCRIPTOR, {}),
    )


@contextlib.contextmanager
def _target(output: str, folder: bool, workspace: str) -> Iterator[ArchiveWriter]:
    """Where to write to; what has the name afterwards is complete, or as before."""
    from lamina.oci.archives.writer import FolderWriter, TarWriter, folder_at, tar_at

    if folder:
        if output == "-":
            raise ArchiveUsage("A folder needs a name.", hint="Give one with -o DIR.")
        with folder_at(output) as path:
            yield FolderWriter(path)
    elif output == "-":
        if os.isatty(sys.stdout.fileno()):
            raise ArchiveUsage(
                "Stdout is a terminal: an archive would only garble it.",
                hint="Use -o FILE, or a pipe.",
            )
        yield TarWriter(sys.stdout.fileno(), workspace)
    else:
        with tar_at(output) as descriptor:
            yield TarWriter(descriptor, workspace)


# import


def import_image(arguments: argparse.Namespace, settings: Settings) -> int:
    """Make an image of a tar; its ID is what is printed."""
    from lamina.oci.archives.rootfs import import_rootfs

    reference = parse_reference(arguments.name) if arguments.name else None
    config = _config(arguments, settings)
    descriptor = _open_source(arguments.source)
    try:
        with opened(settings) as store:
            image = import_rootfs(store, lambda n: os.read(descriptor, n), config)
            if reference is not None:
                store.tag(reference, image.id)
            journal.note_image(store.root, "import", image.id, arguments.name)
    finally:
        os.close(descriptor)
    print(image.id)
    return 0


def _config(arguments: argparse.Namespace, settings: Settings) -> ImageConfig:
    """The config that the flags ask for, with a line of history."""
    from lamina.oci.config import History, ImageConfig
    from lamina.oci.platforms import host_platform, parse_platform

    chosen = arguments.platform
    platform = parse_platform(chosen) if chosen else host_platform()
    created = _now(settings)
    source = arguments.source
    comment = arguments.message or f"Imported from {source}"
    config = ImageConfig(
        architecture=platform.architecture,
        os=platform.os,
        variant=platform.variant,
        created=created,
        history=(History(created=created, comment=comment),),
    )
    if not arguments.change:
        return config
    from lamina.builder.planning.changes import apply_changes

    return apply_changes(config, arguments.change)


def _now(settings: Settings) -> str:
    """The time of the image: $SOURCE_DATE_EPOCH, which gives equal images, or now."""
    from lamina.builder.inputs.epoch import find_epoch

    given = settings.environment.get("SOURCE_DATE_EPOCH", "")
    epoch = find_epoch(None, given, "").seconds
    seconds = int(time.time()) if epoch is None else epoch
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _open_source(source: str) -> int:
    if source == "-":
        return os.dup(sys.stdin.fileno())
    if source.startswith(("http://", "https://")):
        raise ArchiveUsage(
            "An import reads files, not addresses.",
            hint=f"Fetch it first: curl -fL {source} | lamina import -",
        )
    try:
        return os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ArchiveUsage(f"{source!r} cannot be read: {error.strerror}.") from error
