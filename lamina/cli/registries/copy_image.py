"""`lamina copy`: images between registries, archives and the store, as they are."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from lamina.cli.opened import opened
from lamina.cli.registries.session import open_session, prepare
from lamina.cli.registries.transfers import view
from lamina.errors import LaminaError
from lamina.oci.reference import parse_reference
from lamina.oci.store.image_index import members, require_any, require_platform
from lamina.values import value

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from lamina.cli.settings import Settings
    from lamina.oci.archives.writer import ArchiveWriter
    from lamina.oci.digest import Digest
    from lamina.oci.files.workspace import Workspace
    from lamina.oci.manifest import Descriptor
    from lamina.oci.platforms import Platform
    from lamina.oci.reference import Reference
    from lamina.oci.registry.copies.destinations import Destination
    from lamina.oci.registry.copies.origins import Origin
    from lamina.oci.registry.progress import Tell
    from lamina.oci.registry.session import Session
    from lamina.oci.store.store import Store

_KINDS = ("docker", "store", "oci", "oci-archive", "docker-archive")


class CopyUsage(LaminaError):
    """A place that is none, or a way that leads nowhere."""


@value
class Place:
    """`KIND:NAME`: what is at it, a name at a registry or a path, and a name there."""

    kind: str
    name: str
    inner: str = ""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `copy`."""
    parser = commands.add_parser(
        "copy",
        help="Copy an image between registries, archives and the store",
        description="Copy an image as it is, without unpacking it. A place is "
        "docker://NAME (a registry), oci:DIR[:TAG], oci-archive:FILE[:TAG], "
        "docker-archive:FILE[:NAME] or store:NAME.",
    )
    flag = parser.add_argument
    flag("source", metavar="SRC")
    flag("target", metavar="DST")
    flag("--platform", metavar="OS/ARCH", help="of an index, only this image")
    flag("--referrers", action="store_true", help="signatures and the like, too")
    flag("-q", "--quiet", action="store_true", help="print the digest only")
    parser.set_defaults(call=copy)


def copy(arguments: argparse.Namespace, settings: Settings) -> int:
    """Copy; the digest that the image has at its new place is what is printed."""
    from lamina.oci.platforms import parse_platform

    source, target = parse_place(arguments.source), parse_place(arguments.target)
    if source.kind == target.kind == "store":
        raise CopyUsage("Both places are in the store.", hint="Use `lamina tag`.")
    platform = parse_platform(arguments.platform) if arguments.platform else None
    shown = view(arguments.quiet)
    try:
        with open_session(settings) as session:
            for place in (source, target):
                if place.kind == "docker":
                    prepare(session, parse_reference(place.name))
            with opened(settings) as store:
                work = _Work(store, session, shown, arguments.referrers)
                print(work.copy(source, target, platform))
    finally:
        shown.close()
    return 0


def parse_place(text: str) -> Place:
    """`docker://NAME`, `oci:DIR[:TAG]`, ...; raises CopyUsage."""
    kind, colon, rest = text.partition(":")
    if kind not in _KINDS or not colon or not rest:
        raise CopyUsage(
            f"{text!r} is no place for an image.",
            hint="Write docker://NAME, oci:DIR[:TAG], oci-archive:FILE[:TAG], "
            "docker-archive:FILE[:NAME] or store:NAME.",
        )
    if kind == "docker":
        if not rest.startswith("//"):
            raise CopyUsage(f"{text!r} lacks its slashes: docker://NAME.")
        return Place(kind, rest[2:])
    if kind == "store":
        return Place(kind, rest)
    path, colon, inner = rest.partition(":")
    return Place(kind, path, inner)


