"""Trees from elsewhere: repositories and archives, each a layer of the store.

A layer has a name by its content and a folder to read it in: so a tree that came once
is a build context, an origin of COPY --from or a base like any other, and one that
gives the same files again changes no key.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.builder.errors import DownloadFailed, MissingSource
from lamina.builder.events import Note
from lamina.builder.fetching.fetched import FetchedTree
from lamina.builder.fetching.git_source import is_git, parse_git
from lamina.builder.meter import Meters
from lamina.oci.digest import Digest
from lamina.values import EMPTY, value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lamina.builder.events import Emit
    from lamina.builder.fetching.downloads import Downloads
    from lamina.builder.fetching.git_source import GitSource
    from lamina.oci.store.store import Store

_WEB = ("http://", "https://")
_KIND = "tree"


@value
class Origins:
    """How to reach what lies elsewhere: the variables that find programs, those of the
    network, how large a download and an unpacked archive may be (0: as usual), and
    the files of secrets by id."""

    tools: Mapping[str, str]
    proxies: Mapping[str, str]
    download_limit: int = 0
    unpack_limit: int = 0
    secrets: Mapping[str, str] = EMPTY


class Trees:
    """The trees of one build; what is here already is not fetched again."""

    def __init__(
        self,
        store: Store,
        origins: Origins,
        emit: Emit,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        from lamina.builder.fetching.repositories import Repositories

        self._store = store
        self._origins = origins
        self._emit = emit
        self._meters = Meters(emit, cancelled)
        self._git = Repositories(store, origins.tools, origins.proxies, self._meters)

    def commit(self, source: GitSource) -> str:
        """The commit that a repository's address means now."""
        return self._git.commit(source)

    def repository(self, source: GitSource) -> FetchedTree:
        """The files of a commit. Raises DownloadFailed, MissingSource."""
        commit = self.commit(source)
        switches = (source.keep_git_dir, source.submodules)
        ref = source.ref if source.keep_git_dir else ""
        key = Digest.of(
            repr((source.url, commit, source.subdir, switches, ref)).encode()
        )
        known = self._store.recall(_KIND, key)
        if known is not None:
            layer, _, seconds = known.decode().partition(" ")
            if self._store.has_layers((layer,)):
                return self._found(layer, commit, int(seconds))
        self._emit(Note(f"{source}: commit {commit}"))
        with self._store.workspace() as workspace:
            folder = workspace.directory("tree")
            made = self._git.check_out(source, commit, folder)
            layer = self._published(folder)
        self._store.remember(_KIND, key, f"{layer} {made}".encode())
        return self._found(layer, commit, made)

    def archive(self, archive: int, what: str) -> FetchedTree:
        """The files of an archive, an open file; `what` is it for messages."""
        from lamina.builder.fetching.unpacking import is_archive

        if not is_archive(archive):
            raise DownloadFailed(
                f"{what} is no archive.",
                hint="A context is a tar, plain or in gzip, bzip2, xz or zstd.",
            )
        key = _digest_of(archive)
        known = self._store.recall(_KIND, key)
        if known is not None and self._store.has_layers((known.decode(),)):
            return self._found(known.decode())
        with self._store.workspace() as workspace:
            folder = workspace.directory("tree")
            self._unpack(archive, folder)
            layer = self._published(folder)
        self._store.remember(_KIND, key, layer.encode())
        return self._found(layer)

    def tree(self, address: str) -> FetchedTree:
        """The tree at an address: a repository's, or that of an archive."""
        if is_git(address):
            return self.repository(parse_git(address))
        if not address.startswith(_WEB):
            raise MissingSource(
                f"{address!r} is no folder, repository, archive or image.",
                hint="As in ./folder, https://example.org/app.git#main,"
                " docker-image://debian:bookworm or oci-layout://folder.",
            )
        path = self.download(address)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return self.archive(descriptor, address)
        finally:
            os.close(descriptor)

    def download(self, address: str) -> str:
        """The path of the file at an address of the web."""
        return self.downloads().get(address, "").file.path

    def downloads(self) -> Downloads:
        """Files of the web, kept in the store."""
        from lamina.builder.fetching.downloads import Downloads

        given = self._origins
        return Downloads(
            f"{self._store.root}/downloads",
            given.proxies,
            given.download_limit,
            self._store,
            given.secrets,
            meters=self._meters,
        )

    def _unpack(self, archive: int, folder: str) -> None:
        from lamina.builder.fetching.unpacking import Unpacking
        from lamina.oci.errors import ArchiveTooLarge
        from lamina.oci.layers.extract import extract
        from lamina.oci.streams.compression import open_stream
        from lamina.oci.streams.decompress import Bounds
        from lamina.oci.tar.reader import Limits

        given = self._origins.unpack_limit
        limit = Unpacking(limit=given).bytes_from(archive)
        bounds = Bounds(limit + (1 << 30), ratio=1 << 30) if given else Bounds()
        root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            read = open_stream(lambda size: os.read(archive, size), bounds)
            extract(read, root, "/", limits=Limits(bytes=limit))
        except ArchiveTooLarge as error:
            error.hint = "If that is what you want: --unpack-limit 100g, or as needed."
            raise
        finally:
            os.close(root)

    def _published(self, folder: str) -> Digest:
        from lamina.oci.layers.pack import Times, pack
        from lamina.oci.store.store import Layer

        packed = pack(folder, Times(None, 0), None, self._store.xattrs)
        made = Layer(packed.content, packed.diff_id, packed.bytes, packed.entries, 0)
        return self._store.publish_layer(folder, made).content

    def _found(self, layer: str, commit: str = "", seconds: int = 0) -> FetchedTree:
        self._store.touch((layer,))
        path = self._store.layer_path(layer)
        return FetchedTree(Digest(layer), path, commit, seconds)


def _digest_of(archive: int) -> Digest:
    import hashlib

    content = hashlib.sha256()
    os.lseek(archive, 0, os.SEEK_SET)
    while data := os.read(archive, 1 << 20):
        content.update(data)
    os.lseek(archive, 0, os.SEEK_SET)
    return Digest.of_all(content)
