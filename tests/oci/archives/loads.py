"""Archives as tests load them."""

from __future__ import annotations

from pathlib import Path

from lamina.oci.archives.load import Loaded, load
from lamina.oci.store.store import Store
from tests.oci.image_archives import (
    Files,
    tar,
)

ONE = tar({"etc/name": b"one", "bin/sh": b"x" * 5000})
TWO = tar({"etc/other": b"two"})


def put(tmp_path: Path, data: bytes) -> str:
    path = tmp_path / "archive"
    path.write_bytes(data)
    return str(path)


def load_tar(store: Store, tmp_path: Path, files: Files) -> tuple[Loaded, ...]:
    return load(store, put(tmp_path, tar(files)))


def content(store: Store, loaded: Loaded, number: int, name: str) -> bytes:
    path = store.layer_path(loaded.image.layers[number])
    return Path(path, name).read_bytes()
