"""`lamina system`, as a user types it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lamina.cli.main import main
from lamina.oci.archives.load import load
from lamina.oci.store.store import Store
from lamina.runtime.isolation import userns
from tests.oci.image_archives import config, digest, docker_archive, tar

ONE = tar({"etc/name": b"one", "bin/sh": b"x" * 5000})


@pytest.fixture
def root(tmp_path: Path) -> str:
    path = tmp_path / "in.tar"
    path.write_bytes(tar(docker_archive(ONE)))
    # As each command does: an ordinary user's files have other owners there.
    userns.enter()
    store = Store.open(str(tmp_path / "store"))
    load(store, str(path))
    store.close()
    return store.root


def damage(root: str) -> None:
    Path(f"{root}/layers/{digest(ONE)[7:]}/etc/name").write_bytes(b"two")


def test_a_sound_store(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", root, "system", "check"]) == 0
    out = capsys.readouterr().out
    assert out == "1 images, 1 layers of 5kB: all is well\n"


def test_damage_is_found_and_mended(
    root: str, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(root)
    assert main(["--root", root, "system", "check", "-q"]) == 1
    assert capsys.readouterr().out.startswith(f"layer {digest(ONE)}: The layer sha256:")
    assert main(["--root", root, "system", "check", "--repair"]) == 0
    assert "1 faults, 1 repaired" in capsys.readouterr().out
    assert main(["--root", root, "system", "check"]) == 0
    assert os.listdir(f"{root}/layers") == []


def test_what_a_failed_build_left_does_not_keep_damage(
    root: str, capsys: pytest.CaptureFixture[str]
) -> None:
    left = Path(root, "builds", "a" * 12, "root")
    left.mkdir(parents=True)
    (left.parent / "trace").write_text("{}\n")
    store = Store.open(root)
    store.pin("build:" + "a" * 12, [digest(ONE)])
    store.close()
    damage(root)
    assert main(["--root", root, "system", "check", "--repair"]) == 0
    assert "1 faults, 1 repaired" in capsys.readouterr().out
    assert not left.exists()


def test_df(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", root, "system", "df"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["Images", "1", "0", "5kB", "5kB", "(100%)"]
    assert [line[:17].strip() for line in lines[2:]] == [
        "Containers",
        "Local Volumes",
        "Build Cache",
        "Cache Mounts",
        "Fetched Sources",
        "Build Records",
    ]
    assert main(["--root", root, "system", "df", "--format", "json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[0]["TotalCount"] == "1"
    assert main(["--root", root, "system", "df", "-v"]) == 0
    assert "app" in capsys.readouterr().out


def test_prune_keeps_what_has_a_name(
    root: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--root", root, "system", "prune", "-f"]) == 0
    assert capsys.readouterr().out == "Total reclaimed space: 0B\n"
    assert main(["--root", root, "system", "prune", "-af"]) == 0
    out = capsys.readouterr().out.splitlines()
    at = out.index("Deleted Images:")
    assert out[at + 1 : at + 3] == [
        "untagged: app:1",
        f"deleted: {digest(config(ONE))}",
    ]
    assert out[-1] == "Total reclaimed space: 5kB"


@pytest.mark.parametrize(
    ("until", "code"), [("24h", 0), ("2026-01-31T00:00:00Z", 0), ("later", 1)]
)
def test_prune_until(root: str, until: str, code: int) -> None:
    arguments = ["system", "prune", "-af", "--filter", f"until={until}"]
    assert main(["--root", root, *arguments]) == code
    store = Store.open(root)
    assert len(store.images()) == 1
    store.close()


def test_system_alone_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["system"]) == 0
    assert "check" in capsys.readouterr().out
