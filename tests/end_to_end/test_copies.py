"""COPY and ADD: what arrives, beside BuildKit."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.bases import Lamina, project
from tests.oci.tars import directory, entry, symlink, tar

DOCKER = "/usr/bin/docker"
WHEN = 1_700_000_000


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
