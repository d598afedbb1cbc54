"""COPY and ADD of what is hostile or odd: sources, names, and a context that does not
hold still.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.bases import Lamina, project


def refused(lamina: Lamina, folder: Path, recipe: str, *args: str) -> str:
    """What a build says that fails: at the place of the recipe's second line."""
    (folder / "Recipe").write_text(recipe)
    done = lamina.run("build", "--progress", "quiet", *args, folder, code=1)
    assert done.out == ""
    assert f"at {folder.name}/Recipe:2:1" in done.err, done.err
    return done.err


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A context of oddities."""
    folder = project(tmp_path / "odd", "", f="f", d__x="x", w__ok="1")
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(folder / "socket"))
    os.mkfifo(folder / "d/pipe", 0o640)
    os.mknod(folder / "null", 0o20666, os.makedev(1, 3))
    os.mknod(folder / "deleted", 0o20666, os.makedev(0, 0))
    (folder / "w/.wh.x").write_text("1")
    (folder / ".wh.y").mkdir()
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("a")
    (folder / "l").mkdir()
    (folder / "l/loop").symlink_to("loop")
    (folder / "up").symlink_to("../../../../../../etc")
    (folder / "passwd").symlink_to("/etc/passwd")
    (folder / "parent").symlink_to("/etc")
    return folder


REFUSED: dict[str, tuple[str, ...]] = {
    "COPY nope /": ("nope is not in the build context", "hint:"),
    "COPY F /": ("There is f.",),
    "COPY socket /": ("is a socket",),
    "COPY deleted /x": ("character device 0:0",),
    "COPY w /w/": ("/w/.wh.x cannot be in an image", "--exclude"),
    "COPY f /.wh.f": ("/.wh.f cannot be",),
    "COPY f /.wh.d/": ("/.wh.d cannot be",),
    "WORKDIR /x/.wh..wh..opq": ("cannot be in an image",),
    "RUN touch /.wh.z": (".wh.z", "hint:"),
    "COPY a /": ("a is a link to b",),
    "COPY l/loop /": ("l/loop is a link to loop",),
    "COPY passwd /": ("link to /etc/passwd", "inside the source only"),
    "COPY parent/passwd /": ("parent/passwd is not in",),
    "COPY up/passwd /": ("up/passwd is not in",),
    "COPY ../f /": ("outside the build context",),
    "COPY d/../../f /": ("outside the build context",),
    "COPY /../etc/passwd /": ("outside the build context",),
    "COPY --parents ./../f /": ("outside the build context",),
    "COPY f[ /x": ("not well-formed",),
    "COPY f /bin/sh/x": ("is no directory",),
    "COPY f d /bin/sh/": ("is no directory",),
    "COPY d /bin/sh": ("is no directory",),
    "COPY --from=busybox /../../nope /": ("nope is not in",),
    "COPY --exclude=[ d /d": ("not well-formed",),
    f"ADD --checksum=sha256:{'0' * 64} f /": ("--checksum is for one source",),
    f"ADD --checksum=sha256:{'0' * 64} https://h/a f /": ("for one source",),
    "COPY --chown=4294967295 f /": ("is not an id",),
}


@pytest.mark.root("it makes device nodes")
def test_sources_that_cannot_be(lamina: Lamina, odd: Path) -> None:
    for line, words in REFUSED.items():
        said = refused(lamina, odd, f"FROM busybox\n{line}\n")
        assert all(word in said for word in words), said
    lamina.check()


@pytest.mark.root("it makes device nodes")
def test_oddities_that_arrive(lamina: Lamina, odd: Path) -> None:
    names = (b"\xff\xfe", b"two\nlines", b"\x1b[31m", b'q"\\', b"-rf", b" ")
    (odd / "n").mkdir()
    for name in names:
        Path(os.fsdecode(bytes(odd / "n") + b"/" + name)).write_bytes(name)
    with open(odd / "d/large", "wb") as file:
        file.truncate(100 << 20)
        file.seek(50 << 20)
        file.write(b"middle")
    os.setxattr(odd / "d/x", "user.note", b"tag")
    (odd / "Recipe").write_text(
        "FROM busybox\nCOPY n /n/\nCOPY d l /d/\nCOPY null /null\n"
        "RUN test -p /d/pipe && test -c /null && test -L /d/loop && test ! -e /socket\n"
        "RUN test $(stat -c %s /d/large) = 104857600 && test $(du -k /d/large |"
        " cut -f1) -lt 100 && dd if=/d/large bs=1M skip=50 count=1 | grep -c middle\n"
    )
    files = lamina.files(odd)
    found = os.listdir(bytes(files / "n"))
    assert sorted(found) == sorted(names)
    assert all((bytes(files / "n") + b"/" + n) for n in found)


def rewrite(folder: Path, path: Path, text: str) -> None:
    path.write_text(text)


def replace(folder: Path, path: Path, text: str) -> None:
    (folder / "new").write_text(text)
    (folder / "new").rename(path)


def make_again(folder: Path, path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.write_text(text)


def swap(folder: Path, path: Path, text: str) -> None:
    """A directory and a link to another take turns under one name."""
    (folder / "d/s").rename(folder / "s")
    (folder / "d/s").symlink_to("/etc")
    (folder / "d/s").unlink()
    (folder / "s").rename(folder / "d/s")


@pytest.mark.parametrize("disturb", [rewrite, replace, make_again, swap])
def test_a_context_that_does_not_hold_still(
    lamina: Lamina, tmp_path: Path, disturb: Callable[[Path, Path, str], None]
) -> None:
    """The image has one state of each file, or the build says which file changes."""
    folder = project(tmp_path / "app", "FROM scratch\nCOPY d /d/\n")
    (folder / "d/s").mkdir(parents=True)
    for number in range(400):
        (folder / f"d/{number:03}").write_text("old" * 1000)
    over = threading.Event()

    def work() -> None:
        turn = 0
        while not over.is_set():
            turn += 1
            disturb(folder, folder / f"d/{turn * 7 % 400:03}", f"{turn:03}"[:3] * 1000)
            time.sleep(0.0005)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for turn in range(3):
            out = tmp_path / f"out{turn}"
            done = lamina.run("build", "-o", out, folder, code=None)
            if done.code:
                assert done.code == 1 and "app/Recipe:2:1" in done.err, done.err
                assert "chang" in done.err or "not in" in done.err, done.err
            else:
                check_states(out / "d")
    finally:
        over.set()
        worker.join()
    lamina.check()
    lamina.build(folder)


def check_states(folder: Path) -> None:
    assert not (folder / "s/passwd").exists()
    for path in folder.iterdir():
        if path.is_file():
            # A rewrite passes by an empty file; a part of one is no state.
            text = path.read_text()
            assert len(text) in (0, 3000) and text == text[:3] * (len(text) // 3), path
