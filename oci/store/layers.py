"""The layers of the store: directories by content, rows in the index, tars on demand.

A layer made by a step is named by its content: the digest of its tar with every time
zero. One that came from elsewhere is named by its diff_id, since its times are given.
"""

from __future__ import annotations

import contextlib
import json
import os
import time

from lamina.oci.digest import Digest
from lamina.oci.errors import DigestMismatch, StoreError
from lamina.oci.store.layer import NEVER, Layer
from lamina.oci.store.shelf import COARSE, Shelf, boot_id, missing_layer

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable

    from lamina.oci.store.index import Index

_NO_EPOCH = -1


class Layers(Shelf):
    """The part of the store that has layers."""

    def __init__(self, root: str, index: Index, xattrs: str) -> None:
        super().__init__(root, index, xattrs)
        # Whether a layer came that the disk may not have yet, and the process that
        # brought earlier ones there.
        self.published = False
        self._settling = 0

    def publish_layer(
        self,
        directory: str,
        layer: Layer,
        skeleton: str | None = None,
        epoch: int | None = None,
        created: int = 0,
    ) -> Layer:
        """Rename `directory` into place as `layer`; the layer that is there then.

        Where that content is there already, that one stays and `directory` is left
        to its workspace. `epoch` (seconds) is the one that `diff_id` holds for;
        `created` (seconds since 1970, 0: now) when its step made it. The row is
        volatile until the disk has the files: see oci/store/durability.py.
        """
        # In one transaction: garbage collection comes before it or after it, and a
        # directory in place has its row unless the machine stopped between the two.
        try:
            with self.transaction() as run:
                found = self.layer(layer.content)
                if found is None:
                    self._place(directory, layer, skeleton)
                self._record(run, layer, created)
                if found is None or found.diff_id == layer.diff_id:
                    known = _NO_EPOCH if epoch is None else epoch
                    _record_diff_id(run, layer.content, known, layer.diff_id)
        except BaseException:
            # The index could not take the row (the disk is full, perhaps).
            self._unplace(layer.content)
            raise
        self.published |= found is None
        return found or layer

    def _record(self, run: sqlite3.Connection, layer: Layer, created: int) -> None:
        now = int(time.time())
        run.execute(
            "INSERT INTO layer VALUES (?,?,?,?,?,?,?,?) "
            "ON CONFLICT (content) DO UPDATE SET used=excluded.used",
            (
                *(layer.content, layer.diff_id, layer.bytes, layer.entries),
                *(layer.since, boot_id(), created or now, now),
            ),
        )

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
                os.rename(target, self.trash_name())
            if skeleton is not None:
                os.rename(skeleton, self.skeleton_path(layer.content))
            os.rename(directory, target)
        except OSError as error:
            from lamina.oci.files.workspace import space_error

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
        return not self.missing_layers(contents)

    def missing_layers(self, contents: Iterable[str]) -> tuple[Digest, ...]:
        """Those of these layers that are not here, in their order, each once."""
        rows = self.index.rows(
            "SELECT json_each.value FROM json_each(?) LEFT JOIN layer "
            "ON layer.content=json_each.value WHERE layer.content IS NULL "
            "ORDER BY json_each.key",
            json.dumps(list(contents)),
        )
        return tuple(dict.fromkeys(Digest(content) for (content,) in rows))

    def require_layers(self, contents: Iterable[str]) -> None:
        """Raise NotFound unless all are here; in a transaction they then stay till its
        end."""
        for content in self.missing_layers(contents):
            raise missing_layer(content)

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
        """When the youngest of these layers was made by a step, in seconds since 1970;
        0 when all came from elsewhere, at a time that only this machine knows."""
        row = self.index.row(
            "SELECT max(created) FROM layer WHERE since<>? AND content IN "
            "(SELECT value FROM json_each(?))",
            NEVER,
            json.dumps(list(contents)),
        )
        return int(row[0] or 0) if row else 0

    def diff_id(self, content: str, epoch: int | None) -> Digest:
        """The digest of a layer's tar under `epoch` (seconds; None: times as kept)."""
        layer = self.layer(content)
        if layer is None:
            raise missing_layer(content)
        known = self.known_diff_id(layer, epoch)
        if known is not None:
            return known
        from lamina.oci.store.layer_tar import pack_layer

        found = pack_layer(self, layer, epoch, None).diff_id
        self.remember_diff_id(layer, epoch, found)
        return found

    def known_diff_id(self, layer: Layer, epoch: int | None) -> Digest | None:
        """As `diff_id`, where that needs no look at the layer's files."""
        if layer.since == NEVER:
            return layer.diff_id
        row = self.index.row(
            "SELECT diff_id FROM diff WHERE content=? AND epoch=?",
            layer.content,
            _NO_EPOCH if epoch is None else epoch,
        )
        return Digest(row[0]) if row else None

    def remember_diff_id(
        self, layer: Layer, epoch: int | None, diff_id: Digest
    ) -> None:
        """Note what `layer_tar.pack_layer` found."""
        self.index.rows(
            "INSERT OR IGNORE INTO diff VALUES (?,?,?)",
            *(layer.content, _NO_EPOCH if epoch is None else epoch, diff_id),
        )

    def layer_created(self, content: str) -> int:
        """When a layer was made or came, in seconds since 1970; 0 when not here."""
        row = self.index.row("SELECT created FROM layer WHERE content=?", content)
        return int(row[0]) if row else 0

    def layer_tar(self, diff_id: str, write: Callable[[bytes], object]) -> None:
        """Write the tar whose digest is `diff_id`; or raise DigestMismatch."""
        row = self.index.row(
            "SELECT content, epoch FROM diff WHERE diff_id=? ORDER BY epoch", diff_id
        )
        layer = self.layer(row[0]) if row else None
        if layer is None or row is None:
            raise missing_layer(diff_id)
        from lamina.oci.store.layer_tar import given_tar, pack_layer

        if layer.since == NEVER:
            found = given_tar(self, layer, write)
        else:
            epoch = None if row[1] == _NO_EPOCH else row[1]
            found = pack_layer(self, layer, epoch, write).diff_id
        if found != diff_id:
            raise DigestMismatch(
                f"The layer {diff_id[:19]} has changed in the store.",
                hint="`lamina system check --repair` drops what is damaged.",
            )

    def drop_layer(self, content: str) -> None:
        """Forget a layer, and take its files out of the way at once."""
        trash = self.trash_name()
        with self.transaction() as run:
            forget_layer(run, content)
            # Here, for once this is committed another may publish it again.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.skeleton_path(content))
            with contextlib.suppress(FileNotFoundError):
                os.rename(self.layer_path(content), trash)
        from lamina.oci.files.removal import remove_tree

        remove_tree(trash)

    def forget_lost_layers(self) -> None:
        """Drop what a crash of the machine may have left half written.

        Only `syncfs` says that data reached the disk. A row that is still volatile
        when the boot id has changed promises nothing: its layer goes to the trash.
        """
        lost = self.index.rows(
            "SELECT content FROM layer WHERE boot IS NOT NULL AND boot<>?", boot_id()
        )
        for (content,) in lost:
            self.drop_layer(content)

    def touch(self, contents: Iterable[str], steps: Iterable[str] = ()) -> None:
        """Note that layers were used, and rows of the build cache, by key; an hour is
        exactly enough for collection."""
        now = int(time.time())
        wanted = json.dumps(list(contents))
        stale = self.index.row(
            "SELECT 1 FROM layer WHERE used<? AND content IN "
            "(SELECT value FROM json_each(?)) LIMIT 1",
            now - COARSE,
            wanted,
        )
        if stale:
            keys = json.dumps(list(steps))
            with self.transaction() as run:
                for table, column, given in (
                    ("layer", "content", wanted),
                    ("step", "key", keys),
                ):
                    run.execute(
                        f"UPDATE {table} SET used=? WHERE {column} IN "
                        "(SELECT value FROM json_each(?))",
                        (now, given),
                    )


def forget_layer(run: sqlite3.Connection, content: str) -> None:
    """Delete the rows of a layer, and of the results that need it."""
    run.execute("DELETE FROM layer WHERE content=?", (content,))
    run.execute("DELETE FROM diff WHERE content=?", (content,))
    run.execute("DELETE FROM step WHERE instr(layers, ?)", (content,))


def _record_diff_id(
    run: sqlite3.Connection, content: str, epoch: int, diff_id: str
) -> None:
    run.execute("INSERT OR REPLACE INTO diff VALUES (?,?,?)", (content, epoch, diff_id))


def _layer(row: tuple[str, str, int, int, int]) -> Layer:
    content, diff_id, size, entries, since = row
    return Layer(Digest(content), Digest(diff_id), size, entries, since)
