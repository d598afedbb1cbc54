"""oci.store.compare: how two images differ."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.oci.config import ImageConfig
from lamina.oci.store.compare import ConfigChange, compare_configs, compare_files
from lamina.oci.store.store import Image, Store
from tests.busybox import open_store
from tests.oci.stacks import put


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path)
    yield opened
    opened.close()


def changes(store: Store, one: Image, two: Image) -> list[tuple[str, str, str]]:
    return [
        (change.kind, change.path, ", ".join(change.what))
        for change in compare_files(store, one, two)
    ]


def test_each_kind_of_difference(store: Store) -> None:
    one = put(
        store,
        {
            "same": b"same",
            "text": b"one",
            "mode": b"x",
            "link": "a",
            "kind": b"",
            "gone/in/it": b"x",
            "file": b"",
        },
    )
    two = put(
        store,
        {
            "same": b"same",
            "text": b"two",
            "mode": (b"x", 0o755),
            "link": "b",
            "kind": "link",
            "new": b"",
            "file/below": b"",
        },
    )
    assert changes(store, one, two) == [
        ("D", "/file", ""),
        ("A", "/file", ""),
        ("A", "/file/below", ""),
        ("D", "/gone", ""),
        ("D", "/gone/in", ""),
        ("D", "/gone/in/it", ""),
        ("C", "/kind", "type file → link"),
        ("C", "/link", "content"),
        ("C", "/mode", "mode 0644 → 0755"),
        ("A", "/new", ""),
        ("C", "/text", "content"),
    ]


def test_the_same_files_in_other_layers_are_no_difference(store: Store) -> None:
    one = put(store, {"a": b"1", "d/b": b"2"})
    two = put(store, {"a": b"0", "d/b": b"2"}, {"a": b"1"})
    assert changes(store, one, two) == []


def test_attributes_and_owners(store: Store) -> None:
    one = put(store, {"a": b"1"})
    two = put(store, {"a": b"1", "b": b""}, {"b": None})
    assert changes(store, one, two) == []
    path = f"{store.layer_path(two.layers[0])}/a"
    os.setxattr(path, "user.mine", b"1")
    assert changes(store, one, two) == [("C", "/a", "attributes")]
    os.chown(path, 3, 4)
    found = changes(store, one, two)
    assert found == [("C", "/a", "owner 0:0 → 3:4, attributes")]


def test_names_in_any_bytes(store: Store) -> None:
    name = os.fsdecode(b"\xff\n")
    one, two = put(store, {"a": b""}), put(store, {"a": b"", name: b"x"})
    assert [c.path for c in compare_files(store, one, two)] == [f"/{name}"]


def test_configs_are_compared_field_by_field() -> None:
    one = ImageConfig("amd64", "linux", env=("A=1", "B=2"), cmd=("sh",), user="me")
    two = ImageConfig("arm64", "linux", env=("B=2", "A=2"), cmd=("sh", "-c"))
    assert compare_configs(one, one) == []
    assert compare_configs(one, two) == [
        ConfigChange("Cmd", ('["sh"]',), ('["sh", "-c"]',)),
        ConfigChange("Env", ("A=1",), ("A=2",)),
        ConfigChange("Platform", ("linux/amd64/",), ("linux/arm64/",)),
        ConfigChange("User", ("me",), ()),
    ]
