"""Image indexes in the store: one name for the images of several platforms.

An index here has an ID as an image has: the digest of a document, an OCI index whose
entries are the *configs* of its images with their platforms. Compression is not in it,
so the same images have the same index on every machine; the index that a registry or
an archive holds is made when one is written. One that came from elsewhere is kept
beside it, byte for byte.
"""

from __future__ import annotations

import json
import time

from lamina.oci.digest import Digest
from lamina.oci.errors import NotFound
from lamina.oci.platforms import Member, parse_platform, platform_of
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.oci.store.store import Store


@value
class IndexRow:
    """An index in the store; `bytes` are those of its images' layers, each once."""

    id: Digest
    references: tuple[str, ...]
    members: tuple[Member, ...]
    bytes: int
    source_digest: Digest | None


def put_index(
    store: Store, images: Iterable[Member], source: bytes | None = None
) -> Digest:
    """Record an index of `images`, all in the store; its ID. `source` is the index
    as it came. Raises NotFound."""
    from lamina.oci.manifest import OCI_CONFIG, Descriptor, Index
    from lamina.oci.manifest_json import to_json

    members, entries = [], []
    for member in images:
        size = len(store.image_config(member.id))
        platform = parse_platform(member.platform)
        members.append((str(platform), member.id))
        entries.append(Descriptor(OCI_CONFIG, member.id, size, platform=platform))
    document = to_json(Index(tuple(entries)))
    found = Digest.of(document)
    store.index.rows(
        "INSERT INTO image_index VALUES (?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET "
        "source=coalesce(excluded.source, source), "
        "source_digest=coalesce(excluded.source_digest, source_digest)",
        *(found, document, json.dumps(members), source),
        *(None if source is None else Digest.of(source), int(time.time())),
    )
    return found


def by_platform(store: Store, images: Iterable[str]) -> tuple[Member, ...]:
    """Images with the platforms that their configs name."""
    found = (store.image(identity) for identity in images)
    return tuple(Member(str(platform_of(image.config)), image.id) for image in found)


def members(store: Store, identity: str) -> tuple[Member, ...]:
    """The images of an index, in its order; none when `identity` is no index."""
    row = store.index.row("SELECT members FROM image_index WHERE id=?", identity)
    return _members(row[0]) if row else ()


def source_of(store: Store, identity: str) -> bytes | None:
    """An index as it came from a registry or an archive, byte for byte."""
    row = store.index.row("SELECT source FROM image_index WHERE id=?", identity)
    return row[0] if row else None


def _members(text: str) -> tuple[Member, ...]:
    return tuple(Member(platform, Digest(i)) for platform, i in json.loads(text))


def no_such_image(name: str) -> NotFound:
    """The error for a name that means nothing here."""
    return NotFound(
        f"No such image: {name}", hint="`lamina images` lists what is here."
    )


def require_any(store: Store, name: str) -> Digest:
    """The ID of the image that `name` means, or of the index. Raises NotFound."""
    identity = store.resolve_any(name)
    if identity is None:
        raise no_such_image(name)
    return identity


def require_platform(store: Store, name: str, wanted: str) -> Digest:
    """The image `name` for the platform `wanted`; NotFound says what there is."""
    found = store.resolve_id(name, wanted)
    if found is not None:
        return found
    identity = require_any(store, name)
    raise NotFound(
        f"The image {name!r} is not here for {parse_platform(wanted)}.",
        hint=f"It is here for {', '.join(platforms(store, identity))}.",
    )


def platforms(store: Store, identity: str) -> tuple[str, ...]:
    """What an image or an index is for."""
    found = members(store, identity)
    if found:
        return tuple(member.platform for member in found)
    return (str(platform_of(store.image(identity).config)),)


def index_rows(store: Store) -> tuple[IndexRow, ...]:
    """All indexes, the youngest first."""
    names: dict[str, list[str]] = {}
    for name, identity in sorted(store.references().items()):
        names.setdefault(identity, []).append(name)
    rows = store.index.rows(
        "SELECT id, members, source_digest FROM image_index ORDER BY created DESC, id"
    )
    return tuple(
        IndexRow(
            Digest(identity),
            tuple(names.get(identity, ())),
            _members(text),
            _bytes(store, _members(text)),
            Digest(source) if source else None,
        )
        for identity, text, source in rows
    )


def _bytes(store: Store, found: Iterable[Member]) -> int:
    row = store.index.row(
        "SELECT total(bytes) FROM layer WHERE EXISTS (SELECT 1 FROM image, "
        "json_each(?) AS wanted WHERE image.id=wanted.value "
        "AND instr(image.layers, layer.content))",
        json.dumps([member.id for member in found]),
    )
    return int(row[0]) if row else 0


def delete_index(store: Store, identity: str, keep: Iterable[str] = ()) -> list[Digest]:
    """Forget an index, its names, and those of its images that nothing else has:
    no name, no other index, and not `keep`. The images that went."""
    with store.transaction() as run:
        row = run.execute(
            "SELECT members FROM image_index WHERE id=?", (identity,)
        ).fetchone()
        run.execute("DELETE FROM reference WHERE image=?", (identity,))
        run.execute("DELETE FROM image_index WHERE id=?", (identity,))
        run.execute("DELETE FROM annotation WHERE image=?", (identity,))
        kept = {i for (i,) in run.execute("SELECT image FROM reference")} | {*keep}
        for (text,) in run.execute("SELECT members FROM image_index"):
            kept |= {member.id for member in _members(text)}
        gone = [m.id for m in _members(row[0] if row else "[]") if m.id not in kept]
        run.executemany("DELETE FROM image WHERE id=?", [(i,) for i in gone])
        run.executemany("DELETE FROM annotation WHERE image=?", [(i,) for i in gone])
    return gone


def indexes_of(store: Store, image: str) -> tuple[Digest, ...]:
    """The indexes that an image is in."""
    rows = store.index.rows(
        "SELECT id FROM image_index WHERE instr(members, ?) ORDER BY id", image
    )
    return tuple(Digest(identity) for (identity,) in rows)