class _Work:
    """One copy, and what it needs."""

    def __init__(
        self, store: Store, session: Session, tell: Tell, referrers: bool
    ) -> None:
        self._store = store
        self._session = session
        self._tell = tell
        self._referrers = referrers

    def copy(self, source: Place, target: Place, platform: Platform | None) -> str:
        """The digest at the target."""
        if target.kind == "store":
            return self._into_store(source, target.name, platform)
        if source.kind == "store":
            return self._out_of_store(source.name, target, platform)
        from lamina.oci.registry.copies.copying import Copy

        with self._store.workspace() as workspace:
            folder = workspace.directory("blobs", 0o700)
            origin = self._origin(source, workspace)
            with self._destination(target, workspace) as destination:
                copied = Copy(origin, destination, folder, self._tell)
                return copied.run(platform, referrers=self._referrers).digest

    def _into_store(self, source: Place, name: str, platform: Platform | None) -> str:
        reference = parse_reference(name)
        if source.kind == "docker":
            found = self._pulled(parse_reference(source.name), platform)
        else:
            from lamina.oci.archives.load import load_place

            kind = "docker-archive" if source.kind == "docker-archive" else "oci-layout"
            found = load_place(self._store, kind, source.name, source.inner, platform)
        self._store.tag(reference, found)
        return found

    def _pulled(self, wanted: Reference, platform: Platform | None) -> Digest:
        from lamina.oci.registry.transfers.pull import pull, pull_all

        if platform is None:
            return pull_all(self._store, self._session, wanted, self._tell).id
        return pull(self._store, self._session, wanted, platform, self._tell).id

    def _out_of_store(self, name: str, target: Place, platform: Platform | None) -> str:
        identity = _chosen(self._store, name, platform)
        if target.kind == "docker":
            return self._pushed(identity, parse_reference(target.name))
        return self._saved(identity, parse_reference(target.inner or name), target)

    def _pushed(self, identity: Digest, reference: Reference) -> str:
        from lamina.oci.registry.transfers.push import push
        from lamina.oci.registry.transfers.push_index import push_index

        store, session, tell = self._store, self._session, self._tell
        if members(store, identity):
            return push_index(store, session, identity, reference, tell=tell).digest
        image = store.image(identity)
        return push(store, session, image, reference, tell=tell).digest

    def _saved(self, identity: Digest, name: Reference, target: Place) -> str:
        from lamina.cli.images.archives import what_to_save
        from lamina.oci.archives.save import Form, save

        store = self._store
        what = what_to_save(store, identity, (name,), "")
        docker = target.kind == "docker-archive"
        form = Form(docker, "none" if docker else "gzip")
        with (
            store.workspace() as workspace,
            _writer(target, workspace) as (writer, earlier),
        ):
            return save(store, (what,), writer, form, earlier)[0].digest

    def _origin(self, place: Place, workspace: Workspace) -> Origin:
        from lamina.oci.archives.members import open_members
        from lamina.oci.registry.copies.origins import (
            DockerArchiveOrigin,
            LayoutOrigin,
            RegistryOrigin,
        )

        if place.kind == "docker":
            reference = parse_reference(place.name)
            sources = self._session.sources(reference)
            return RegistryOrigin(sources, reference, self._tell)
        members = open_members(place.name, workspace)
        if place.kind == "docker-archive":
            folder = workspace.directory("layers", 0o700)
            return DockerArchiveOrigin(members, place.inner, folder, self._tell)
        return LayoutOrigin(members, place.inner, self._tell)

    @contextlib.contextmanager
    def _destination(self, place: Place, workspace: Workspace) -> Iterator[Destination]:
        from lamina.oci.registry.copies.destinations import (
            DockerArchiveDestination,
            LayoutDestination,
            RegistryDestination,
        )

        if place.kind == "docker":
            reference = parse_reference(place.name)
            target = self._session.target(reference)
            yield RegistryDestination(target, reference, self._tell)
            return
        with _writer(place, workspace) as (writer, earlier):
            if place.kind == "docker-archive":
                names = (parse_reference(place.inner),) if place.inner else ()
                yield DockerArchiveDestination(writer, names)
            else:
                yield LayoutDestination(writer, place.inner, earlier)


def _chosen(store: Store, name: str, platform: Platform | None) -> Digest:
    """What `name` means in the store: an image, or an index where no platform is
    asked for."""
    if platform is not None:
        return require_platform(store, name, str(platform))
    return require_any(store, name)


@contextlib.contextmanager
def _writer(
    place: Place, workspace: Workspace
) -> Iterator[tuple[ArchiveWriter, tuple[Descriptor, ...]]]:
    """What writes to a folder or a tar, and what is listed there already."""
    from lamina.oci.archives.layout_folder import layout_at
    from lamina.oci.archives.writer import TarWriter, tar_at

    if place.kind == "oci":
        with layout_at(place.name) as found:
            yield found
    else:
        with tar_at(place.name) as descriptor:
            yield TarWriter(descriptor, workspace.path), ()
