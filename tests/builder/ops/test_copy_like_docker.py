"""COPY beside BuildKit: the same files, owners, modes and times, case by case.

All cases are stages of one build; its result is compared with what Lamina makes of
the same context. Where Lamina differs on purpose, it has a test of its own.
"""

from __future__ import annotations

import os
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.builder.ops.files import Arrival, copy_into
from lamina.builder.sources.choice import Choice
from lamina.builder.sources.context import open_context
from lamina.errors import LaminaError
from lamina.runtime.isolation.snapshot import mount

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif("LAMINA_NO_DOCKER" in os.environ, reason="no dockerd runs here"),
]

# Whole seconds, since BuildKit's tar rounds them.
WHEN = 1_700_000_000

# Flags, sources and destination, onto a root with: file, dir (mode 1777), dir/in (mode
# 700), and links to all of them.
CASES = """
f /dir|f /dir/|f /new|f /new/|f /a/b/c|f /a/b/c/|f /file|/f /q|suid /dir/
d /dir|d /dir/|d /new|d /new/|d/ /n/m|d/. /n/m|d /|base/etc/.. /q|base/usr /usr/
f g /new/|f d /dir/|empty /new|empty /dir|empty /x/y/
f /ldir|f /ldir/|f /labs/z|f /lfile|f /ldang|f /lup/|f /lib/|d /ldir|d /ldir/
sl /new/|sd /new/|sd/x /new/|sub/* /subdest/|f* /new/|*.txt f /new/|fil?.txt /new/
fi[l]1.txt /foo|[de]/fil.txt /new/|nomatch* /q/|nomatch* f /q/
--chown=1000:1001 d /new|--chown=1000:1001 d /dir|--chown=5:6 f /p/q/r
--chown=5:6 f /p/q/|--chown=5:6 f /dir/f|--chmod=700 d /dir|--chmod=4711 suid /p
"""
REFUSED = """
d /file|f /file/|f /file/x|nope /|d f /dir/in/old/|base/usr /
"""

# What a path is: type, mode, uid, gid, content or target, and the mtime of a file.
Tree = dict[str, tuple[str, int, int, int, bytes | str, int]]


def cases(text: str) -> list[str]:
    return [case for line in text.split("\n") for case in line.split("|") if case]


def fill(context: Path) -> None:
    """The context, with the root that everything is copied onto in `base/`."""
    files = {
        **{"base/dir/old": 0o644, "base/dir/in/old": 0o644, "base/file": 0o644},
        **{"base/etc/passwd": 0o644, "base/m/x": 0o600, "base/usr/lib/a": 0o644},
        **{"f": 0o644, "g": 0o755, "suid": 0o4755, "d/x": 0o640, "d/in/y": 0o644},
        **{"d/lx": 0o644, "sub/dir1/dir2/foo": 0o644, "e/fil.txt": 0o644},
        **{"fil1.txt": 0o644, "fil2.txt": 0o644, "fil3.md": 0o644},
    }
    links = {
        **{"base/ldir": "dir", "base/labs": "/dir", "base/lfile": "/file"},
        **{"base/ldang": "/nowhere/deep", "base/lup": "../../../dir"},
        **{"base/dir/lx": "/file", "base/lib": "usr/lib", "d/link": "x"},
        **{"d/abs": "/etc", "sl": "f", "sd": "d"},
    }
    directories = {
        **{"base/dir": 0o1777, "base/dir/in": 0o700, "d/in": 0o750, "d": 0o711},
        "empty": 0o755,
    }
    for name, mode in files.items():
        path = context / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        path.chmod(mode)
    for name, target in links.items():
        (context / name).symlink_to(target)
    os.link(context / "d/x", context / "d/in/hard")
    for name, mode in directories.items():
        (context / name).mkdir(exist_ok=True)
        (context / name).chmod(mode)
    for path in context.rglob("*"):
        os.utime(path, (WHEN, WHEN), follow_symlinks=False)


def docker_build(context: Path, recipe: str, out: Path) -> int:
    command = ["/usr/bin/docker", "build", "--no-cache", "-q", "-f", "-"]
    command += ["-o", f"type=tar,dest={out}", str(context)]
    env = {**os.environ, "DOCKER_BUILDKIT": "1"}
    done = subprocess.run(
        command, input=recipe.encode(), env=env, capture_output=True, check=False
    )
    return done.returncode


