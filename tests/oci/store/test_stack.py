"""oci.store.stack: what each layer brings, and what later ones take away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from lamina.oci.store.stack import folders, stack
from lamina.oci.store.store import Store
from tests.busybox import make_image, open_store
from tests.oci.stacks import OPAQUE, put


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path)
    yield opened
    opened.close()


BASE = {
    "etc/a": b"x" * 100,
    "etc/b": b"y" * 50,
    "var/log/one": b"1",
    "var/log/two": b"2",
}


def counts(
    store: Store, *layers: Mapping[str, object]
) -> list[tuple[int, int, int, int]]:
    found = stack(store, put(store, *layers).layers)
    return [(p.added, p.changed, p.removed, p.wasted) for p in found.parts]


def test_files_are_added_changed_and_removed(store: Store) -> None:
    assert counts(store, BASE, {"etc/a": b"z", "etc/c": b"new", "etc/b": None}) == [
        (4, 0, 0, 150),
        (1, 1, 1, 0),
    ]


def test_a_directory_takes_all_in_it_along(store: Store) -> None:
    assert counts(store, BASE, {"var/log": None}) == [(4, 0, 0, 2), (0, 0, 2, 0)]
    opaque = {"var/log/": OPAQUE, "var/log/new": b"333"}
    assert counts(store, BASE, opaque) == [(4, 0, 0, 2), (1, 0, 2, 0)]
    assert counts(store, BASE, {"var/log": b"file"}) == [(4, 0, 0, 2), (1, 0, 2, 0)]
    assert counts(store, BASE, {"etc/a/": "", "etc/a/in": b"x"}) == [
        (4, 0, 0, 100),
        (1, 0, 1, 0),
    ]


def test_a_directory_that_is_only_passed_through_hides_nothing(store: Store) -> None:
    found = stack(store, put(store, BASE, {"var/log/three": b"3"}).layers)
    log = found.root.children[b"var"].children[b"log"]  # type: ignore[index]
    assert sorted(log.children or ()) == [b"one", b"three", b"two"]
    assert log.layer == 1


def test_removing_what_is_not_there_is_nothing(store: Store) -> None:
    assert counts(store, {"gone": None, "a": b"1"}) == [(1, 0, 0, 0)]


def test_what_is_there_again_is_wasted_once(store: Store) -> None:
    again = {"etc/a": b"x" * 100}
    assert counts(store, BASE, {"etc/a": None}, again, again) == [
        (4, 0, 0, 100),
        (0, 0, 1, 0),
        (1, 0, 0, 100),
        (0, 1, 0, 0),
    ]


def test_a_file_with_several_names_is_counted_once(store: Store) -> None:
    image = make_image(store)
    tools = stack(store, image.layers).parts[0]
    layer = store.layer(image.layers[0])
    assert layer is not None
    assert tools.added > 100
    total = sum(file.node.bytes for file in tools.files)
    assert layer.bytes - tools.added < total <= layer.bytes


def test_the_largest_files_come_first(store: Store) -> None:
    (part,) = stack(store, put(store, BASE | {"empty": b""}).layers).parts
    assert [file.path for file in part.largest(3)] == ["etc/a", "etc/b", "var/log/one"]
    assert len(part.largest(99)) == 4


def test_folders_are_opened_from_the_largest_on(store: Store) -> None:
    files = {f"usr/lib/{n}": b"x" * n for n in range(1, 6)}
    files |= {"usr/share/doc/a": b"x" * 90, "etc/passwd": b"x" * 50}
    (part,) = stack(store, put(store, files).layers).parts
    assert folders(part.files, 1) == [("/", 155)]
    assert folders(part.files, 3) == [
        ("usr/share/doc/a", 90),
        ("etc/passwd", 50),
        ("usr/lib/", 15),
    ]
    assert folders(part.files, 2) == [("usr/", 105), ("etc/passwd", 50)]


def test_what_is_not_named_is_summed_up(store: Store) -> None:
    files = {f"many/{n}": b"xx" for n in range(100)} | {"many/large": b"x" * 50}
    (part,) = stack(store, put(store, files).layers).parts
    assert folders(part.files, 5) == [("many/…", 200), ("many/large", 50)]
    only = {f"many/{n}": b"xx" for n in range(100)}
    (part,) = stack(store, put(store, only).layers).parts
    assert folders(part.files, 5) == [("many/", 200)]
    (part,) = stack(store, put(store, {"empty": b""}).layers).parts
    assert folders(part.files, 5) == []
