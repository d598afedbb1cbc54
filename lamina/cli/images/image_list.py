"""What `lamina images` lists: images, and images for several platforms as one each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli.formats.tables import human_size, parse_time, print_table
from lamina.errors import LaminaError
from lamina.oci.config import ImageConfig
from lamina.oci.platforms import choose, platform_of
from lamina.oci.reference import Reference, parse_reference
from lamina.oci.store.image_index import index_rows
from lamina.oci.store.store import ImageRow
from lamina.values import value

if TYPE_CHECKING:
    from lamina.oci.digest import Digest
    from lamina.oci.platforms import Member
    from lamina.oci.store.store import Store


@value
class Listed:
    """An image or an index, and one of its names. `inside` are an index's images with
    their bytes; `config` is that of the one for this machine."""

    row: ImageRow
    config: ImageConfig
    name: Reference | None
    inside: tuple[tuple[Member, int], ...]

    @property
    def platforms(self) -> tuple[str, ...]:
        """What it is for."""
        if self.inside:
            return tuple(member.platform for member, _ in self.inside)
        return (str(platform_of(self.config)),)


def listing(store: Store) -> list[Listed]:
    """All of the store, the youngest first. The images of an index have no line of
    their own, unless they have a name."""
    found = []
    hidden: set[Digest] = set()
    for index in index_rows(store):
        hidden.update(member.id for member in index.members)
        chosen = choose(index.members) or index.members[0].id
        config = _config(store, chosen)
        inside = tuple((m, store.bytes_of(m.id)) for m in index.members)
        row = ImageRow(
            id=index.id,
            references=index.references,
            created=0,
            bytes=index.bytes,
            manifest_digest=index.source_digest,
        )
        found += _by_name(row, config, inside)
    for row in store.images():
        if row.references or row.id not in hidden:
            found += _by_name(row, _config(store, row.id), ())
    return sorted(found, key=lambda e: parse_time(e.config.created), reverse=True)


def _config(store: Store, identity: str) -> ImageConfig:
    """What is known of an image; as good as nothing of one that cannot be read. It can
    still be removed, and `system check` says what is wrong with it."""
    try:
        return store.image(identity).config
    except LaminaError:
        return ImageConfig("", "")


def _by_name(
    row: ImageRow, config: ImageConfig, inside: tuple[tuple[Member, int], ...]
) -> list[Listed]:
    names = [parse_reference(name) for name in row.references]
    return [Listed(row, config, name, inside) for name in names or (None,)]


def print_tree(listed: list[Listed]) -> None:
    """Each image with the platforms that it has, as `docker images --tree` does."""
    rows = []
    for entry in listed:
        name = entry.name.familiar() if entry.name else "<untagged>"
        inside = [(m.platform, m.id, size) for m, size in entry.inside]
        if not inside:
            inside = [(entry.platforms[0], entry.row.id, entry.row.bytes)]
        rows.append((name, entry.row.id.short, human_size(entry.row.bytes)))
        for platform, identity, size in inside:
            branch = "└─" if platform == inside[-1][0] else "├─"
            rows.append((f"{branch} {platform}", identity.short, human_size(size)))
    print_table(("IMAGE", "ID", "SIZE"), rows)
