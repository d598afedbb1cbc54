"""oci.archives.rootfs: a tar of files as an image."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.oci.archives.rootfs import import_rootfs
from lamina.oci.config import ImageConfig
from lamina.oci.errors import InvalidArchive
from lamina.oci.layers.pack import Times, pack
from lamina.oci.store.store import Store
from tests.oci.image_archives import digest, tar

FILES = tar({"etc/name": b"one", "bin/sh": b"x" * 5000})
CONFIG = ImageConfig("amd64", "linux", cmd=("/bin/sh",))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(str(tmp_path / "store"))
    yield opened
    opened.close()


@pytest.mark.parametrize("data", [FILES, gzip.compress(FILES)], ids=["plain", "gz"])
def test_the_diff_id_is_that_of_the_plain_tar(store: Store, data: bytes) -> None:
    image = import_rootfs(store, io.BytesIO(data).read, CONFIG)
    assert image.config.diff_ids == (digest(FILES),)
    assert image.config.cmd == ("/bin/sh",)
    assert os.listdir(f"{store.root}/tmp") == []


def test_a_cut_tar_leaves_nothing(store: Store) -> None:
    with pytest.raises(InvalidArchive):
        import_rootfs(store, io.BytesIO(FILES[:3000]).read, CONFIG)
    assert store.images() == ()
    assert os.listdir(f"{store.root}/layers") == os.listdir(f"{store.root}/tmp") == []


def test_what_is_exported_is_imported(store: Store, tmp_path: Path) -> None:
    (tmp_path / "root/etc").mkdir(parents=True)
    (tmp_path / "root/etc/name").write_text("exported")
    out = io.BytesIO()
    packed = pack(str(tmp_path / "root"), Times(None, 0), out.write, store.xattrs)
    image = import_rootfs(store, io.BytesIO(out.getvalue()).read, CONFIG)
    assert image.config.diff_ids == (packed.diff_id,)
    path = Path(store.layer_path(image.layers[0]), "etc/name")
    assert path.read_text() == "exported"
