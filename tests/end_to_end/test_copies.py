"""COPY and ADD: what arrives, beside BuildKit; sources, archives and names that are
hostile."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import socket
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.bases import Lamina, project
from tests.oci.tars import directory, entry, hard_link, symlink, tar

DOCKER = "/usr/bin/docker"
WHEN = 1_700_000_000


def refused(lamina: Lamina, folder: Path, recipe: str, *args: str) -> str:
    """What a build says that fails: at the place of the recipe's second line."""
    (folder / "Recipe").write_text(recipe)
    done = lamina.run("build", "--progress", "quiet", *args, folder, code=1)
    assert done.out == ""
    assert f"at {folder.name}/Recipe:2:1" in done.err, done.err
    return done.err


# Beside Docker

COPIES = """
COPY --chown=www:files --chmod=640 f /made/owned
COPY --chown=7 d /made/number
COPY --chown=7: f /made/colon
COPY f g /made/two/
COPY d /made/existing
COPY d/ /made/existing/in
COPY sub/*/x* /made/wild/
COPY l d/link /made/links/
COPY . /made/all/
COPY ["blank name", "/made/"]
COPY nothing* /made/none/
ADD a.tar b.tar.gz c.tar.bz2 d.tar.xz f /made/added/
ADD not.tar.gz /made/not/
COPY --from=files --chown=9:9 /from/dir /made/from
COPY --from=files /from/dir/ /from/file /made/kept/
WORKDIR /made/work/dir
COPY f rel/
COPY f ../up
RUN --mount=type=bind,target=/ctx,source=d cp -a /ctx/x /made/bound
RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t/u/v touch /c/x /t/u/v/x
"""
HEAD = """
FROM scratch AS base
COPY bin/ /bin/
COPY etc/ /etc/
FROM base AS files
RUN mkdir -p /from/dir/in && echo 1 > /from/dir/in/x && ln -s in /from/dir/l \
 && ln /from/dir/in/x /from/dir/hard && chown -R 5:6 /from && chmod 2750 /from/dir/in \
 && echo 2 > /from/file
FROM base
RUN mkdir -p -m 700 /made/existing/in && chown 1:2 /made/existing
"""


# As tar writes them: a hard link with what its file has. (Docker's extraction gives a
# file what its links' headers say; tar's and Lamina's does not.)
LINK: dict[str, Any] = {
    "type": tarfile.LNKTYPE,
    "linkname": "deep/file",
    "mode": 0o4711,
}
LINK |= {"uid": 8, "gid": 9}


