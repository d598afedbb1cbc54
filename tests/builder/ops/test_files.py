"""What COPY does to a new layer."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.builder.errors import CopyConflict, SourceChanged
from lamina.builder.fetching.fetched import FetchedFile
from lamina.builder.ops.files import Arrival, Copied, Inline, copy_into, make_directory
from lamina.builder.sources.choice import Choice
from lamina.builder.sources.context import open_context
from lamina.errors import LaminaError
from tests.builder.ops.places import OLD, Place, empty, make


@pytest.mark.parametrize(
    ("source", "dest", "expected"),
    [
        ("f", "/dir", {"dir/f": "f"}),
        ("f", "/dir/", {"dir/f": "f"}),
        ("f", "/new/", {"new/f": "f"}),
        ("f", "/new/deep/", {"new/deep/f": "f"}),
        ("f", "/new", {"new": "f"}),
        ("f", "/new/deep", {"new/deep": "f"}),
        ("f", "/file", {"file": "f"}),
        ("f", "/", {"f": "f"}),
        ("f", "/dir/old", {"dir/old": "f"}),
        ("d", "/dir", {"dir/x": "x", "dir/in/y": "y", "dir/link": "-> x"}),
        ("d", "/new", {"new/x": "x", "new/in/y": "y", "new/link": "-> x"}),
        ("d", "/", {"x": "x", "in/y": "y", "link": "-> x"}),
        ("d/x", "/a/../b/./c", {"b/c": "x"}),
        ("f", "/../../f", {"f": "f"}),
    ],
)
def test_where_a_source_arrives(
    place: Place, source: str, dest: str, expected: dict[str, str]
) -> None:
    place.copy(source, to=dest)
    assert place.files() == expected


@pytest.mark.parametrize(
    ("sources", "dest", "message"),
    [
        (("d",), "/file", "cannot be copied to /file"),
        (("f",), "/file/", "cannot be copied to /file"),
        (("f",), "/file/x", "cannot be copied to /file/x"),
        (("f", "g"), "/new", "Several files cannot all become /new"),
        (("f", "g"), "/file", "Several files"),
        (("f",), "/to", None),
        (("f",), "/loop", "a loop of links"),
    ],
)
def test_what_cannot_arrive(
    place: Place, sources: tuple[str, ...], dest: str, message: str | None
) -> None:
    make(place.view, to__f="dir", loop="-> loop")
    with pytest.raises(CopyConflict, match=message or "replace the directory /to/f"):
        place.copy(*sources, to=dest)


def test_a_directory_where_the_view_has_a_file(place: Place) -> None:
    make(place.view, dir__in="a file")
    with pytest.raises(CopyConflict, match="/dir/in"):
        place.copy("d", to="/dir")


def test_a_nested_file_where_the_view_has_a_directory(place: Place) -> None:
    make(place.view, dir__x="dir")
    with pytest.raises(
        CopyConflict, match="A file cannot replace the directory /dir/x"
    ):
        place.copy("d", to="/dir")


def test_several_sources_go_into_one_directory(place: Place) -> None:
    make(place.context, d2__x="other", d2__in__z="z")
    place.copy("f", "d", "d2", "g", to="/dir/")
    assert place.files() == {
        **{"dir/f": "f", "dir/g": "g", "dir/x": "other", "dir/link": "-> x"},
        **{"dir/in/y": "y", "dir/in/z": "z"},
    }


def test_sources_that_contradict_each_other(place: Place) -> None:
    make(place.context, d2__in="a file", d3__x__deep="1", d4__link__deep="1")
    for second, path in (("d2", "/dir/in"), ("d3", "/dir/x"), ("d4", "/dir/link")):
        with pytest.raises(CopyConflict, match=path):
            place.copy("d", second, to="/dir/")
        empty(place.upper)


def test_one_match_of_a_wildcard_may_become_a_file(place: Place) -> None:
    place.copy("f*", to="/foo2")
    assert place.files() == {"foo2": "f"}


def test_nothing_chosen_makes_nothing(place: Place) -> None:
    assert place.copy("no*", to="/new/") == Copied(0, 0)
    assert place.layer() == {}


def test_onto_nothing(place: Place) -> None:
    place.copy_onto_nothing("d", "f", to="/a/b/")
    assert place.files()["a/b/in/y"] == "y"
    assert place.files()["a/b/f"] == "f"


@pytest.mark.parametrize(
    ("link", "dest", "arrived"),
    [
        ("-> /dir", "/link/", "dir/f"),
        ("-> /dir", "/link", "dir/f"),
        ("-> dir", "/link/new", "dir/new"),
        ("-> ../../../dir", "/link/", "dir/f"),
        ("-> /file", "/link", "file"),
        ("-> /nowhere/yet", "/link", "nowhere/yet"),
        ("-> /nowhere", "/link/", "nowhere/f"),
        ("-> etc/../dir", "/link/x", "dir/x"),
    ],
)
def test_links_in_the_destination_are_followed_in_the_view(
    place: Place, link: str, dest: str, arrived: str
) -> None:
    make(place.view, link=link)
    place.copy("f", to=dest)
    assert place.files() == {arrived: "f"}


def test_no_link_leads_out_of_the_layer(place: Place, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    make(place.view, out=f"-> {outside}", dir__in=f"-> {outside}")
    place.copy("f", to="/out/")
    assert list(outside.iterdir()) == []
    assert place.files() == {f"{str(outside)[1:]}/f": "f"}
    with pytest.raises(CopyConflict):
        place.copy("d", to="/dir")
    assert list(outside.iterdir()) == []


def test_a_link_in_the_place_of_a_nested_file_is_replaced(place: Place) -> None:
    make(place.view, dir__f="-> /etc/passwd", dir__x="-> old")
    place.copy("f", "d", to="/dir/")
    assert place.files()["dir/f"] == "f"
    assert place.files()["dir/x"] == "x"


def test_hard_links_are_kept_within_one_source(place: Place) -> None:
    os.link(place.context / "d/x", place.context / "d/in/twin")
    os.link(place.context / "d/x", place.context / "outside")
    place.copy("d", to="/new")
    one, two = place.upper / "new/x", place.upper / "new/in/twin"
    assert one.stat().st_ino == two.stat().st_ino
    assert one.stat().st_nlink == 2


def test_contents_are_copied_whole(place: Place) -> None:
    sizes = (0, 1, 65535, 65536, 65537, 1 << 20, (1 << 20) + 1, 3_000_000)
    for size in sizes:
        (place.context / f"size{size}").write_bytes(os.urandom(size))
    place.copy("size*", to="/new/")
    for size in sizes:
        copied = (place.upper / f"new/size{size}").read_bytes()
        assert copied == (place.context / f"size{size}").read_bytes()


def test_holes_stay_holes(place: Place) -> None:
    with open(place.context / "sparse", "wb") as file:
        file.seek(5 << 20)
        file.write(b"middle")
        file.truncate(64 << 20)
    place.copy("sparse", to="/sparse")
    made = place.upper / "sparse"
    assert made.read_bytes() == (place.context / "sparse").read_bytes()
    assert made.stat().st_blocks * 512 < 1 << 20


def test_names_that_are_no_utf8(place: Place) -> None:
    name = os.fsdecode(b"\xff\xfe\n")
    (place.context / "d" / name).write_text("odd")
    place.copy("d", to="/new")
    assert (place.upper / "new" / name).read_text() == "odd"


def test_a_heredoc(place: Place) -> None:
    view = os.open(place.view, os.O_PATH)
    try:
        items = (Inline("X", b"Y\n"), Inline("Y", b"X\n"))
        copy_into(items, view, str(place.upper), Arrival("/dir/"))
        copy_into(items[:1], view, str(place.upper), Arrival("/one", chmod="755"))
    finally:
        os.close(view)
    assert place.files() == {"dir/X": "Y\n", "dir/Y": "X\n", "one": "Y\n"}
    assert (place.mode("dir/X"), place.mode("one")) == (0o644, 0o755)


def test_a_download(place: Place, tmp_path: Path) -> None:
    (tmp_path / "got").write_text("page")
    item = FetchedFile("index.html", str(tmp_path / "got"), OLD)
    copy_into((item,), None, str(place.upper), Arrival("/www/"))
    made = place.upper / "www/index.html"
    assert (made.read_text(), made.stat().st_mtime_ns) == ("page", OLD)
    assert place.mode("www/index.html") == 0o600


def test_workdir(place: Place) -> None:
    view = os.open(place.view, os.O_PATH)
    (place.view / "dir").chmod(0o700)
    try:
        make_directory(view, str(place.upper), Arrival("/dir/a/b/"))
        make_directory(view, str(place.upper), Arrival("/"))
        with pytest.raises(CopyConflict):
            make_directory(view, str(place.upper), Arrival("/file/x/"))
    finally:
        os.close(view)
    assert place.layer() == {"dir": "dir", "dir/a": "dir", "dir/a/b": "dir"}
    assert (place.mode("dir"), place.mode("dir/a")) == (0o700, 0o755)


def _rewrite(path: Path) -> None:
    path.write_text("more than there was")


def _replace(path: Path) -> None:
    path.with_name("new").write_text("x")
    path.with_name("new").rename(path)


def _same_size(path: Path) -> None:
    status = path.stat()
    path.write_text("z")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/shadow")


@pytest.mark.parametrize("change", [Path.unlink, _rewrite, _replace, _same_size, _link])
def test_a_file_that_changes_after_it_was_chosen_is_an_error(
    place: Place, change: Callable[[Path], object]
) -> None:
    with open_context(str(place.context)) as context:
        items = context.select(Choice(("d",))).items
        change(place.context / "d/x")
        with pytest.raises(SourceChanged, match="changed while it was being read"):
            copy_into(items, None, str(place.upper), Arrival("/new"))


def test_a_directory_that_becomes_a_link_is_not_followed(place: Place) -> None:
    with open_context(str(place.context)) as context:
        items = context.select(Choice(("d",))).items
        (place.context / "d/in").rename(place.context / "moved")
        (place.context / "d/in").symlink_to("/etc")
        with pytest.raises(SourceChanged):
            copy_into(items, None, str(place.upper), Arrival("/new"))


@pytest.mark.root
def test_a_full_disk_is_a_sentence(place: Place) -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    pid = os.fork()
    if pid == 0:  # a mount namespace of its own for a small disk
        try:
            assert libc.unshare(0x20000) == 0
            assert libc.mount(b"none", b"/", None, 0x44000, None) == 0
            target = os.fsencode(place.upper)
            assert libc.mount(b"tmpfs", target, b"tmpfs", 0, b"size=1m") == 0
            (place.context / "big").write_bytes(bytes(2 << 20))
            try:
                place.copy("big", to="/big")
            except LaminaError as error:
                os._exit(0 if error.message.startswith("No space left") else 2)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.root
def test_overlay_shows_what_was_meant(place: Place, tmp_path: Path) -> None:
    from lamina.runtime.isolation.snapshot import mount

    make(place.view, dir__in__old="old", dir__gone="-> /nowhere")
    (place.view / "dir").chmod(0o1777)
    place.copy("d", "f", to="/dir/")
    os.chmod(place.upper, 0o755)
    root = mount((str(place.upper), str(place.view)))
    try:
        shown = sorted(os.listdir(os.open("dir", os.O_RDONLY, dir_fd=root)))
        inner = sorted(os.listdir(os.open("dir/in", os.O_RDONLY, dir_fd=root)))
        mode = stat.S_IMODE(os.stat("dir", dir_fd=root).st_mode)
    finally:
        os.close(root)
    assert shown == ["f", "gone", "in", "link", "old", "x"]
    assert inner == ["old", "y"]
    assert mode == 0o1777
