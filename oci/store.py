"""The store: layers, images and references of one user, shared by many processes.

    <root>/index.sqlite     what is here (oci/index.py)
    <root>/layers/HEX/      one directory a layer, used directly as an overlay lower
    <root>/skeletons/HEX    what gives an applied layer's tar back, byte for byte
    <root>/blobs/sha256/    compressed layers, as others gave them
    <root>/tmp/             workspaces; <root>/trash/ what is being deleted
    <root>/locks/           one file for each piece of work that only one may do

A layer made by a step is named by its content: the digest of its tar with every time
zero. One that came from elsewhere is named by its diff_id, since its times are given.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time

from lamina.oci.digest import Digest
from lamina.oci.errors import DigestMismatch, InUse, NotFound, StoreError
from lamina.oci.index import Index, Transaction
from lamina.oci.workspace import Workspace, collect, remove_tree, space_error
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator

    from lamina.oci.config import ImageConfig
    from lamina.oci.reference import Reference

# `Layer.since` of a layer whose times are given: no epoch touches them.
NEVER = -1
# `used` is written when it is this much older, so that a cached build writes nothing.
_COARSE = 3600
_NO_EPOCH = -1
_FOLDERS = ("layers", "skeletons", "blobs/sha256", "tmp", "trash", "locks")


@value
class Layer:
    """A changeset in the store.

    `content` names it; `diff_id` is the digest of the tar that it was published
    with; `since` (ns) says which of its files are new, and so follow the epoch.
    """

    content: Digest
    diff_id: Digest
    bytes: int
    entries: int
    since: int


@value
class Image:
    """An image in the store: `id` is its config's digest, `layers` bottom first."""

    id: Digest
    config: ImageConfig
    layers: tuple[Digest, ...]


@value
class ImageRow:
    """A line of `images`: what can be told without parsing its config."""

    id: Digest
    references: tuple[str, ...]
    created: int
    bytes: int
    manifest_digest: Digest | None


