"""oci.store.image_index: images of several platforms under one name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.oci.config import ImageConfig
from lamina.oci.digest import Digest
from lamina.oci.errors import NotFound
from lamina.oci.garbage.collect import collect
from lamina.oci.garbage.policy import Policy
from lamina.oci.manifest import Index
from lamina.oci.manifest_json import parse_manifest
from lamina.oci.platforms import Member, choose
from lamina.oci.reference import parse_reference
from lamina.oci.store.annotations import annotate, annotated
from lamina.oci.store.check import check, repair
from lamina.oci.store.image_index import (
    by_platform,
    delete_index,
    index_rows,
    indexes_of,
    members,
    put_index,
    require_platform,
)
from lamina.oci.store.store import Image, Store

APP = parse_reference("app:1")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(str(tmp_path / "store"))
    yield opened
    opened.close()


def image(store: Store, architecture: str, variant: str = "") -> Image:
    """An image without files, for linux on a machine."""
    return store.put_image(ImageConfig(architecture, "linux", variant=variant), ())


def indexed(store: Store, *images: Image) -> Digest:
    return put_index(store, by_platform(store, [one.id for one in images]))


def test_a_name_means_the_image_for_the_platform(store: Store) -> None:
    amd, arm = image(store, "amd64"), image(store, "arm64")
    v6, v7 = image(store, "arm", "v6"), image(store, "arm", "v7")
    index = indexed(store, amd, arm, v6, v7)
    store.tag(APP, index)
    for platform, wanted in (
        ("linux/amd64", amd),
        ("amd64/v3", amd),
        ("aarch64", arm),
        ("arm64/v8", arm),
        ("arm", v7),
        ("arm/v6", v6),
        ("linux/arm/v8", v7),
    ):
        assert store.resolve_id("app:1", platform) == wanted.id, platform
    assert store.resolve_id("app:1", "linux/s390x") is None
    assert store.resolve_any("app:1") == index
    assert store.resolve_any(index[7:20]) == index
    with pytest.raises(NotFound, match="not here for linux/s390x") as caught:
        require_platform(store, "app:1", "s390x")
    assert "linux/amd64, linux/arm64, linux/arm/v6" in caught.value.hint
    with pytest.raises(NotFound, match="No such image: other"):
        require_platform(store, "other", "s390x")


def test_what_was_made_for_others_alone_is_the_first_of_them(store: Store) -> None:
    first, second = image(store, "s390x"), image(store, "ppc64le")
    inside = by_platform(store, [first.id, second.id])
    assert choose(inside) == first.id
    assert choose(inside, "linux/amd64") is None


def test_the_same_images_are_the_same_index(store: Store, tmp_path: Path) -> None:
    other = Store.open(str(tmp_path / "other"))
    ids = {indexed(s, image(s, "amd64"), image(s, "arm64")) for s in (store, other)}
    assert len(ids) == 1
    other.close()
    (row,) = index_rows(store)
    data = store.index.row("SELECT document FROM image_index")
    assert data is not None
    assert Digest.of(data[0]) == row.id
    document = parse_manifest(data[0])
    assert isinstance(document, Index)
    assert [str(entry.platform) for entry in document.manifests] == [
        "linux/amd64",
        "linux/arm64",
    ]


def test_where_it_came_from_is_another_name_of_it(store: Store) -> None:
    one = image(store, "amd64")
    source = b'{"as it came": true}'
    inside = (Member("linux/amd64", one.id),)
    index = put_index(store, inside, source)
    assert put_index(store, inside) == index
    assert store.resolve_any(f"app@{Digest.of(source)}") == index


def test_an_index_goes_with_the_images_that_nothing_else_has(store: Store) -> None:
    amd, arm, mips = (image(store, name) for name in ("amd64", "arm64", "mips"))
    both, other = indexed(store, amd, arm), indexed(store, arm, mips)
    store.tag(APP, both)
    annotate(store, both, {"index": {"a": "b"}})
    assert indexes_of(store, arm.id) == tuple(sorted((both, other)))
    assert delete_index(store, both) == [amd.id]
    assert annotated(store, both) == {}
    assert store.references() == {}
    store.tag(APP, mips.id)
    assert delete_index(store, other) == [arm.id]
    assert store.has_image(mips.id)


def test_garbage_is_what_no_name_leads_to(store: Store) -> None:
    amd, arm, mips = (image(store, name) for name in ("amd64", "arm64", "mips"))
    store.tag(APP, indexed(store, amd, arm))
    unnamed = indexed(store, arm, mips)
    old = Policy(images_before=1 << 40)
    assert set(collect(store, old).images) == {unnamed, mips.id}
    assert store.has_image(amd.id)
    everything = collect(store, Policy(images_before=1 << 40, all_images=True))
    assert everything.references == (str(APP),)
    assert index_rows(store) == ()
    assert store.images() == ()


def test_an_index_that_lost_an_image_is_found_and_mended(store: Store) -> None:
    amd, arm = image(store, "amd64"), image(store, "arm64")
    index = indexed(store, amd, arm)
    store.tag(APP, index)
    assert check(store).faults == ()
    store.index.rows("DELETE FROM image WHERE id=?", arm.id)
    (fault,) = check(store).faults
    assert str(fault) == f"image_index {index}: Its image for linux/arm64 is missing."
    assert repair(store, (fault,)) == ()
    assert members(store, index) == ()
    assert store.references() == {}


def test_a_store_of_the_first_version_is_taken_over(store: Store) -> None:
    one = image(store, "amd64")
    store.tag(APP, one.id)
    for statement in (
        *("DROP TABLE image_index", "DROP TABLE annotation"),
        "ALTER TABLE step DROP COLUMN name",
        "PRAGMA user_version=1",
    ):
        store.index.rows(statement)
    again = Store.open(store.root)
    assert again.resolve("app:1") == one
    assert members(again, indexed(again, one))
    again.close()
