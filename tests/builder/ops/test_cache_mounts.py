"""Cache mounts as they lie in the store: what is told of them, and their removal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.builder.events import silent
from lamina.builder.ops.cache_mounts import (
    CacheMounts,
    cache_mounts,
    remove_cache_mount,
)
from lamina.builder.solving.graph import RunMount
from lamina.builder.solving.shared import Nobody
from lamina.oci.errors import InUse
from lamina.oci.store.store import Store

MOUNT = RunMount("cache", "/c", id="../../pip", mode=0o700)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(str(tmp_path / "store"))
    yield store
    store.close()


def caches(store: Store, *, stopped: bool = False) -> CacheMounts:
    return CacheMounts(store, silent, lambda: stopped, fresh=False)


def changed(**fields: str) -> RunMount:
    return RunMount(**{**MOUNT.__dict__, **fields})


def test_a_cache_is_found_by_its_id_and_told_of(store: Store) -> None:
    path, held = caches(store).take(MOUNT, None)
    (Path(path) / "file").write_text("x")
    os.close(held)
    assert Path(path).stat().st_mode & 0o777 == 0o700
    assert os.path.dirname(os.path.dirname(path)) == f"{store.root}/caches"
    again, held = caches(store).take(changed(target="/other"), None)
    os.close(held)
    assert again == path
    (found,) = cache_mounts(store.root)
    assert (found.id, found.seed, found.directories) == ("../../pip", "", (path,))
    assert found.used > 0


def test_nothing_is_told_of_a_store_without_caches(store: Store) -> None:
    assert cache_mounts(store.root) == ()


def test_what_a_step_holds_is_not_removed(store: Store) -> None:
    path, held = caches(store).take(MOUNT, None)
    name = cache_mounts(store.root)[0].name
    assert not remove_cache_mount(store, name)
    os.close(held)
    assert remove_cache_mount(store, name)
    assert not os.path.exists(path) and cache_mounts(store.root) == ()
    again, held = caches(store).take(MOUNT, None)
    os.close(held)
    assert again == path and os.listdir(path) == []


def test_sharing(store: Store) -> None:
    shared, one = caches(store).take(MOUNT, None)
    same, two = caches(store).take(MOUNT, None)
    assert same == shared
    private, three = caches(store).take(changed(sharing="private"), None)
    assert private != shared
    with pytest.raises(InUse):
        caches(store, stopped=True).take(changed(sharing="locked"), None)
    os.close(one)
    os.close(two)
    locked, four = caches(store).take(changed(sharing="locked"), None)
    assert locked == shared
    with pytest.raises(InUse):
        caches(store, stopped=True).take(MOUNT, None)
    os.close(three)
    os.close(four)
    (found,) = cache_mounts(store.root)
    assert found.directories == (shared, private)


def test_what_a_killed_maker_left_is_completed(store: Store) -> None:
    path, held = caches(store).take(MOUNT, None)
    os.close(held)
    os.unlink(f"{os.path.dirname(path)}/about.json")
    os.unlink(f"{path}.asked")
    (found,) = cache_mounts(store.root)
    assert (found.id, found.used) == ("", 0)
    _, held = caches(store).take(MOUNT, None)
    os.close(held)
    assert cache_mounts(store.root)[0].id == MOUNT.id


def test_fresh_caches_are_emptied_once_a_build(store: Store) -> None:
    path, held = caches(store).take(MOUNT, None)
    (Path(path) / "old").touch()
    told: list[object] = []
    build = CacheMounts(store, told.append, lambda: False, fresh=True)
    same, two = build.take(MOUNT, None)
    assert same == path and os.listdir(path) == ["old"] and len(told) == 1
    os.close(held)
    os.close(two)
    build = CacheMounts(store, told.append, lambda: False, fresh=True)
    for expected in ([], ["new"]):
        path, held = build.take(MOUNT, None)
        assert os.listdir(path) == expected
        (Path(path) / "new").touch()
        os.close(held)
    assert len(told) == 1


# What another machine had in it


class Elsewhere(Nobody):
    """A cache of another machine, which has something for every cache mount."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.asked = 0

    def cache_mount(self, _name: str) -> str | None:
        self.asked += 1
        made = self.place / f"made{self.asked}"
        made.mkdir()
        (made / "theirs").write_text("x")
        return str(made)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Elsewhere:
    return Elsewhere(tmp_path)


def taken(
    store: Store, elsewhere: Elsewhere, *, fresh: bool = False
) -> tuple[str, list[str]]:
    """Where the cache lies and what is in it, when a step takes it."""
    path, held = CacheMounts(store, silent, lambda: False, fresh, elsewhere).take(
        MOUNT, None
    )
    os.close(held)
    return path, os.listdir(path)


def test_a_cache_that_is_not_there_or_empty_is_filled(
    store: Store, elsewhere: Elsewhere
) -> None:
    path, files = taken(store, elsewhere)
    assert files == ["theirs"]
    assert Path(path).stat().st_mode & 0o777 == 0o700
    Path(path, "theirs").unlink()
    assert taken(store, elsewhere) == (path, ["theirs"])
    assert Path(path).stat().st_mode & 0o777 == 0o700
    assert sorted(os.listdir(elsewhere.place)) == ["store"]


def test_one_with_content_is_left_alone(store: Store, elsewhere: Elsewhere) -> None:
    path, held = caches(store).take(MOUNT, None)
    os.close(held)
    Path(path, "mine").write_text("x")
    assert taken(store, elsewhere) == (path, ["mine"])
    assert elsewhere.asked == 0


def test_one_that_a_step_uses_is_left_alone(store: Store, elsewhere: Elsewhere) -> None:
    path, held = caches(store).take(MOUNT, None)
    assert taken(store, elsewhere) == (path, [])
    os.close(held)
    assert taken(store, elsewhere) == (path, ["theirs"])


def test_who_begins_with_none_gets_none(store: Store, elsewhere: Elsewhere) -> None:
    assert taken(store, elsewhere, fresh=True)[1] == []
    assert elsewhere.asked == 0


def test_a_build_asks_once(store: Store, elsewhere: Elsewhere) -> None:
    mounts = CacheMounts(store, silent, lambda: False, False, elsewhere)
    for _ in range(3):
        path, held = mounts.take(MOUNT, None)
        os.close(held)
        for name in os.listdir(path):
            os.unlink(f"{path}/{name}")
    assert elsewhere.asked == 1
