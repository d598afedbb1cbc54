"""What checks are told of the store and of `.dockerignore`."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.builder.checking.surroundings import is_image_name, surroundings
from lamina.lang.checks.surroundings import BaseFacts
from lamina.oci.config import ImageConfig
from lamina.oci.reference import parse_reference
from lamina.oci.store.store import Store


@pytest.mark.parametrize(
    ("ignore", "path", "pattern"),
    [
        ("*.log", "a.log", "*.log"),
        ("*.log", "b/a.log", ""),
        ("build/", "build/x/y", "build"),
        ("**/x", "a/x/b", "**/x"),
        ("*\n!a.txt", "b", ""),
        ("*", ".", "*"),
        ("**/*", ".", "**/*"),
        (".*", ".", ""),
        ("# a\n", "a", ""),
        ("[", "[", ""),
        ("", "a", ""),
    ],
)
def test_what_is_ignored(ignore: str, path: str, pattern: str) -> None:
    around = surroundings(lambda: None, ignore.encode(), "linux/amd64")
    assert around.ignored(path) == pattern


def test_a_base_of_the_store(tmp_path: Path) -> None:
    store = Store.open(f"{tmp_path}/store")
    config = ImageConfig(
        "arm64",
        "linux",
        env=("A=b=c", "LANG="),
        shell=("/bin/bash", "-c"),
        working_dir="/app",
        on_build=("ENV B=1 C=2", "ARG D", "NO SUCH", "RUN x"),
    )
    store.tag(parse_reference("base"), store.put_image(config, ()).id)
    opened = []

    def open_store() -> Store:
        opened.append(1)
        return store

    around = surroundings(open_store, b"", "linux/amd64")
    assert opened == []
    assert around.base("base:latest") == BaseFacts(
        frozenset("ABCD") | {"LANG"}, ("/bin/bash", "-c"), "/app", "linux/arm64"
    )
    assert around.base("debian") is None
    assert around.base("No Name") is None
    assert opened == [1]
    store.close()


def test_without_a_store_nothing_is_known() -> None:
    assert surroundings(lambda: None, b"", "").base("debian") is None


def test_names_of_images() -> None:
    assert is_image_name("registry.example.org:5000/a/b:1")
    assert not is_image_name("busybox:")
    assert not is_image_name("")
