"""Paths in roots that may be hostile, and mount points that are taken away again."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.runtime.paths import (
    Created,
    ensure,
    open_in_root,
    open_plain,
    read_in_root,
    remove_created,
)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "root/a").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    fd = os.open(tmp_path / "root", os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def made(root: int, path: str, directory: bool = True) -> list[Created]:
    created: list[Created] = []
    os.close(ensure(root, path, directory, created))
    return created


def paths(created: list[Created]) -> list[str]:
    return [path for path, *_ in created]


def test_what_is_missing_is_made(root: int, tmp_path: Path) -> None:
    assert paths(made(root, "/a/b/c")) == ["a/b", "a/b/c"]
    assert made(root, "/a/b/c") == []
    assert paths(made(root, "/a/f", directory=False)) == ["a/f"]
    assert (tmp_path / "root/a/f").is_file()
    assert (tmp_path / "root/a/b").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("target", ["/x/y", "../../../x/y", "/../x/../x/y", "x/./y/"])
def test_links_lead_nowhere_but_inside(root: int, tmp_path: Path, target: str) -> None:
    (tmp_path / "root/link").symlink_to(target)
    assert paths(made(root, "/link/z")) == ["x", "x/y", "x/y/z"]
    assert os.listdir(tmp_path / "outside") == []


def test_a_dangling_link_to_a_file(root: int, tmp_path: Path) -> None:
    (tmp_path / "root/resolv.conf").symlink_to("../run/resolve/stub.conf")
    created = made(root, "/resolv.conf", directory=False)
    assert [(p, d) for p, d, *_ in created] == [
        ("run", True),
        ("run/resolve", True),
        ("run/resolve/stub.conf", False),
    ]


def test_a_ring_of_links(root: int, tmp_path: Path) -> None:
    (tmp_path / "root/p").symlink_to("q")
    (tmp_path / "root/q").symlink_to("p")
    with pytest.raises(OSError, match=r".") as raised:
        made(root, "/p/x")
    assert raised.value.errno == errno.ELOOP


def test_links_of_the_kernel_are_not_followed(root: int) -> None:
    proc = os.open("/proc", os.O_PATH)
    try:
        with pytest.raises(OSError, match="symbolic link where none"):
            open_in_root(proc, f"{os.getpid()}/cwd/x")
    finally:
        os.close(proc)


def test_plain_means_no_link_at_all(root: int, tmp_path: Path) -> None:
    (tmp_path / "root/l").symlink_to("a")
    for path in ("l", "l/x", "/l"):
        with pytest.raises(OSError, match="symbolic link where none"):
            open_plain(root, path)
    with pytest.raises(OSError, match="leaves its root"):
        open_plain(root, "../outside")
    os.close(open_plain(root, "/a"))


def test_reading(root: int, tmp_path: Path) -> None:
    (tmp_path / "root/a/f").write_bytes(b"data")
    assert read_in_root(root, "/a/f", 4) == b"data"
    assert read_in_root(root, "/a/g", 4) is None
    with pytest.raises(OSError, match="larger than 3"):
        read_in_root(root, "/a/f", 3)
    os.mkfifo(tmp_path / "root/a/fifo")
    with pytest.raises(OSError, match="not a regular file"):
        read_in_root(root, "/a/fifo", 9)


# Taking away


def test_all_that_was_made_is_taken_away(root: int, tmp_path: Path) -> None:
    before = (tmp_path / "root/a").stat().st_mtime_ns
    created = [*made(root, "/a/b/c"), *made(root, "/a/f", directory=False)]
    remove_created(root, tuple(created))
    assert os.listdir(tmp_path / "root/a") == []
    assert (tmp_path / "root/a").stat().st_mtime_ns == before


def test_what_is_in_use_stays(root: int, tmp_path: Path) -> None:
    created = [*made(root, "/a/b/c"), *made(root, "/a/f", directory=False)]
    (tmp_path / "root/a/b/c/kept").write_text("by the step")
    (tmp_path / "root/a/f").write_text("by the step")
    remove_created(root, tuple(created))
    assert (tmp_path / "root/a/b/c/kept").exists()
    assert (tmp_path / "root/a/f").read_text() == "by the step"


def test_a_time_that_something_else_changed_stays(root: int, tmp_path: Path) -> None:
    created = made(root, "/a/b")
    (tmp_path / "root/a/new").touch()
    since = (tmp_path / "root/a").stat().st_mtime_ns
    remove_created(root, tuple(created))
    assert (tmp_path / "root/a").stat().st_mtime_ns >= since


@pytest.mark.parametrize("at", ["a", "a/b", "a/b/c"])
def test_links_in_their_place_lead_nowhere(root: int, tmp_path: Path, at: str) -> None:
    """CVE-2024-23652: RUN --mount=target=/a/b/c rm -r /a && ln -s /outside /a."""
    created = made(root, "/a/b/c")
    outside = tmp_path / "outside"
    (outside / "b/c").mkdir(parents=True)
    (outside / "c").mkdir()
    place = tmp_path / "root" / at
    for directory, _, _ in os.walk(place, topdown=False):
        os.rmdir(directory)
    place.symlink_to(outside)
    remove_created(root, tuple(created))
    assert (outside / "b/c").is_dir()
    assert (outside / "c").is_dir()
    assert place.is_symlink()


def test_other_kinds_in_their_place_stay(root: int, tmp_path: Path) -> None:
    created = [*made(root, "/a/d"), *made(root, "/a/f", directory=False)]
    (tmp_path / "root/a/d").rmdir()
    (tmp_path / "root/a/d").write_text("")
    (tmp_path / "root/a/f").unlink()
    (tmp_path / "root/a/f").mkdir()
    remove_created(root, tuple(created))
    assert sorted(os.listdir(tmp_path / "root/a")) == ["d", "f"]
