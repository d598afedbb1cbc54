"""ADD: archives by content, where they arrive, and what is only copied."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.builder.errors import CopyConflict
from lamina.builder.fetching.fetched import FetchedFile
from lamina.builder.fetching.unpacking import Unpacking, is_archive
from lamina.builder.ops.add import add_into
from lamina.builder.ops.files import Arrival, Inline, Onto
from lamina.builder.sources.choice import Choice
from lamina.builder.sources.context import open_context
from lamina.oci.errors import InvalidArchive


def tar(**files: str) -> bytes:
    """A tar; `__` is a slash in names, a value of `-> x` a link."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name.replace("__", "/"))
            member.mtime, member.uid, member.gid = 1000, 0, 0
            if content.startswith("-> "):
                member.type, member.linkname = tarfile.SYMTYPE, content[3:]
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content.encode()))
    return out.getvalue()


def zstd(data: bytes) -> bytes:
    from lamina.oci.streams.compression import compressor

    out = io.BytesIO()
    packing = compressor("zstd", out.write)
    packing.write(data)
    packing.close()
    return out.getvalue()


class Place:
    def __init__(self, top: Path) -> None:
        self.context, self.lower, self.upper = (
            top / name for name in ("context", "lower", "upper")
        )
        for directory in (self.context, self.lower, self.upper):
            directory.mkdir()

    def add(
        self,
        *sources: str,
        to: str,
        unpack: bool | None = None,
        owner: tuple[int, int] | None = None,
    ) -> None:
        """ADD onto nothing."""
        with open_context(str(self.context)) as context:
            items = context.select(Choice(sources)).items
            onto = Onto((), None, str(self.upper))
            add_into(items, onto, Arrival(to, owner), Unpacking(unpack))

    def add_onto_lower(self, *sources: str, to: str) -> None:
        view = os.open(self.lower, os.O_PATH)
        try:
            with open_context(str(self.context)) as context:
                items = context.select(Choice(sources)).items
                onto = Onto((str(self.lower),), view, str(self.upper))
                add_into(items, onto, Arrival(to))
        finally:
            os.close(view)

    def layer(self) -> dict[str, str]:
        return {
            str(path.relative_to(self.upper)): path.read_text(errors="replace")
            for path in sorted(self.upper.rglob("*"))
            if path.is_file()
        }


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, bz2.compress, lzma.compress, zstd]
)
def test_archives_are_known_by_their_content(
    place: Place, pack: Callable[[bytes], bytes]
) -> None:
    (place.context / "any.name").write_bytes(pack(tar(a="1", b__c="2")))
    place.add("any.name", to="/opt")
    assert place.layer() == {"opt/a": "1", "opt/b/c": "2"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        bytes(10240),
        gzip.compress(b"a file", mtime=0),
        b"\x1f\x8b broken",
        b"PK\3\4",
    ],
    # Names that every worker collects alike.
    ids=["empty", "text", "zeros", "gzip", "broken gzip", "zip"],
)
def test_what_is_no_tar_is_copied(place: Place, content: bytes) -> None:
    (place.context / "x.tar").write_bytes(content)
    place.add("x.tar", to="/opt/")
    assert (place.upper / "opt/x.tar").read_bytes() == content


def test_directories_with_archives_in_them_are_copied(place: Place) -> None:
    (place.context / "d").mkdir()
    (place.context / "d/x.tar").write_bytes(tar(a="1"))
    place.add("d", to="/opt/")
    assert list(place.layer()) == ["opt/x.tar"]


def test_unpack_says_otherwise(place: Place, tmp_path: Path) -> None:
    (place.context / "x.tar").write_bytes(tar(a="1"))
    place.add("x.tar", to="/opt/", unpack=False)
    assert list(place.layer()) == ["opt/x.tar"]
    item = FetchedFile("x.tar", str(place.context / "x.tar"), 0)
    for unpack, expected in ((None, "got/x.tar"), (True, "got/a")):
        upper = tmp_path / str(unpack)
        upper.mkdir()
        add_into(
            (item,), Onto((), None, str(upper)), Arrival("/got/"), Unpacking(unpack)
        )
        assert (upper / expected).is_file()


def test_the_order_of_sources_counts(place: Place) -> None:
    (place.context / "x.tar").write_bytes(tar(a="from the archive", b="1"))
    (place.context / "a").write_text("a file")
    place.add("a", "x.tar", to="/opt/")
    assert place.layer() == {"opt/a": "from the archive", "opt/b": "1"}
    place.add("x.tar", "a", to="/new/")
    assert place.layer()["new/a"] == "a file"
    with pytest.raises(CopyConflict, match="Several files"):
        place.add("x.tar", "a", to="/other")


@pytest.mark.root
def test_chown_is_for_archives_too(place: Place) -> None:
    (place.context / "x.tar").write_bytes(tar(a="1"))
    place.add("x.tar", to="/opt", owner=(5, 6))
    for name in ("opt", "opt/a"):
        found = (place.upper / name).stat()
        assert (found.st_uid, found.st_gid) == (5, 6)


@pytest.mark.root
def test_an_archive_follows_the_links_of_the_root(place: Place) -> None:
    (place.lower / "usr/lib").mkdir(parents=True)
    (place.lower / "lib").symlink_to("usr/lib")
    (place.lower / "usr").chmod(0o711)
    (place.context / "rootfs.tar").write_bytes(tar(lib__module="1", etc__x="2"))
    place.add_onto_lower("rootfs.tar", to="/")
    assert place.layer() == {"etc/x": "2", "usr/lib/module": "1"}
    assert (place.upper / "usr").stat().st_mode & 0o7777 == 0o711
    assert sorted(p.name for p in place.upper.parent.iterdir()) == [
        *("context", "lower", "upper")
    ]


@pytest.mark.root
def test_a_file_in_the_way_of_an_archive(place: Place) -> None:
    (place.lower / "file").write_text("")
    (place.context / "x.tar").write_bytes(tar(a="1"))
    with pytest.raises(CopyConflict):
        place.add_onto_lower("x.tar", to="/file")


def test_an_archive_cannot_leave_its_place(place: Place) -> None:
    outside = place.context.parent / "outside"
    outside.mkdir()
    (place.context / "up.tar").write_bytes(tar(**{"..__outside__x": "1"}))
    with pytest.raises(InvalidArchive):
        place.add("up.tar", to="/opt")
    escape = tar(**{"link": f"-> {outside}", "link__x": "1"})
    (place.context / "link.tar").write_bytes(escape)
    with contextlib.suppress(InvalidArchive):
        place.add("link.tar", to="/opt")
    assert list(outside.iterdir()) == []


def test_a_cut_archive_is_an_error(place: Place) -> None:
    (place.context / "x.tar").write_bytes(tar(a="1" * 4000)[:2000])
    with pytest.raises(InvalidArchive):
        place.add("x.tar", to="/opt")


def test_heredocs_are_added_as_files(place: Place) -> None:
    onto = Onto((), None, str(place.upper))
    add_into((Inline("x", tar(a="1")),), onto, Arrival("/opt/"))
    assert list(place.layer()) == ["opt/x"]


def test_is_archive_leaves_the_file_at_its_start(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(tar(a="1"))
    fd = os.open(tmp_path / "x", os.O_RDONLY)
    try:
        assert is_archive(fd)
        assert os.lseek(fd, 0, os.SEEK_CUR) == 0
    finally:
        os.close(fd)
