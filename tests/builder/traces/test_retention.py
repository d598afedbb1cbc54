"""Retention: of which builds what a failed step left is kept, and who lets it go."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lamina.builder.traces.retention import (
    KEPT_BUILDS,
    KEPT_ROOTS,
    collect,
    drop_logs,
    kept_roots,
    pin_owner,
    remove_root,
    remove_roots_on,
)
from lamina.builder.traces.trace import JOURNAL, LOGS, ROOT, build_ids
from lamina.oci.store.store import Store
from tests.oci.stacks import put


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(str(tmp_path / "store"))
    yield opened
    opened.close()


def make_build(store: Store, name: str, content: str = "", ended: int = 0) -> Path:
    """A build that failed, and whose root stands on the layer `content`."""
    folder = Path(store.root, "builds", name)
    (folder / ROOT).mkdir(parents=True)
    (folder / ROOT / "file").write_text("half")
    (folder / JOURNAL).write_text("{}\n")
    os.utime(folder / JOURNAL, (ended, ended))
    if content:
        store.pin(pin_owner(name), [content])
    return folder


def pins(store: Store) -> set[str]:
    return {owner for (owner,) in store.index.rows("SELECT owner FROM pin")}


@contextmanager
def looked_into(folder: Path) -> Iterator[None]:
    """As `lamina shell` does."""
    with (folder / JOURNAL).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def test_the_last_roots_stay_with_their_layers(store: Store) -> None:
    layer = put(store, {"name": b"base"}).layers[0]
    for number in range(KEPT_ROOTS + 2):
        make_build(store, f"{number:012x}", layer, ended=number)
    collect(store)
    kept = [f"{number:012x}" for number in range(KEPT_ROOTS + 1, 1, -1)]
    assert [root.build for root in kept_roots(store)] == kept
    assert pins(store) == {pin_owner(name) for name in kept}
    assert len(build_ids(store.root)) == KEPT_ROOTS + 2


def test_there_is_room_for_one_more_build(store: Store) -> None:
    for number in range(KEPT_BUILDS + 1):
        make_build(store, f"{number:012x}")
    collect(store)
    assert len(build_ids(store.root)) == KEPT_BUILDS - 1


def test_nothing_goes_from_under_a_shell(store: Store) -> None:
    layer = put(store, {"name": b"base"}).layers[0]
    folder = make_build(store, "a" * 12, layer)
    (root,) = kept_roots(store)
    with looked_into(folder):
        assert not remove_root(store, root)
        assert (folder / ROOT / "file").read_text() == "half"
        assert pins(store) == {pin_owner("a" * 12)}
    assert remove_root(store, root)
    assert kept_roots(store) == ()
    assert pins(store) == set()


def test_a_pin_without_a_root_is_let_go(store: Store) -> None:
    """Whoever died between the two, or could not write the one."""
    layer = put(store, {"name": b"base"}).layers[0]
    store.pin(pin_owner("b" * 12), [layer])
    store.pin("container:c", [layer])
    collect(store)
    assert pins(store) == {"container:c"}


def test_only_roots_on_a_layer_go(store: Store) -> None:
    one, two = (
        put(store, {"name": b"one"}).layers[0],
        put(store, {"name": b"two"}).layers[0],
    )
    make_build(store, "a" * 12, one)
    make_build(store, "b" * 12, two)
    remove_roots_on(store, [one])
    assert [root.build for root in kept_roots(store)] == ["b" * 12]


def test_logs_of_runs_that_the_cache_forgot_go(store: Store) -> None:
    layer = put(store, {"name": b"layer"}).layers[0]
    store.index.rows(
        "INSERT INTO step VALUES (?,'{}',?,?,0,0,'')", "sha256:known", layer, layer
    )
    logs = Path(store.root, "builds", LOGS)
    logs.mkdir(parents=True)
    for name in ("known", "gone", "young"):
        (logs / name).write_text("said")
    for name in ("known", "gone"):
        os.utime(logs / name, (100, 100))
    assert drop_logs(store) == 4
    assert set(os.listdir(logs)) == {"known", "young"}
