"""oci.archives.layout_folder: a layout that is written to again and again."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from lamina.oci.archives.layout import INDEX
from lamina.oci.archives.layout_folder import kept_layout
from lamina.oci.digest import Digest
from lamina.oci.errors import InvalidArchive
from lamina.oci.manifest import (
    OCI_CONFIG,
    OCI_LAYER,
    OCI_MANIFEST,
    REF_NAME,
    Descriptor,
    Index,
    Manifest,
)
from lamina.oci.manifest_json import to_json


def blob(data: bytes) -> str:
    return f"blobs/sha256/{Digest.of(data).hex}"


def write(place: Path, tag: str, *layers: bytes) -> None:
    """Let `tag` be an image of these layers, as plain as can be."""
    with kept_layout(str(place)) as (writer, entries):
        for data in (b"{}", *layers):
            writer.add(blob(data), data)
        config = Descriptor(OCI_CONFIG, Digest.of(b"{}"), 2)
        there = (Descriptor(OCI_LAYER, Digest.of(d), len(d)) for d in layers)
        manifest = to_json(Manifest(config, tuple(there)))
        writer.add(blob(manifest), manifest)
        entry = Descriptor(
            OCI_MANIFEST,
            Digest.of(manifest),
            len(manifest),
            annotations={REF_NAME: tag},
        )
        others = [e for e in entries if e.annotations.get(REF_NAME) != tag]
        writer.add(INDEX, to_json(Index((*others, entry))))


def layers(place: Path) -> set[bytes]:
    found = {path.read_bytes() for path in (place / "blobs/sha256").iterdir()}
    return {data for data in found if not data.startswith(b"{")}


def test_what_only_a_replaced_entry_had_goes(tmp_path: Path) -> None:
    place = tmp_path / "new/place"
    write(place, "a", b"shared", b"one")
    write(place, "b", b"shared", b"other")
    write(place, "a", b"two")
    assert layers(place) == {b"shared", b"other", b"two"}
    write(place, "b", b"two")
    assert layers(place) == {b"two"}


def test_blobs_of_unknown_origin_stay(tmp_path: Path) -> None:
    write(tmp_path, "a", b"one")
    (tmp_path / "blobs/sha256/mine").write_bytes(b"mine")
    write(tmp_path, "a", b"two")
    assert layers(tmp_path) == {b"mine", b"two"}


def test_where_something_cannot_be_read_nothing_goes(tmp_path: Path) -> None:
    write(tmp_path, "a", b"one")
    write(tmp_path, "b", b"other")
    for path in (tmp_path / "blobs/sha256").iterdir():
        if Digest.of(b"other").hex.encode() in path.read_bytes():
            path.write_bytes(b"?")
    write(tmp_path, "a", b"two")
    assert layers(tmp_path) == {b"?", b"one", b"other", b"two"}


def test_what_a_dead_writer_left_goes(tmp_path: Path) -> None:
    (tmp_path / ".0123456789abcdef").write_bytes(b"half")
    write(tmp_path, "a", b"one")
    assert sorted(os.listdir(tmp_path)) == ["blobs", "index.json", "oci-layout"]


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"mine")
    with pytest.raises(InvalidArchive):
        write(tmp_path, "a", b"one")
    assert os.listdir(tmp_path) == ["mine"]
    with pytest.raises(InvalidArchive):
        write(tmp_path / "mine", "a", b"one")


def test_writers_wait_for_each_other(tmp_path: Path) -> None:
    threads = [
        threading.Thread(target=write, args=(tmp_path, tag, tag.encode(), b"shared"))
        for tag in ("a", "b", "c", "d") * 3
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert layers(tmp_path) == {b"a", b"b", b"c", b"d", b"shared"}
