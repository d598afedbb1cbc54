"""Layers mounted as one root, in the new and in the old way."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation.snapshot import MAX_LOWERS, Snapshot, mount

pytestmark = pytest.mark.root


def layer(place: Path, name: str, **files: str) -> str:
    (place / name).mkdir()
    for file, text in files.items():
        (place / name / file).write_text(text)
    return str(place / name)


def fresh(place: Path, lowers: tuple[str, ...], volatile: bool = True) -> Snapshot:
    (place / "upper").mkdir()
    (place / "work").mkdir()
    return Snapshot(lowers, str(place / "upper"), str(place / "work"), volatile)


def names(fd: int) -> list[str]:
    directory = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
    try:
        return sorted(os.listdir(directory))
    finally:
        os.close(directory)


def read(fd: int, name: str) -> str:
    with open(os.open(name, os.O_RDONLY, dir_fd=fd), encoding="utf-8") as file:
        return file.read()


@pytest.fixture(params=["fd", "string"])
def method(request: pytest.FixtureRequest) -> str:
    """The forced ways of naming layers: that of Linux 6.7 and the older one."""
    return str(request.param)


def test_the_topmost_layer_comes_first(tmp_path: Path, method: str) -> None:
    low = layer(tmp_path, "low", a="low", b="low")
    high = layer(tmp_path, "high", b="high")
    fd = mount((high, low), method)
    try:
        assert names(fd) == ["a", "b"]
        assert read(fd, "a") + read(fd, "b") == "lowhigh"
        with pytest.raises(OSError, match="Read-only"):
            os.open("new", os.O_CREAT | os.O_WRONLY, dir_fd=fd)
    finally:
        os.close(fd)


def test_changes_are_a_plain_diff(tmp_path: Path, method: str) -> None:
    low = layer(tmp_path, "low", a="1", b="2")
    (tmp_path / "low/dir").mkdir()
    (tmp_path / "low/dir/x").touch()
    fd = mount(fresh(tmp_path, (low,)), method)
    try:
        os.unlink("a", dir_fd=fd)
        os.chmod("b", 0o600, dir_fd=fd)
        # A redirect would be a name in an attribute; as it is, mv copies (EXDEV).
        with pytest.raises(OSError, match="cross-device"):
            os.rename("dir", "moved", src_dir_fd=fd, dst_dir_fd=fd)
    finally:
        os.close(fd)
    upper = tmp_path / "upper"
    assert sorted(os.listdir(upper)) == ["a", "b"]
    whiteout = (upper / "a").lstat()
    assert stat.S_ISCHR(whiteout.st_mode)
    assert whiteout.st_rdev == 0
    assert (upper / "b").read_text() == "2", "not only the metadata"
    marks = {"trusted.overlay.impure", "trusted.overlay.uuid"}
    assert set(os.listxattr(upper)) <= marks, "neither opaque nor redirect"


@pytest.mark.parametrize("volatile", [True, False])
def test_an_upper_directory_alone(tmp_path: Path, method: str, volatile: bool) -> None:
    fd = mount(fresh(tmp_path, (), volatile), method)
    os.mkdir("made", dir_fd=fd)
    os.close(fd)
    assert os.listdir(tmp_path / "upper") == ["made"]


def test_one_layer_or_none_is_read_only(tmp_path: Path, method: str) -> None:
    for lowers in ((layer(tmp_path, "low", a="1"),), ()):
        fd = mount(lowers, method)
        try:
            assert names(fd) == ["a"][: len(lowers)]
            with pytest.raises(OSError, match="Read-only"):
                os.mkdir("new", dir_fd=fd)
        finally:
            os.close(fd)


def test_five_hundred_layers(tmp_path: Path, method: str) -> None:
    lowers = [
        layer(tmp_path, f"layer{n:03}", **{f"f{n}": ""}) for n in range(MAX_LOWERS)
    ]
    fd = mount(fresh(tmp_path, tuple(lowers)), method)
    try:
        assert len(names(fd)) == MAX_LOWERS
    finally:
        os.close(fd)
    with pytest.raises(ContainerError, match="has 501 layers"):
        mount((*lowers, str(tmp_path)))


def test_names_that_options_could_not_hold(tmp_path: Path, method: str) -> None:
    odd = layer(tmp_path, "a,b:c\\d e", one="1")
    deep = tmp_path / ("x" * 200) / ("y" * 200)
    deep.mkdir(parents=True)
    long = layer(deep, "layer", two="2")
    fd = mount(fresh(deep, (odd, long)), method)
    try:
        assert names(fd) == ["one", "two"]
    finally:
        os.close(fd)


def test_many_threads_mount_at_once(tmp_path: Path, method: str) -> None:
    lowers = tuple(layer(tmp_path, f"l{n}", **{f"f{n}": ""}) for n in range(5))
    seen: list[list[str]] = []

    def work() -> None:
        fd = mount(lowers, method)
        seen.append(names(fd))
        os.close(fd)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [[f"f{n}" for n in range(5)]] * 8


def test_mounting_leaves_nothing_behind(tmp_path: Path, method: str) -> None:
    before = os.getcwd()
    descriptors = len(os.listdir("/proc/self/fd"))
    os.close(mount((layer(tmp_path, "a"), layer(tmp_path, "b")), method))
    with pytest.raises(ContainerError, match=r"directory .*/gone does not exist"):
        mount((str(tmp_path / "a"), str(tmp_path / "gone")), method)
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
    assert os.getcwd() == before
    assert len(os.listdir("/proc/self/fd")) == descriptors
