"""builder.sharing.receive: a layer on another machine is the very same layer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.builder.sharing.document import SharedLayer
from lamina.errors import LaminaError
from lamina.oci.store.store import NEVER, Store
from lamina.values import replace
from tests.builder.sharing.layers import (
    SECOND,
    SINCE,
    make_layer,
    open_store,
    receive,
    share,
)

EPOCHS = [None, 0, SINCE // SECOND - 5, SINCE // SECOND, SINCE // SECOND + 5]
# Around the moment since when files are new, and the second that it is in.
TIMES = {
    "old": SINCE - 3 * SECOND,
    "the second's first": SINCE // SECOND * SECOND,
    "just before": SINCE - 1,
    "just then": SINCE,
    "just after": SINCE + 1,
    "the second's last": (SINCE // SECOND + 1) * SECOND - 1,
    "the next second": (SINCE // SECOND + 1) * SECOND,
    "later/deep/er": SINCE + 7 * SECOND + 123,
    "a.link": SINCE - 2,
    "future": SINCE + 10**6 * SECOND + 5,
}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "here") as store:
        yield store


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "there") as store:
        yield store


def blob(shared: SharedLayer, place: Path) -> bytes:
    return (place / shared.packed.blob.digest.hex).read_bytes()


@pytest.mark.parametrize("epoch", EPOCHS)
def test_the_same_diff_id_under_every_epoch(
    here: Store, there: Store, tmp_path: Path, epoch: int | None
) -> None:
    layer = make_layer(here, dict(TIMES))
    shared, times = share(here, layer.content, tmp_path)
    receive(there, shared, blob(shared, tmp_path), times, epoch)
    for other in EPOCHS:
        mine, theirs = (s.diff_id(layer.content, other) for s in (here, there))
        assert mine == theirs, other


@pytest.mark.parametrize("since", [0, SINCE // SECOND * SECOND, 1 << 62])
def test_whatever_counts_as_new(
    here: Store, there: Store, tmp_path: Path, since: int
) -> None:
    layer = make_layer(here, dict(TIMES), since)
    shared, times = share(here, layer.content, tmp_path)
    receive(there, shared, blob(shared, tmp_path), times, None)
    for epoch in EPOCHS:
        assert here.diff_id(layer.content, epoch) == there.diff_id(layer.content, epoch)
    assert there.youngest_since([layer.content]) == since


def test_files_have_their_times_to_the_nanosecond(
    here: Store, there: Store, tmp_path: Path
) -> None:
    layer = make_layer(here, dict(TIMES))
    shared, times = share(here, layer.content, tmp_path)
    receive(there, shared, blob(shared, tmp_path), times, 12)
    place = there.layer_path(layer.content)
    for name, time in TIMES.items():
        assert os.lstat(f"{place}/{name}").st_mtime_ns == time, name


def test_when_it_was_made_and_how_its_root_is(
    here: Store, there: Store, tmp_path: Path
) -> None:
    layer = make_layer(here, {"a": SINCE})
    os.chmod(here.layer_path(layer.content), 0o1777)
    here.index.rows("UPDATE layer SET created=1234")
    shared, times = share(here, layer.content, tmp_path)
    receive(there, shared, blob(shared, tmp_path), times, None)
    assert there.layer_created(layer.content) == 1234
    assert os.stat(there.layer_path(layer.content)).st_mode & 0o7777 == 0o1777


def test_who_shares_it_on_shares_the_same(
    here: Store, there: Store, tmp_path: Path
) -> None:
    layer = make_layer(here, dict(TIMES))
    shared, times = share(here, layer.content, tmp_path)
    receive(there, shared, blob(shared, tmp_path), times, 5)
    assert share(there, layer.content, tmp_path) == (shared, times)


def test_a_layer_whose_times_are_given(
    here: Store, there: Store, tmp_path: Path
) -> None:
    """A step may have made what had come from elsewhere."""
    from lamina.oci.archives.unpack import unpack_tar
    from tests.oci.image_archives import tar

    data = tar({"a": b"one"})
    with here.workspace() as space:
        left = [data]

        def read(_size: int) -> bytes:
            return left.pop() if left else b""

        found = unpack_tar(here, read, space, "layer")
        layer = here.publish_layer(found.directory, found.layer, found.skeleton)
    shared, times = share(here, layer.content, tmp_path)
    assert (shared.since, times) == (NEVER, b"")
    receive(there, shared, blob(shared, tmp_path), times, 5)
    assert there.layer(layer.content) == layer
    wrong = replace(shared, content=make_layer(here, {"x": 1}).content)
    with pytest.raises(LaminaError):
        receive(there, wrong, blob(shared, tmp_path), times, 5)


# Lies


def test_another_content(here: Store, there: Store, tmp_path: Path) -> None:
    """All digests are right, but it is not what the record says that a step made."""
    one, other = make_layer(here, {"a": SINCE}), make_layer(here, {"b": SINCE})
    shared, times = share(here, one.content, tmp_path)
    lie = replace(shared, content=other.content)
    refused(there, lie, blob(shared, tmp_path), times)


@pytest.mark.parametrize("damage", ["cut", "longer", "changed", "empty"])
def test_another_blob(here: Store, there: Store, tmp_path: Path, damage: str) -> None:
    layer = make_layer(here, {"a": SINCE, "b/c": SINCE})
    shared, times = share(here, layer.content, tmp_path)
    data = blob(shared, tmp_path)
    changed = {
        "cut": data[:-9],
        "longer": data + b"\0",
        "changed": bytes([*data[:-1], data[-1] ^ 1]),
        "empty": b"",
    }
    refused(there, shared, changed[damage], times)


def test_another_diff_id(here: Store, there: Store, tmp_path: Path) -> None:
    layer = make_layer(here, {"a": SINCE})
    shared, times = share(here, layer.content, tmp_path)
    lie = replace(shared, packed=replace(shared.packed, diff_id=layer.content))
    refused(there, lie, blob(shared, tmp_path), times)


def test_times_of_another_layer(here: Store, there: Store, tmp_path: Path) -> None:
    layer = make_layer(here, {"a": SINCE})
    shared, _ = share(here, layer.content, tmp_path)
    refused(there, shared, blob(shared, tmp_path), bytes(4000) + b"\1\0\0\0")


def refused(store: Store, shared: SharedLayer, data: bytes, times: bytes) -> None:
    """It is an error, and nothing of it is in the store."""
    with pytest.raises(LaminaError):
        receive(store, shared, data, times, None)
    assert os.listdir(f"{store.root}/layers") == []
    assert store.layer(shared.content) is None
    assert os.listdir(f"{store.root}/tmp") == []
