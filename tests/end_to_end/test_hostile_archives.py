"""ADD of archives that are hostile or odd."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

from tests.end_to_end.bases import Lamina, project
from tests.end_to_end.test_hostile_copies import refused
from tests.oci.tars import directory, entry, hard_link, symlink, tar


def header_of(name: str, size: int) -> bytes:
    """A file's header that promises `size` bytes, and no such bytes."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def sparse(size: int) -> bytes:
    """A file of `size` bytes of which one is there (pax, sparse format 1.0)."""
    body = f"1\n{size - 512}\n512\n".encode().ljust(512, b"\0") + b"x" * 512
    info = tarfile.TarInfo("GNUSparseFile.0/large")
    info.size = len(body)
    info.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "large",
        "GNU.sparse.realsize": str(size),
    }
    return info.tobuf(tarfile.PAX_FORMAT) + body + bytes(1024)


ARCHIVES: dict[str, tuple[bytes, str]] = {
    "traversal": (tar(entry("../../evil", b"x")), "has `..` in it"),
    "deep traversal": (tar(entry("a/../../evil", b"x")), "has `..` in it"),
    "hard link out": (tar(hard_link("x", "../../etc/passwd")), "`..`"),
    "hard link to nothing": (tar(hard_link("x", "nowhere")), "nowhere"),
    "whiteout": (tar(entry("d/.wh.bin", b"")), "whiteout"),
    "opaque": (tar(entry(".wh..wh..opq", b"")), "whiteout"),
    "cut": (tar(entry("x", b"y" * 5000))[:3000], "cut"),
    "lying size": (header_of("x", 1 << 20) + bytes(2048), "cut"),
    "huge size": (header_of("x", 1 << 33) + bytes(2048), "over"),
    "sparse": (sparse(1 << 42), "over"),
}


def test_archives_that_are_refused(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", "", a__tar=b"")
    for name, (data, words) in ARCHIVES.items():
        (folder / "a.tar").write_bytes(data)
        said = refused(lamina, folder, "FROM busybox\nADD a.tar /to/\n")
        assert words in said, f"{name}: {said}"
    assert not list(tmp_path.rglob("evil"))
    lamina.check()


def test_archives_that_are_odd(lamina: Lamina, tmp_path: Path) -> None:
    """Absolute names are below the destination, the last of two equal ones counts."""
    folder = project(tmp_path / "app", "FROM busybox\nADD a.tar /to/\n")
    device = tarfile.TarInfo("null")
    device.type, device.devmajor, device.devminor = tarfile.CHRTYPE, 1, 3
    (folder / "a.tar").write_bytes(
        tar(
            entry("/abs", b"1"),
            entry("twice", b"1"),
            entry("twice", b"2"),
            symlink("way", "/etc"),
            entry("way/inside", b"3"),
            symlink("dir", "nowhere"),
            directory("dir"),
            device.tobuf(),
        )
    )
    files = lamina.files(folder)
    assert (files / "to/abs").read_text() == "1"
    assert (files / "to/twice").read_text() == "2"
    assert (files / "etc/inside").read_text() == "3"
    assert (files / "to/dir").is_dir()


def test_a_limit_of_what_archives_become(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", "")
    large = sparse((1 << 30) + (1 << 20))
    (folder / "bomb.tar").write_bytes(large)
    recipe = "FROM scratch\nADD bomb.tar /\n"
    assert "--unpack-limit" in refused(lamina, folder, recipe)
    lamina.build(folder, "--unpack-limit", "2g")
    (folder / "bomb.tar").write_bytes(gzip.compress(large))
    for flags in ((), ("--unpack-limit", "1g")):
        assert "--unpack-limit" in refused(lamina, folder, recipe, *flags)
    (folder / "bomb.tar").write_bytes(gzip.compress(sparse(2 << 20)))
    assert "--unpack-limit" in refused(lamina, folder, recipe, "--unpack-limit", "1m")
