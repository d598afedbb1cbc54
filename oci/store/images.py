"""The images of the store: configs as they are, the layers of each, and names."""

from __future__ import annotations

import json
import time

from lamina.oci.digest import Digest
from lamina.oci.errors import NotFound
from lamina.oci.store.layers import Layers
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.oci.config import ImageConfig
    from lamina.oci.reference import Reference


# An ID begins with it.
_ALGORITHM = "sha256"
# So many of its digits `lamina images` shows. In a recipe fewer begin none: a word like
# `cafe` or `b` is a name there, and must not mean what happens to be in the store.
SHOWN_DIGITS = 12


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


class Images(Layers):
    """The part of the store that has images, which stand on its layers."""

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
        parsed = _parsed(config)  # what cannot be read is not kept
        contents = tuple(Digest(content) for content in layers)
        digest = Digest.of(manifest) if manifest is not None else None
        with self.transaction() as run:
            self.require_layers(contents)
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
        return Image(identity, parsed, contents)

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
        """Let `reference` name the image, and no longer another one.

        Raises InvalidReference for what reads as an ID: whoever asks for an image by
        its ID is to get that one, or none.
        """
        if reference.familiar_name == _ALGORITHM:
            from lamina.oci.errors import InvalidReference

            raise InvalidReference(
                f"{reference.familiar()!r} is no name for an image: it reads as an ID.",
                hint=f"Any other name than {_ALGORITHM} will do.",
            )
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

    def resolve_id(
        self, name: str, platform: str = "", digits: int = 1
    ) -> Digest | None:
        """As `resolve`, giving only the ID; None when there is no such image. Fewer
        than so many `digits` begin none.

        Of an index (oci/store/image_index.py) it is the image for `platform`; without
        one that for this machine, else the first.
        """
        found = self.resolve_any(name, digits)
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

    def resolve_any(self, name: str, digits: int = 1) -> Digest | None:
        """The ID of the image or the index that `name` means; or None."""
        if name.startswith("sha256:") and self.has_image(name):
            return Digest(name)
        return self._by_reference(name) or self._by_prefix(name, digits)

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

    def _by_prefix(self, name: str, least: int) -> Digest | None:
        digits = name.removeprefix("sha256:")
        if len(digits) < least or set(digits) - set("0123456789abcdef"):
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


def _parsed(config: bytes) -> ImageConfig:
    from lamina.oci.config_json import parse_config

    return parse_config(config)