def fill(folder: Path) -> None:
    for name in ("f", "g", "d/x", "d/in/y", "sub/1/x1", "sub/2/x2", "blank name"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{name}\n")
    (folder / "g").chmod(0o4755)
    (folder / "d/in").chmod(0o1777)
    (folder / "d/link").symlink_to("x")
    (folder / "l").symlink_to("d/in")
    os.link(folder / "d/x", folder / "d/in/hard")
    (folder / "etc").mkdir()
    (folder / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\nwww:x:33:34::/:\n")
    (folder / "etc/group").write_text("root:x:0:\nfiles:x:99:\n")
    (folder / "bin").mkdir()
    subprocess.run(["cp", "/bin/busybox", folder / "bin/busybox"], check=True)
    for name in ("sh", "mkdir", "ln", "chown", "chmod", "cp", "touch", "cat"):
        (folder / "bin" / name).symlink_to("busybox")
    whole = tar(
        directory("deep", mode=0o710, uid=1, gid=2),
        entry("deep/file", b"content", mode=0o4711, uid=8, gid=9),
        symlink("deep/link", "file"),
        entry("deep/hard", **LINK),
        entry("a b\udcff".encode(errors="surrogateescape").decode("latin-1"), b"odd"),
    )
    (folder / "a.tar").write_bytes(whole)
    for name, packed in (
        ("b.tar.gz", gzip.compress),
        ("c.tar.bz2", bz2.compress),
        ("d.tar.xz", lzma.compress),
    ):
        (folder / name).write_bytes(packed(tar(entry(f"from {name}", b"a", uid=77))))
    (folder / "not.tar.gz").write_bytes(gzip.compress(b"no tar"))
    (folder / ".dockerignore").write_text("Dockerfile\nbin\n!bin\n*.log\n**/*.tmp\n")
    for name in ("x.log", "sub/1/y.tmp", "sub/z.log"):
        (folder / name).write_text("x")
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (WHEN, WHEN), follow_symlinks=False)


def members(archive: Path) -> dict[str, tuple[object, ...]]:
    """What is in /made: kind, mode, owner, content and, of files, whole seconds."""
    found: dict[str, tuple[object, ...]] = {}
    firsts: dict[str, str] = {}
    with tarfile.open(archive, errors="surrogateescape") as opened:
        for member in opened:
            name = member.name.removeprefix("./").rstrip("/")
            if not name.startswith("made/"):
                continue
            content: object = member.linkname
            kind = member.type
            if member.isfile():
                file = opened.extractfile(member)
                assert file is not None
                content, kind = file.read(), b"file"
            elif member.islnk():
                first = opened.getmember(member.linkname)
                file = opened.extractfile(first)
                assert file is not None
                content, kind = file.read(), b"file"
                firsts[name] = first.name
            old = member.mtime == WHEN
            found[name] = (kind, member.mode, member.uid, member.gid, content, old)
    return found


@pytest.mark.root("it asks dockerd")
@pytest.mark.skipif("LAMINA_NO_DOCKER" in os.environ, reason="no dockerd runs here")
def test_the_same_files_as_buildkit_makes(lamina: Lamina, tmp_path: Path) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    fill(folder)
    (folder / "Dockerfile").write_text(HEAD + COPIES)
    theirs, ours = tmp_path / "theirs.tar", tmp_path / "ours.tar"
    command = [DOCKER, "build", "-q", "--no-cache", "-o", f"type=tar,dest={theirs}"]
    env = {**os.environ, "DOCKER_BUILDKIT": "1"}
    subprocess.run([*command, folder], env=env, check=True, capture_output=True)
    lamina.run("build", "-o", f"type=tar,dest={ours}", folder)
    expected, found = members(theirs), members(ours)
    assert sorted(found) == sorted(expected)
    different = {n: (found[n], expected[n]) for n in found if found[n] != expected[n]}
    # Directories: BuildKit says when it made them, Lamina when their content changed.
    different = {n: pair for n, pair in different.items() if pair[0][:5] != pair[1][:5]}
    assert different == {}


# What the build in Docker's package is too old for


def test_parents_exclude_and_symbolic_modes(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM scratch\n"
        "COPY --parents a/b/f x/./y/f /1/\n"
        "COPY --parents a/**/f /2/\n"
        "COPY --parents ./a/*/f /3/\n"
        "COPY --exclude=*.txt --exclude=!keep.txt a /4/\n"
        "COPY --exclude=**/*.txt --exclude=b/f a /5/\n"
        "COPY --chmod=u=rwX,go=rX a /6/\n"
        "COPY --chmod=a-x,u+s a/b/run /7\n"
        "ADD --unpack=false one.tar /8/\n"
        "ADD --exclude=b a /9/\n",
        a__b__f="f",
        a__c__d__f="f",
        a__top_txt="t",
        x__y__f="f",
        a__b__run="r",
    )
    for name in ("a/x.txt", "a/keep.txt", "a/b/n.txt"):
        (folder / name).write_text("t")
    (folder / "a/b/run").chmod(0o755)
    (folder / "a/b").chmod(0o700)
    (folder / "one.tar").write_bytes(tar(entry("x", b"")))
    files = lamina.files(folder)

    def below(name: str) -> list[str]:
        root = files / name
        return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())

    assert below("1") == ["a/b/f", "y/f"]
    assert below("2") == ["a/b/f", "a/c/d/f"]
    assert below("3") == ["a/b/f"]
    assert below("4") == ["b/f", "b/n.txt", "b/run", "c/d/f", "keep.txt", "top_txt"]
    assert below("5") == ["b/run", "c/d/f", "top_txt"]
    assert (files / "1/a/b").stat().st_mode & 0o7777 == 0o700
    modes = {
        n: (files / "6" / n).stat().st_mode & 0o7777 for n in ("b", "b/run", "b/f")
    }
    assert modes == {"b": 0o755, "b/run": 0o755, "b/f": 0o644}
    assert (files / "7").stat().st_mode & 0o7777 == 0o4644
    assert below("8") == ["one.tar"]
    assert below("9") == ["c/d/f", "keep.txt", "top_txt", "x.txt"]


def test_a_linked_copy_does_not_ask_for_its_base(
    lamina: Lamina, tmp_path: Path
) -> None:
    recipe = (
        "FROM busybox AS base\n"
        "RUN mkdir -m 1777 /to && ln -s /to /way && echo {} > /n\n"
        "FROM base\nCOPY --link f /to/\nCOPY --link --chown=1:2 d /way/\n"
        "COPY --link f /bin/tool\nRUN cat /n > /seen; stat -c %u:%g /way/x >> /seen\n"
    )
    folder = project(tmp_path / "app", recipe.format(1), f="f", d__x="x")
    lamina.build(folder)
    (folder / "Recipe").write_text(recipe.format(2))
    again = lamina.run("build", "-o", tmp_path / "out", folder)
    copies = {k: v for k, v in again.steps.items() if k.startswith("COPY")}
    assert len(copies) == 3 and set(copies.values()) == {"CACHED"}
    assert (tmp_path / "out/seen").read_text() == "2\n1:2\n"
    assert (tmp_path / "out/to/f").read_text() == "f"
    # No link of the base is followed: a real directory takes its place.
    assert not (tmp_path / "out/way").is_symlink()
    assert (tmp_path / "out/bin/sh").exists()
    # A name has to be looked up, so there the base counts.
    text = "FROM busybox\n{}COPY --link --chown=guest f /f\nRUN stat -c %u /f > /n\n"
    (folder / "Recipe").write_text(text.format(""))
    files = lamina.files(folder)
    assert (files / "n").read_text() == "1000\n"
    (folder / "Recipe").write_text(text.format("RUN echo > /x\n"))
    assert lamina.run("build", folder).steps["COPY --link --chown=guest f /f"] == "DONE"


# Hostile sources


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


# Hostile archives


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
