"""Archives that want out of their place, are cut, changed or bombs: refused."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.bases import (
    Done,
    Lamina,
    project,
)
from tests.oci.tars import directory, entry, hard_link, symlink, tar


def bomb() -> bytes:
    """A gigabyte of zeros in a megabyte."""
    head = tarfile.TarInfo("zeros")
    head.size = 1 << 30
    block = gzip.compress(bytes(1 << 20), 9)
    return gzip.compress(head.tobuf(), 9) + block * 1024


def escapes(canary: Path) -> dict[str, bytes]:
    """Archives that want to write to `canary`."""
    evil, up = b"evil", "../" * 20
    folder = str(canary.parent)
    return {
        "absolute": tar(entry(str(canary), evil)),
        "dots": tar(entry(f"{up}{canary}", evil)),
        "link": tar(symlink("way", folder), entry("way/canary", evil)),
        "link up": tar(symlink("way", f"{up}{folder}"), entry("way/canary", evil)),
        "hard link": tar(hard_link("canary", str(canary)), entry("canary", evil)),
        "duplicate": tar(directory("a"), symlink("a", folder), entry("a/canary", evil)),
    }


KINDS = ("absolute", "dots", "link", "link up", "hard link", "duplicate")


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A file beside the store that no archive may change."""
    path = tmp_path / "outside" / "canary"
    path.parent.mkdir()
    path.write_text("mine")
    yield path
    assert path.read_text() == "mine"
    assert os.listdir(path.parent) == ["canary"]


def clear(done: Done) -> None:
    """It was refused with a sentence, or made harmless."""
    assert done.code in (0, 1)
    assert done.code == 0 or done.err.startswith("lamina: "), done.err


def image_archive(layer: bytes, **changes: str) -> bytes:
    """A docker-archive of one layer; `changes` of what is said about it."""
    diff_id = changes.get("diff_id", "sha256:" + hashlib.sha256(layer).hexdigest())
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        }
    ).encode()
    name = hashlib.sha256(config).hexdigest() + ".json"
    told = [{"Config": name, "RepoTags": ["evil:1"], "Layers": ["layer.tar"]}]
    return tar(
        entry(name, config),
        entry("layer.tar", layer),
        entry("manifest.json", json.dumps(told).encode()),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_layers_that_want_out(lamina: Lamina, canary: Path, kind: str) -> None:
    layer = escapes(canary)[kind]
    done = lamina.run("load", given=image_archive(layer), code=None)
    clear(done)
    assert kind in ("absolute", "link", "link up") or done.code == 1, done


@pytest.mark.parametrize("kind", KINDS)
def test_imports_that_want_out(lamina: Lamina, canary: Path, kind: str) -> None:
    (lamina.place / "evil.tar").write_bytes(escapes(canary)[kind])
    clear(lamina.run("import", "evil.tar", "evil", code=None))


@pytest.mark.parametrize("kind", KINDS)
def test_added_archives_that_want_out(
    lamina: Lamina, canary: Path, tmp_path: Path, kind: str
) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\nADD evil.tar /\n",
        evil__tar=b"",
    )
    (folder / "evil.tar").write_bytes(escapes(canary)[kind])
    clear(lamina.run("build", "--progress", "quiet", folder, code=None))


@pytest.mark.parametrize("kind", KINDS)
def test_image_archives_that_want_out(lamina: Lamina, canary: Path, kind: str) -> None:
    """The outer tar: `load` reads its members by name and unpacks none."""
    done = lamina.run("load", given=escapes(canary)[kind], code=1)
    assert done.err.startswith("lamina: ")


def test_archives_that_are_cut(lamina: Lamina, tmp_path: Path) -> None:
    lamina.run("save", "-o", "whole.tar", "busybox")
    lamina.run("save", "--format", "oci", "-o", "oci.tar", "busybox")
    for name in ("whole.tar", "oci.tar"):
        whole = (tmp_path / name).read_bytes()
        other = Lamina(tmp_path, tmp_path / "other")
        for part in (0, 1, 511, 513, len(whole) // 2, len(whole) * 3 // 4):
            for source in (["load"], ["import", "-"]):
                done = other.run(*source, given=whole[:part], code=None)
                assert done.code == 1 and done.err.startswith("lamina: "), (part, done)
        assert json.loads(other.run("images", "--format", "json").out or "[]") == []
        other.check()
        assert other.left_behind() == []


def test_archives_that_were_changed(lamina: Lamina, tmp_path: Path) -> None:
    layer = tar(entry("file", b"content"))
    wrong = "sha256:" + "0" * 64
    done = lamina.run("load", given=image_archive(layer, diff_id=wrong), code=1)
    assert "digest" in done.err or "diff_id" in done.err
    lamina.run("save", "--format", "oci", "--compression", "none", "-o", "a", "busybox")
    data = (tmp_path / "a").read_bytes()
    changed = data.replace(b"welcome\n", b"wElcome\n")
    # A store that has the layers already takes its own, which are sound.
    fresh = {"LAMINA_ROOT": str(tmp_path / "fresh")}
    done = lamina.run("load", given=changed, env=fresh, code=1)
    assert "digest" in done.err or "diff_id" in done.err
    for garbage in (b"x", bytes(10240), b"\x1f\x8b" + b"x" * 600, b"{}" * 600):
        assert lamina.run("load", given=garbage, code=1).err.startswith("lamina: ")


def test_a_bomb(lamina: Lamina, tmp_path: Path) -> None:
    """A thousand times its size: refused before the disk has it."""
    folder = project(tmp_path / "app", "FROM busybox\nADD bomb.tar.gz /\n")
    (folder / "bomb.tar.gz").write_bytes(bomb())
    for args in (["import", "app/bomb.tar.gz"], ["build", "-q", "app"]):
        done = lamina.run(*args, code=None)
        clear(done)
        assert done.code == 1, done
    assert lamina.run("load", given=image_archive(bomb()), code=1).err
