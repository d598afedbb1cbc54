"""The build context: what counts in its digest, and when files are read again."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lamina.builder.errors import CopyFailed, InvalidPattern, MissingSource
from lamina.builder.sources import stat_cache
from lamina.builder.sources.choice import Choice
from lamina.builder.sources.context import open_context, open_root
from lamina.builder.sources.ignore import NOTHING_IGNORED
from lamina.builder.sources.reading import Reader
from lamina.builder.sources.record import record_of
from lamina.builder.sources.tree import Tree

LONG_AGO = 1_600_000_000_000_000_000


class Memory:
    """Memos in a dictionary."""

    def __init__(self) -> None:
        self.memos: dict[tuple[str, str], bytes] = {}

    def recall(self, kind: str, key: str) -> bytes | None:
        return self.memos.get((kind, key))

    def remember(self, kind: str, key: str, data: bytes) -> None:
        self.memos[kind, key] = data


def make(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def digest(root: Path, ignore: str = "", memos: Memory | None = None) -> str:
    with open_context(str(root), ignore.encode(), memos) as context:
        return context.select(Choice((".",))).digest


def reads(root: Path, memos: Memory, ignore: str = "") -> int:
    """How many files a digest of everything has to read."""
    with open_context(str(root), ignore.encode(), memos) as context:
        context.select(Choice((".",)))
        return context.tree.reader.count


def settle() -> None:
    """Let the stamps of what was just written become old enough to be believed."""
    import time

    time.sleep(2 * stat_cache.RACY / 1e9)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make(
        tmp_path / "context",
        {"a.txt": "a", "src/b.txt": "b", "src/deep/c.txt": "c", "zero": ""},
    )


def test_content_names_types_and_modes_count(tree: Path) -> None:
    seen = {digest(tree)}

    def is_new() -> bool:
        known = len(seen)
        seen.add(digest(tree))
        return len(seen) > known

    (tree / "a.txt").write_text("A")
    assert is_new()
    (tree / "a.txt").chmod(0o755)
    assert is_new()
    (tree / "a.txt").rename(tree / "b.txt")
    assert is_new()
    (tree / "empty").mkdir()
    assert is_new()
    (tree / "empty").chmod(0o700)
    assert is_new()
    (tree / "link").symlink_to("b.txt")
    assert is_new()
    (tree / "link").unlink()
    (tree / "link").symlink_to("a.txt")
    assert is_new()
    os.mkfifo(tree / "pipe")
    assert is_new()
    (tree / "src/b.txt").rename(tree / "src/deep/b.txt")
    assert is_new()


def test_times_order_and_owners_do_not_count(tree: Path, tmp_path: Path) -> None:
    expected = digest(tree)
    os.utime(tree / "a.txt", ns=(1, 1))
    os.utime(tree / "src", ns=(1, 1))
    assert digest(tree) == expected
    if os.geteuid() == 0:
        os.chown(tree / "a.txt", 1234, 4321)
        os.chown(tree / "src", 1234, 4321)
        assert digest(tree) == expected
    other = tmp_path / "other"
    for name in ("zero", "src/deep/c.txt", "src/b.txt", "a.txt"):
        make(other, {name: (tree / name).read_text()})
    assert digest(other) == expected


def test_hard_links_count_since_a_copy_keeps_them(tree: Path, tmp_path: Path) -> None:
    (tree / "twin").write_text("a")
    apart = digest(tree)
    (tree / "twin").unlink()
    os.link(tree / "a.txt", tree / "twin")
    assert digest(tree) != apart
    (tree / "twin").unlink()
    alone = digest(tree)
    os.link(tree / "a.txt", tmp_path / "outside")
    assert digest(tree) == alone


@pytest.mark.root
def test_owners_count_in_a_stage(tree: Path) -> None:
    def of_stage() -> str:
        fd = os.open(tree, os.O_PATH)
        try:
            with open_root(fd, "the stage") as root:
                return root.select(Choice(("/",))).digest
        finally:
            os.close(fd)

    before = of_stage()
    os.chown(tree / "a.txt", 1234, 0)
    assert of_stage() != before


def test_ignored_files_do_not_count_and_are_not_read(tree: Path) -> None:
    expected = digest(tree)
    make(tree, {"node_modules/x/y": "1", "src/debug.log": "2", ".git/HEAD": "3"})
    os.mkfifo(tree / "src/more.log")
    ignore = "node_modules\n**/*.log\n.git\n"
    assert digest(tree, ignore) == expected
    (tree / "node_modules").chmod(0)
    assert digest(tree, ignore) == expected
    (tree / "node_modules").chmod(0o755)


def test_exceptions_bring_files_back_with_their_directories(tmp_path: Path) -> None:
    full = make(tmp_path / "full", {"a/b/keep": "1", "a/b/drop": "2", "c/d": "3"})
    lean = make(tmp_path / "lean", {"a/b/keep": "1"})
    assert digest(full, "*\n!a/b/keep") == digest(lean)
    assert digest(full, "**\n!a/*/keep") == digest(lean)


def test_an_unchanged_tree_is_not_read_again(tree: Path) -> None:
    memos = Memory()
    settle()
    first = digest(tree, memos=memos)
    assert reads(tree, memos) == 0
    (tree / "src/b.txt").write_text("B")
    settle()
    assert reads(tree, memos) == 1
    assert reads(tree, memos) == 0
    assert digest(tree, memos=memos) != first
    (tree / "a.txt").rename(tree / "moved.txt")
    assert reads(tree, memos) == 1
    assert digest(tree, memos=memos) == digest(tree)


def test_other_ignore_patterns_still_know_the_files(tree: Path) -> None:
    memos = Memory()
    settle()
    digest(tree, memos=memos)
    assert reads(tree, memos, "a.txt") == 0
    assert digest(tree, "a.txt", memos) == digest(tree, "a.txt")


def test_a_change_of_same_size_and_time_is_seen(tree: Path) -> None:
    # BuildKit compares size and mtime and says CACHED here (buildkit#4817).
    memos = Memory()
    path = tree / "a.txt"
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    settle()
    before = digest(tree, memos=memos)
    path.write_text("b")
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    assert path.stat().st_mtime_ns == LONG_AGO
    after = digest(tree, memos=memos)
    assert after != before
    # The same by a file that takes the name of another.
    settle()
    assert digest(tree, memos=memos) == after
    (tree / "new").write_text("c")
    os.utime(tree / "new", ns=(LONG_AGO, LONG_AGO))
    settle()
    (tree / "new").replace(path)
    assert digest(tree, memos=memos) not in (before, after)


def test_a_file_written_just_now_is_read_again(tree: Path) -> None:
    memos = Memory()
    settle()
    digest(tree, memos=memos)
    for content in "xyxyxyxyxy":
        (tree / "a.txt").write_text(content)
        assert digest(tree, memos=memos) == digest(tree)


def test_single_files_are_remembered_too(tree: Path) -> None:
    memos = Memory()
    settle()
    for expected in (1, 0):
        with open_context(str(tree), b"", memos) as context:
            context.select(Choice(("src/b.txt",)))
            assert context.tree.reader.count == expected


def test_directories_that_went_are_forgotten(tree: Path) -> None:
    memos = Memory()
    settle()
    digest(tree, memos=memos)
    (data,) = memos.memos.values()
    subprocess.run(["rm", "-r", str(tree / "src/deep")], check=True)
    (tree / "a.txt").write_text("more")
    settle()
    digest(tree, memos=memos)
    (less,) = memos.memos.values()
    assert b"deep" in data
    assert b"deep" not in less


def test_a_damaged_memo_is_as_good_as_none(tree: Path) -> None:
    memos = Memory()
    settle()
    expected = digest(tree, memos=memos)
    for key, data in list(memos.memos.items()):
        for damaged in (b"", b"x", data[:-1], data[:40] + b"?" + data[41:]):
            memos.memos[key] = damaged
            assert digest(tree, memos=memos) == expected


def test_a_path_longer_than_the_kernel_takes_is_walked(tmp_path: Path) -> None:
    root = tmp_path / "context"
    root.mkdir()
    fd = os.open(root, os.O_RDONLY)
    for _ in range(60):
        os.mkdir("d" * 100, dir_fd=fd)
        inner = os.open("d" * 100, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)
    with open_context(str(root)) as context:
        walked = context.tree.walk("", NOTHING_IGNORED)
    assert walked[-1].names == ["file"]
    assert len(walked[-1].path) > 4096
    subprocess.run(["rm", "-r", str(root)], check=True)


def test_names_that_are_no_utf8_are_digested(tmp_path: Path) -> None:
    root = tmp_path / "context"
    root.mkdir()
    memos = Memory()
    for name in (b"\xff", b"\xfe\n", "\u20ac".encode()):
        (Path(os.fsdecode(bytes(root) + b"/" + name))).write_text("x")
    settle()
    assert digest(root, memos=memos) == digest(root, memos=memos)
    assert reads(root, memos) == 0


def test_sockets_are_left_out(tree: Path) -> None:
    import socket

    def chosen(source: str) -> str:
        with open_context(str(tree)) as context:
            return context.select(Choice((source,))).digest

    expected = chosen("."), chosen("*")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tree / "s"))
        assert (chosen("."), chosen("*")) == expected


def test_a_digest_belongs_to_the_stamps_that_were_there_when_it_was_read(
    tree: Path,
) -> None:
    reader = Reader("the build context", owners=False)
    other = record_of((tree / "zero").stat())
    fd = os.open(tree, os.O_RDONLY)
    try:
        read = reader.read(fd, "a.txt", other, "a.txt")
        assert read is not None
        assert read[0] == record_of((tree / "a.txt").stat())
        assert reader.read(fd, "gone", other, "gone") is None
    finally:
        os.close(fd)


def test_a_context_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(MissingSource, match="cannot be opened"):
        open_context(str(tmp_path / "nowhere"))
    with pytest.raises(InvalidPattern):
        open_context(str(tmp_path), b"[")


def test_a_directory_swapped_for_a_link_is_not_followed(tree: Path) -> None:
    outside = make(tree.parent / "outside", {"c.txt": "secret"})
    subprocess.run(["rm", "-r", str(tree / "src/deep")], check=True)
    (tree / "src/deep").symlink_to(outside)
    fd = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
    swapped = Tree(fd, "the context", owners=False)
    try:
        with pytest.raises(NotADirectoryError):
            swapped.walk("src/deep", NOTHING_IGNORED)
    finally:
        swapped.close()


@pytest.mark.root
def test_what_cannot_be_read_is_named(tree: Path) -> None:
    (tree / "src/deep").chmod(0)
    (tree / "a.txt").chmod(0)
    fd = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
    unreadable = Tree(fd, "the context", owners=False)
    pid = os.fork()
    if pid == 0:
        os.setgid(65534)
        os.setuid(65534)
        try:
            unreadable.walk("", NOTHING_IGNORED)
        except CopyFailed as error:
            os._exit(0 if "cannot be read" in error.message and error.hint else 2)
        finally:
            os._exit(1)
    unreadable.close()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
