"""Layers mounted by fuse-overlayfs, and a changeset made of what it writes."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.oci.layers.changeset import Change, changes
from lamina.runtime import syscalls
from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation import fuse_overlay, snapshot
from lamina.runtime.isolation.fuse_marks import settle
from lamina.runtime.isolation.snapshot import Snapshot
from lamina.runtime.isolation.zygote import Options, Zygote
from tests.runtime.launches import Bench

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not fuse_overlay.program(), reason="no fuse-overlayfs"),
]

Act = Callable[[str], None]


@pytest.fixture
def layers(tmp_path: Path) -> Iterator[Snapshot]:
    """Two lower directories, the upper of which hides files of the other."""
    for path in ("a/kept", "a/hidden", "b/d/new"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    (tmp_path / "a/d").mkdir()
    (tmp_path / "a/d/old").write_text("old")
    os.setxattr(tmp_path / "b/d", "trusted.overlay.opaque", b"y")
    os.mknod(tmp_path / "b/hidden", stat.S_IFCHR, os.makedev(0, 0))
    for name in ("upper", "work"):
        (tmp_path / name).mkdir()
    lowers = (str(tmp_path / "b"), str(tmp_path / "a"))
    yield Snapshot(lowers, str(tmp_path / "upper"), str(tmp_path / "work"))


def change_by(layers: Snapshot, act: Act, method: str) -> list[Change]:
    """What `act` changes in the mounted layers, as a changeset."""
    place = Path(layers.upper).with_name(method)
    made = Snapshot(layers.lowers, f"{place}/upper", f"{place}/work")
    os.makedirs(made.upper)
    os.makedirs(made.work)
    root = snapshot.mount(made, method)
    try:
        act(f"/proc/self/fd/{root}")
    finally:
        os.close(root)
    settle(made.upper, made.lowers, "trusted")
    return list(changes(made.upper, "trusted"))


def processes() -> list[str]:
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                words = file.read().decode(errors="replace")
        except OSError:
            continue
        if "fuse-overlayfs" in words:
            found.append(words)
    return found


def test_layers_are_seen_as_one_root(layers: Snapshot) -> None:
    root = snapshot.mount(layers, "fuse")
    place = Path(f"/proc/self/fd/{root}")
    assert sorted(os.listdir(place)) == ["d", "kept"]
    assert os.listdir(place / "d") == ["new"]
    (place / "kept").write_text("changed")
    mine = str(Path(layers.upper).parent)
    assert any(mine in words for words in processes())
    os.close(root)
    assert Path(layers.upper, "kept").read_text() == "changed"
    assert Path(layers.lowers[1], "kept").read_text() == "a/kept"
    end = time.monotonic() + 60
    while any(mine in words for words in processes()):
        assert time.monotonic() < end, "it outlives its mount"
        time.sleep(0.01)


def _new_directories(root: str) -> None:
    os.makedirs(f"{root}/n/m")
    Path(f"{root}/n/m/file").write_text("x")


def _deletions(root: str) -> None:
    os.unlink(f"{root}/kept")
    os.unlink(f"{root}/d/new")


def _replaced(root: str) -> None:
    shutil.rmtree(f"{root}/d")
    os.mkdir(f"{root}/d")
    Path(f"{root}/d/other").write_text("x")
    os.unlink(f"{root}/kept")
    os.mkdir(f"{root}/kept")


def _made_and_removed(root: str) -> None:
    Path(f"{root}/short").write_text("x")
    os.unlink(f"{root}/short")
    os.mkdir(f"{root}/hidden")


@pytest.mark.parametrize(
    "act", [_new_directories, _deletions, _replaced, _made_and_removed]
)
def test_the_same_changeset_as_the_kernel_makes(layers: Snapshot, act: Act) -> None:
    kernel = change_by(layers, act, "fd")
    assert kernel
    assert change_by(layers, act, "fuse") == kernel


def test_what_the_kernel_wrote_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "upper").mkdir()
    (tmp_path / "upper/.wh.name").touch()
    settle(str(tmp_path / "upper"), (), "trusted")
    assert os.listdir(tmp_path / "upper") == [".wh.name"]


def test_a_container_on_it(tmp_path: Path, busybox_root: Path) -> None:
    options = Options(keep=(str(tmp_path.parent),), overlay="fuse")
    with Zygote.start(options) as zygote:
        bench = Bench(tmp_path, busybox_root, zygote)
        text = bench.sh(
            "mount | grep ' / '; rm /bin/ls; mkdir /d; chown 5:6 /d;"
            "ps | grep -c [f]use-over || true; echo x > /d/f; cat /d/f"
        )
        assert text.split()[:5] == [
            "fuse-overlayfs",
            "on",
            "/",
            "type",
            "fuse.fuse-overlayfs",
        ]
        assert text.split("\n")[1:] == ["0", "x", ""]
        status = os.stat(bench.upper / "d")
        assert (status.st_uid, status.st_gid) == (5, 6)


def test_where_the_kernel_cannot(tmp_path: Path) -> None:
    """An overlay on an overlay: changes are possible, deletions cannot be noted."""
    for name in ("l", "u", "w", "m", "lower"):
        (tmp_path / name).mkdir()
    (tmp_path / "lower/file").write_text("x")
    place = str(tmp_path / "m")
    outer = f"lowerdir={tmp_path}/l,upperdir={tmp_path}/u,workdir={tmp_path}/w"
    lowers = (str(tmp_path / "lower"), str(tmp_path / "l"))
    inner = Snapshot(lowers, f"{place}/upper", f"{place}/work")

    def change() -> int:
        syscalls.mount("overlay", place, "overlay", 0, outer.encode())
        os.mkdir(inner.upper)
        os.mkdir(inner.work)
        root = snapshot.mount(inner)
        try:
            Path(f"/proc/self/fd/{root}/file").write_text("y")
            assert Path(f"{inner.upper}/file").read_text() == "y"
            os.unlink(f"/proc/self/fd/{root}/file")
        finally:
            os.close(root)
        with pytest.raises(ContainerError, match="'file' was deleted"):
            settle(inner.upper, lowers, "trusted")
        return 0

    assert fuse_overlay.in_own_mounts(change) == 0