def of_docker(archive: Path) -> dict[str, Tree]:
    """The tree of each case: its directory in the result."""
    trees: dict[str, Tree] = {}
    kinds = {tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "link"}
    with tarfile.open(archive) as members:
        for member in members:
            case, _, path = member.name.rstrip("/").partition("/")
            kind = kinds.get(member.type, "file")
            mode, content = member.mode, member.linkname
            if kind == "link":
                mode = 0
            tree = trees.setdefault(case, {})
            if kind == "file":
                file = members.extractfile(member)
                assert file is not None
                found: bytes | str = file.read()
            else:
                found = content if kind == "link" else ""
            when = WHEN if kind != "file" else int(member.mtime)
            if path:
                tree[path] = (kind, mode, member.uid, member.gid, found, when)
    return trees


def of_root(root: int) -> Tree:
    """The tree below an open directory."""
    return dict(_entries(root, ""))


def _entries(
    directory: int, prefix: str
) -> Iterator[tuple[str, tuple[str, int, int, int, bytes | str, int]]]:
    fd = os.open(".", os.O_RDONLY, dir_fd=directory)
    try:
        for name in os.listdir(fd):
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            mode = stat.S_IMODE(status.st_mode)
            who = (status.st_uid, status.st_gid)
            path = prefix + name
            if stat.S_ISDIR(status.st_mode):
                yield path, ("directory", mode, *who, "", WHEN)
                inner = os.open(name, os.O_RDONLY, dir_fd=fd)
                yield from _entries(inner, path + "/")
                os.close(inner)
            elif stat.S_ISLNK(status.st_mode):
                yield path, ("link", 0, *who, os.readlink(name, dir_fd=fd), WHEN)
            else:
                with open(os.open(name, os.O_RDONLY, dir_fd=fd), "rb") as file:
                    content = file.read()
                yield path, ("file", mode, *who, content, int(status.st_mtime))
    finally:
        os.close(fd)


def copy(context: Path, case: str, view: int | None, upper: Path) -> None:
    """One COPY by Lamina."""
    *words, dest = case.split(" ")
    flags = dict(word[2:].split("=") for word in words if word.startswith("--"))
    sources = tuple(word for word in words if not word.startswith("--"))
    uid, _, gid = flags.get("chown", "").partition(":")
    owner = (int(uid), int(gid)) if uid else None
    upper.mkdir()
    with open_context(str(context)) as opened:
        items = opened.select(Choice(sources)).items
        arrival = Arrival(dest, owner, flags.get("chmod", ""))
        copy_into(items, view, str(upper), arrival)


def shown(context: Path, case: str, base: Path, upper: Path) -> Tree:
    """The root after one COPY by Lamina onto `base`."""
    view = mount((str(base),))
    try:
        copy(context, case, view, upper)
    finally:
        os.close(view)
    root = mount((str(upper), str(base)))
    try:
        return of_root(root)
    finally:
        os.close(root)


@pytest.fixture
def context(tmp_path: Path) -> Path:
    context = tmp_path / "context"
    context.mkdir()
    fill(context)
    return context


def test_the_same_tree_as_buildkit_makes(context: Path, tmp_path: Path) -> None:
    all_cases = cases(CASES)
    stages = "".join(
        f"FROM base AS c{index}\nCOPY {case}\n" for index, case in enumerate(all_cases)
    )
    gathered = "".join(
        f"COPY --from=c{index} / /c{index}/\n" for index in range(len(all_cases))
    )
    recipe = f"FROM scratch AS base\nCOPY base/ /\n{stages}FROM scratch\n{gathered}"
    out = tmp_path / "out.tar"
    assert docker_build(context, recipe, out) == 0
    expected = of_docker(out)
    base = tmp_path / "base"
    copy(context, "base/ /", None, base)
    for index, case in enumerate(all_cases):
        made = shown(context, case, base, tmp_path / f"upper{index}")
        assert made == expected[f"c{index}"], f"COPY {case}"


@pytest.mark.parametrize("case", cases(REFUSED))
def test_what_buildkit_refuses_is_refused(
    context: Path, tmp_path: Path, case: str
) -> None:
    recipe = f"FROM scratch AS base\nCOPY base/ /\nFROM base\nCOPY {case}\n"
    assert docker_build(context, recipe, tmp_path / "out.tar") != 0
    base = tmp_path / "base"
    copy(context, "base/ /", None, base)
    with pytest.raises(LaminaError):
        shown(context, case, base, tmp_path / "upper")