class Store:
    """An open store. Threads may share it; close it at the end."""

    def __init__(self, root: str, index: Index, xattrs: str) -> None:
        self.root = root
        self.index = index
        self._published = False
        # The namespace of overlay's own attributes: `trusted` needs real root.
        self.xattrs = xattrs

    @classmethod
    def open(cls, root: str) -> Store:
        """The store at `root`, made when it is not there; raises StoreError."""
        try:
            if not os.path.isdir(f"{root}/locks"):
                _create(root)
        except OSError as error:
            raise StoreError(
                f"The store {root} cannot be made: {error.strerror}.",
                hint="Name another place with LAMINA_ROOT.",
            ) from error
        store = cls(root, Index(f"{root}/index.sqlite"), _overlay_namespace())
        store._forget_lost_layers()
        return store

    def close(self) -> None:
        """Close the index; what was published is brought to the disk behind us."""
        self.index.close()
        if self._published:
            from lamina.oci.durability import settle_later

            settle_later(self.root)

    def workspace(self) -> Workspace:
        """A private directory on the store's file system; use it with `with`.

        Those of processes that died are removed first.
        """
        place = f"{self.root}/tmp"
        if os.listdir(place):
            collect(place)
        return Workspace(place)

    def transaction(self) -> Transaction:
        """All or nothing, alone among writers; do nothing slow in it."""
        return self.index.transaction()

    # Layers

    def publish_layer(
        self,
        directory: str,
        layer: Layer,
        skeleton: str | None = None,
        epoch: int | None = None,
    ) -> Layer:
        """Rename `directory` into place as `layer`; the layer that is there then.

        Where that content is there already, that one stays and `directory` is left
        to its workspace. `epoch` (seconds) is the one that `diff_id` holds for. The
        row is volatile until the disk has the files: see oci/durability.py.
        """
        # In one transaction: garbage collection comes before it or after it, and a
        # directory in place has its row unless the machine stopped between the two.
        try:
            with self.transaction() as run:
                return self._publish(run, directory, layer, skeleton, epoch)
        except BaseException:
            # The index could not take the row (the disk is full, perhaps).
            self._unplace(layer.content)
            raise

    def _publish(
        self,
        run: sqlite3.Connection,
        directory: str,
        layer: Layer,
        skeleton: str | None,
        epoch: int | None,
    ) -> Layer:
        found = self.layer(layer.content)
        if found is None:
            self._place(directory, layer, skeleton)
            self._published = True
        now = int(time.time())
        run.execute(
            "INSERT INTO layer VALUES (?,?,?,?,?,?,?,?) "
            "ON CONFLICT (content) DO UPDATE SET used=excluded.used",
            (
                *(layer.content, layer.diff_id, layer.bytes, layer.entries),
                *(layer.since, boot_id(), now, now),
            ),
        )
        if found is not None and found.diff_id != layer.diff_id:
            return found
        run.execute(
            "INSERT OR REPLACE INTO diff VALUES (?,?,?)",
            (layer.content, _NO_EPOCH if epoch is None else epoch, layer.diff_id),
        )
        return found or layer

    def _unplace(self, content: str) -> None:
        """Away with a layer that has no row; garbage collection would find it, too."""
        with contextlib.suppress(StoreError, OSError), self.transaction():
            if self.layer(content) is None:
                self.discard(self.layer_path(content))

    def _place(self, directory: str, layer: Layer, skeleton: str | None) -> None:
        target = self.layer_path(layer.content)
        try:
            if os.path.lexists(target):
                # Without a row nothing says that its files ever reached the disk.
                os.rename(target, self._trash_name())
            if skeleton is not None:
                os.rename(skeleton, f"{self.root}/skeletons/{layer.content.hex}")
            os.rename(directory, target)
        except OSError as error:
            raise space_error(error, self.root) from error

    def layer(self, content: str) -> Layer | None:
        """The layer named `content`, if it is here."""
        row = self.index.row(
            "SELECT content, diff_id, bytes, entries, since FROM layer WHERE content=?",
            content,
        )
        return _layer(row) if row else None

    def layer_by_diff_id(self, diff_id: str) -> Layer | None:
        """The layer whose tar has the digest `diff_id`, if it is here."""
        row = self.index.row(
            "SELECT layer.content, ?1, bytes, entries, since FROM diff "
            "JOIN layer USING (content) WHERE diff.diff_id=?1",
            diff_id,
        )
        return _layer(row) if row else None

    def has_layers(self, contents: Iterable[str]) -> bool:
        """Whether all of these layers are here."""
        row = self.index.row(
            "SELECT count(*) FROM json_each(?) LEFT JOIN layer "
            "ON layer.content=json_each.value WHERE layer.content IS NULL",
            json.dumps(list(contents)),
        )
        return row is not None and row[0] == 0

    def youngest_since(self, contents: Iterable[str]) -> int:
        """Since when files of these layers are a step's own: the least `since` (ns).

        Layers from elsewhere have no such files; where all are, none is new.
        """
        row = self.index.row(
            "SELECT min(since) FROM layer WHERE since<>? AND content IN "
            "(SELECT value FROM json_each(?))",
            NEVER,
            json.dumps(list(contents)),
        )
        return (1 << 62) if row is None or row[0] is None else int(row[0])

    def layers_created(self, contents: Iterable[str]) -> int:
        """When the youngest of these layers was made, in seconds since 1970."""
        row = self.index.row(
            "SELECT max(created) FROM layer WHERE content IN "
            "(SELECT value FROM json_each(?))",
            json.dumps(list(contents)),
        )
        return int(row[0] or 0) if row else 0

    def layer_path(self, content: str) -> str:
        """Where the layer named `content` lies, whether or not it is there."""
        return f"{self.root}/layers/{content[7:]}"

    def diff_id(self, content: str, epoch: int | None) -> Digest:
        """The digest of a layer's tar under `epoch` (seconds; None: times as kept)."""
        layer = self.layer(content)
        if layer is None:
            raise _missing_layer(content)
        if layer.since == NEVER:
            return layer.diff_id
        key = _NO_EPOCH if epoch is None else epoch
        row = self.index.row(
            "SELECT diff_id FROM diff WHERE content=? AND epoch=?", content, key
        )
        if row:
            return Digest(row[0])
        found = self._pack(layer, epoch, None)
        self.index.rows(
            "INSERT OR IGNORE INTO diff VALUES (?,?,?)", content, key, found
        )
        return found

    def layer_tar(self, diff_id: str, write: Callable[[bytes], object]) -> None:
        """Write the tar whose digest is `diff_id`; or raise DigestMismatch."""
        row = self.index.row(
            "SELECT content, epoch FROM diff WHERE diff_id=? ORDER BY epoch", diff_id
        )
        layer = self.layer(row[0]) if row else None
        if layer is None or row is None:
            raise _missing_layer(diff_id)
        epoch = None if row[1] == _NO_EPOCH else row[1]
        if layer.since == NEVER:
            found = self._unpacked_tar(layer, write)
        else:
            found = self._pack(layer, epoch, write)
        if found != diff_id:
            raise DigestMismatch(
                f"The layer {diff_id[:19]} has changed in the store.",
                hint="`lamina system check --repair` drops what is damaged.",
            )

    def _unpacked_tar(self, layer: Layer, write: Callable[[bytes], object]) -> Digest:
        """The tar of a layer that came from elsewhere, by its skeleton or blob."""
        import hashlib

        seen = hashlib.sha256()

        def hashed(data: bytes) -> None:
            seen.update(data)
            write(data)

        skeleton = f"{self.root}/skeletons/{layer.content.hex}"
        if os.path.exists(skeleton):
            from lamina.oci.skeleton import reassemble

            with open(skeleton, "rb") as stream:
                reassemble(stream, self.layer_path(layer.content), hashed)
        else:
            self._inflate(layer, hashed)
        return Digest("sha256:" + seen.hexdigest())

    def _inflate(self, layer: Layer, write: Callable[[bytes], object]) -> None:
        from lamina.oci.compression import open_stream

        row = self.index.row("SELECT digest FROM blob WHERE diff_id=?", layer.diff_id)
        if row is None:
            raise _missing_layer(layer.diff_id)
        with open(self.blob_path(row[0]), "rb") as stream:
            read = open_stream(stream.read)
            while data := read(1 << 20):
                write(data)

    def _pack(
        self,
        layer: Layer,
        epoch: int | None,
        write: Callable[[bytes], object] | None,
    ) -> Digest:
        from lamina.oci.pack import Times, pack

        directory = self.layer_path(layer.content)
        times = Times(None if epoch is None else epoch, layer.since)
        return pack(directory, times, write, self.xattrs).diff_id

    def _forget_lost_layers(self) -> None:
        """Drop what a crash of the machine may have left half written.

        Only `syncfs` says that data reached the disk. A row that is still volatile
        when the boot id has changed promises nothing: its layer goes to the trash.
        """
        boot = boot_id()
        lost = self.index.rows(
            "SELECT content FROM layer WHERE boot IS NOT NULL AND boot<>?", boot
        )
        for (content,) in lost:
            self.drop_layer(content)

    def drop_layer(self, content: str) -> None:
        """Forget a layer, and take its files out of the way at once."""
        trash = self._trash_name()
        with self.transaction() as run:
            run.execute("DELETE FROM layer WHERE content=?", (content,))
            run.execute("DELETE FROM diff WHERE content=?", (content,))
            run.execute("DELETE FROM step WHERE instr(layers, ?)", (content,))
            # Here, for once this is committed another may publish it again.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self.root}/skeletons/{content[7:]}")
            with contextlib.suppress(FileNotFoundError):
                os.rename(self.layer_path(content), trash)
        remove_tree(trash)

    def discard(self, path: str) -> None:
        """Rename `path` into the trash, then delete it there."""
        trash = self._trash_name()
        try:
            os.rename(path, trash)
        except FileNotFoundError:
            return
        remove_tree(trash)

    def _trash_name(self) -> str:
        return f"{self.root}/trash/{os.urandom(8).hex()}"

    # Blobs

    def blob_path(self, digest: str) -> str:
        """Where the blob `digest` lies, whether or not it is there."""
        return f"{self.root}/blobs/sha256/{digest[7:]}"

    def publish_blob(
        self, path: str, digest: Digest, media_type: str, diff_id: Digest | None
    ) -> None:
        """Move a finished file into place as a blob, on the disk before it is named."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
            size = os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
        with self.transaction() as run:
            os.rename(path, self.blob_path(digest))
            run.execute(
                "INSERT OR REPLACE INTO blob VALUES (?,?,?,?,?)",
                (digest, size, media_type, diff_id, int(time.time())),
            )

    # Images and references

    def put_image(
        self, config: ImageConfig, layers: Iterable[str], manifest: bytes | None = None
    ) -> Image:
        """Record an image; `layers` are contents, bottom first, all in the store."""
        from lamina.oci.config_json import config_bytes

        return self.put_image_bytes(config_bytes(config), layers, manifest)

    def put_image_bytes(
        self, config: bytes, layers: Iterable[str], manifest: bytes | None = None
    ) -> Image:
        """Record an image whose config is exactly these bytes, as others wrote them."""
        identity = Digest.of(config)
        contents = tuple(Digest(content) for content in layers)
        digest = Digest.of(manifest) if manifest is not None else None
        with self.transaction() as run:
            self._require_layers(contents)
            run.execute(
                "INSERT INTO image VALUES (?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE "
                "SET layers=excluded.layers, "
                "manifest=coalesce(excluded.manifest, manifest), "
                "manifest_digest=coalesce(excluded.manifest_digest, manifest_digest)",
                (
                    *(identity, config, " ".join(contents), manifest, digest),
                    int(time.time()),
                ),
            )
        return Image(identity, _parsed(config), contents)

    def image(self, identity: str) -> Image:
        """The image whose ID is `identity`; raises NotFound."""
        row = self.index.row("SELECT config, layers FROM image WHERE id=?", identity)
        if row is None:
            raise NotFound(f"There is no image {identity[:19]} in the store.")
        layers = tuple(Digest(content) for content in row[1].split())
        return Image(Digest(identity), _parsed(row[0]), layers)

    def image_config(self, identity: str) -> bytes:
        """The exact bytes of an image's config; raises NotFound."""
        row = self.index.row("SELECT config FROM image WHERE id=?", identity)
        if row is None:
            raise NotFound(f"There is no image {identity[:19]} in the store.")
        return bytes(row[0])

    def image_manifest(self, identity: str) -> bytes | None:
        """The manifest that an image came with, as it was."""
        row = self.index.row("SELECT manifest FROM image WHERE id=?", identity)
        return bytes(row[0]) if row and row[0] is not None else None

    def images(self) -> tuple[ImageRow, ...]:
        """All images, the youngest first."""
        names: dict[str, list[str]] = {}
        for name, identity in sorted(self.references().items()):
            names.setdefault(identity, []).append(name)
        sizes = dict(self.index.rows("SELECT content, bytes FROM layer"))
        rows = self.index.rows(
            "SELECT id, layers, created, manifest_digest FROM image "
            "ORDER BY created DESC, id"
        )
        return tuple(
            ImageRow(
                Digest(identity),
                tuple(names.get(identity, ())),
                created,
                sum(sizes.get(content, 0) for content in layers.split()),
                Digest(digest) if digest else None,
            )
            for identity, layers, created, digest in rows
        )

    def bytes_of(self, identity: str) -> int:
        """The bytes of an image's layers, unpacked; 0 of one that is not here."""
        row = self.index.row("SELECT layers FROM image WHERE id=?", identity)
        layers = json.dumps(row[0].split() if row else [])
        found = self.index.row(
            "SELECT sum(layer.bytes) FROM json_each(?) JOIN layer "
            "ON layer.content=json_each.value",
            layers,
        )
        return int(found[0] or 0) if found else 0

    def delete_image(self, identity: str) -> None:
        """Forget an image and its references; its layers go when nothing needs them."""
        with self.transaction() as run:
            run.execute("DELETE FROM reference WHERE image=?", (identity,))
            run.execute("DELETE FROM image WHERE id=?", (identity,))
            run.execute("DELETE FROM annotation WHERE image=?", (identity,))

    def tag(self, reference: Reference, identity: str) -> None:
        """Let `reference` name the image, and no longer another one."""
        self.index.rows(
            "INSERT OR REPLACE INTO reference VALUES (?,?)", str(reference), identity
        )

    def untag(self, reference: Reference) -> None:
        """Take a name away from whatever has it."""
        self.index.rows("DELETE FROM reference WHERE name=?", str(reference))

    def references(self) -> dict[str, Digest]:
        """Every name and the ID of its image."""
        rows = self.index.rows("SELECT name, image FROM reference")
        return {name: Digest(identity) for name, identity in rows}

    def resolve(self, name: str) -> Image:
        """The image that a user means by `name`; raises NotFound.

        As Docker looks: a full ID, then `name[:tag]` or `name@digest`, then the first
        digits of an ID. Digits that begin several IDs are an error.
        """
        identity = self.resolve_id(name)
        if identity is None:
            raise NotFound(
                f"There is no image {name!r} in the store.",
                hint="`lamina images` lists what is here.",
            )
        return self.image(identity)

    def resolve_id(self, name: str, platform: str = "") -> Digest | None:
        """As `resolve`, giving only the ID; None when there is no such image.

        Of an index (oci/image_index.py) it is the image for `platform`; without one
        that for this machine, else the first.
        """
        found = self.resolve_any(name)
        if found is None:
            return None
        row = self.index.row("SELECT members FROM image_index WHERE id=?", found)
        if row is None and not platform:
            return found
        from lamina.oci.platforms import Member, choose, platform_of

        if row is None:
            own = str(platform_of(self.image(found).config))
            return choose((Member(own, found),), platform)
        members = (Member(own, Digest(image)) for own, image in json.loads(row[0]))
        return choose(tuple(members), platform)

    def resolve_any(self, name: str) -> Digest | None:
        """The ID of the image or the index that `name` means; or None."""
        if name.startswith("sha256:") and self.has_image(name):
            return Digest(name)
        return self._by_reference(name) or self._by_prefix(name)

    def has_image(self, identity: str) -> bool:
        """Whether the image with this ID is here."""
        return self.index.row("SELECT 1 FROM image WHERE id=?", identity) is not None

    def _by_reference(self, name: str) -> Digest | None:
        from lamina.oci.errors import InvalidReference
        from lamina.oci.reference import parse_reference

        try:
            reference = parse_reference(name)
        except InvalidReference:
            return None
        if reference.digest is not None:
            row = self.index.row(
                "SELECT id FROM image WHERE id=?1 OR manifest_digest=?1 UNION ALL "
                "SELECT id FROM image_index WHERE id=?1 OR source_digest=?1",
                reference.digest,
            )
        else:
            row = self.index.row(
                "SELECT image FROM reference WHERE name=?", str(reference)
            )
        return Digest(row[0]) if row else None

    def _by_prefix(self, name: str) -> Digest | None:
        digits = name.removeprefix("sha256:")
        if not digits or set(digits) - set("0123456789abcdef"):
            return None
        rows = self.index.rows(
            "SELECT id FROM image WHERE id >= ?1 AND id < ?1 || 'g' UNION ALL "
            "SELECT id FROM image_index WHERE id >= ?1 AND id < ?1 || 'g' LIMIT 2",
            "sha256:" + digits,
        )
        if len(rows) > 1:
            raise NotFound(
                f"{name!r} begins the IDs of several images.",
                hint="Give more digits, or a name.",
            )
        return Digest(rows[0][0]) if rows else None

    # What keeps layers from garbage collection

    def pin(self, owner: str, layers: Iterable[str]) -> None:
        """Keep `layers` while `owner` ("container:ID") stands on them; or NotFound."""
        contents = tuple(layers)
        with self.transaction() as run:
            self._require_layers(contents)
            run.executemany(
                "INSERT OR IGNORE INTO pin VALUES (?,?)",
                [(owner, content) for content in contents],
            )

    def _require_layers(self, contents: tuple[str, ...]) -> None:
        """In a transaction: what is here now is not collected before its end."""
        if not self.has_layers(contents):
            raise _missing_layer(next(c for c in contents if self.layer(c) is None))

    def unpin(self, owner: str) -> None:
        """Let go of what `owner` kept."""
        self.index.rows("DELETE FROM pin WHERE owner=?", owner)

    def touch(self, contents: Iterable[str]) -> None:
        """Note that layers were used, an hour exactly enough for collection."""
        now = int(time.time())
        wanted = json.dumps(list(contents))
        stale = self.index.row(
            "SELECT 1 FROM layer WHERE used<? AND content IN "
            "(SELECT value FROM json_each(?)) LIMIT 1",
            now - _COARSE,
            wanted,
        )
        if stale:
            self.index.rows(
                "UPDATE layer SET used=? WHERE content IN "
                "(SELECT value FROM json_each(?))",
                now,
                wanted,
            )

    # Values that can always be computed again

    def recall(self, kind: str, key: str) -> bytes | None:
        """A memo, if it is here."""
        row = self.index.row("SELECT value FROM memo WHERE kind=? AND key=?", kind, key)
        return bytes(row[0]) if row else None

    def remember(self, kind: str, key: str, data: bytes) -> None:
        """Keep a memo; garbage collection may drop it at any time."""
        self.index.rows(
            "INSERT OR REPLACE INTO memo VALUES (?,?,?,?)",
            *(kind, key, data, int(time.time())),
        )

    @contextlib.contextmanager
    def alone(
        self, key: str, cancelled: Callable[[], bool] = lambda: False
    ) -> Iterator[None]:
        """Only one process and thread at a time is in the block for `key`.

        The lock is the kernel's: it ends with its holder, however that dies. Waiting
        ends with InUse once `cancelled`.
        """
        path = f"{self.root}/locks/{key.replace(':', '-').replace('/', '-')}"
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                _wait_for_lock(descriptor, cancelled)
            except BaseException:
                os.close(descriptor)
                raise
            with contextlib.suppress(FileNotFoundError):
                if os.stat(path).st_ino == os.fstat(descriptor).st_ino:
                    break
            os.close(descriptor)
        try:
            yield
        finally:
            os.unlink(path)
            os.close(descriptor)


def _wait_for_lock(descriptor: int, cancelled: Callable[[], bool]) -> None:
    """flock(2), in steps of 20 ms so that an interrupted build does not hang in it."""
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if cancelled():
                raise InUse("Stopped while another build made the same step.") from None
            time.sleep(0.02)


def boot_id() -> str:
    """The kernel's name for this boot (proc(5), random/boot_id)."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def _create(root: str) -> None:
    os.makedirs(root, mode=0o700, exist_ok=True)
    for folder in _FOLDERS:
        os.makedirs(f"{root}/{folder}", mode=0o700, exist_ok=True)


def _overlay_namespace() -> str:
    """`trusted` needs CAP_SYS_ADMIN in the first user namespace, else `user`."""
    with open("/proc/self/uid_map", encoding="ascii") as file:
        first = file.readline().split()
    whole = first == ["0", "0", "4294967295"]
    return "trusted" if whole and os.geteuid() == 0 else "user"


def _layer(row: tuple[str, str, int, int, int]) -> Layer:
    content, diff_id, size, entries, since = row
    return Layer(Digest(content), Digest(diff_id), size, entries, since)


def _parsed(config: bytes) -> ImageConfig:
    from lamina.oci.config_json import parse_config

    return parse_config(config)


def _missing_layer(digest: str) -> NotFound:
    return NotFound(
        f"The layer {digest[:19]} is not in the store.",
        hint="Pull, load or build its image again.",
    )
