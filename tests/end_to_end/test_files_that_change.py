"""Files that change, are replaced or are odd while a build is going on.

What a step makes is known by what it has read: it must be what the key was made of.
"""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.bases import PATIENCE, Lamina, project


def wait_for(process: subprocess.Popen[bytes], *texts: bytes) -> None:
    """Read what a build says until it has said all of it."""
    assert process.stderr is not None
    said = b""
    while not all(text in said for text in texts):
        line = process.stderr.readline()
        assert line, said
        said += line


def test_a_file_that_changes_before_its_copy(lamina: Lamina, tmp_path: Path) -> None:
    """The COPY has its key, and waits for the only worker."""
    folder = project(
        tmp_path / "app",
        "FROM busybox AS slow\n"
        "RUN echo 'has ''begun'; while ! test -e /c/go; do :; done\n"
        "FROM busybox AS files\nCOPY f /f\n"
        "FROM busybox\nCOPY --from=slow /etc/passwd /p\nCOPY --from=files /f /f\n",
        f="old\n",
    )
    text = (folder / "Recipe").read_text()
    mount = "RUN --mount=type=cache,target=/c,id=gate "
    (folder / "Recipe").write_text(text.replace("RUN ", mount))
    opening = project(tmp_path / "opening", f"FROM busybox\n{mount}touch /c/go\n")
    flags = ("--progress=plain", "--explain", "--jobs=1", "-t", "app")
    build = lamina.start("build", *flags, folder)
    wait_for(build, b"has begun", b"#5 MISSED")
    (folder / "f").write_text("new\n")
    lamina.build(opening)
    _, rest = build.communicate(timeout=PATIENCE)
    assert build.returncode == 0, rest
    assert b"The build context changed while it was being built" in rest
    words = ("run", "--rm", "--network", "none", "app", "cat", "/f")
    assert lamina.run(*words).out == "new\n"
    # What was here before has not been copied yet.
    (folder / "f").write_text("old\n")
    lamina.build(folder, "-t", "app")
    assert lamina.run(*words).out == "old\n"


def test_a_file_that_changes_while_a_step_has_it(
    lamina: Lamina, tmp_path: Path
) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\nRUN --mount=type=bind,target=/b --mount=type=cache,target=/c "
        "echo 'has ''begun'; while ! test -e /c/go; do :; done; cp /b/f /b/d/g /\n",
        f="old\n",
        d__g="old\n",
    )
    opening = project(
        tmp_path / "opening",
        "FROM busybox\nRUN --mount=type=cache,target=/c touch /c/go\n",
    )
    build = lamina.start("build", "--progress=plain", "-t", "app", folder)
    wait_for(build, b"has begun")
    (folder / "f").write_text("new\n")
    (folder / "d/g").unlink()
    lamina.build(opening)
    _, rest = build.communicate(timeout=PATIENCE)
    assert build.returncode == 0, rest
    done = lamina.run("run", "--rm", "--network", "none", "app", "cat", "/f", "/g")
    assert done.out == "old\nold\n"


@pytest.mark.root("it gives files away")
def test_a_step_does_not_see_whose_files_they_are(
    lamina: Lamina, tmp_path: Path
) -> None:
    """Nor that nobody else may open the folder, nor a socket that somebody serves."""
    folder = project(
        tmp_path / "app",
        "FROM busybox\nUSER 1000\n"
        "RUN --mount=type=bind,target=/b "
        "stat -c '%n %a %u:%g' /b /b/* /b/d/* > /tmp/x\n"
        "RUN --mount=type=bind,source=f,target=/f,rw "
        "stat -c '%n %a %u:%g' /f > /tmp/y\n",
        f="f",
        d__g="g",
    )
    for path in (folder, folder / "f", folder / "d", folder / "d/g"):
        os.chown(path, 1234, 5678)
    folder.chmod(0o700)
    with socket.socket(socket.AF_UNIX) as served:
        served.bind(os.path.relpath(folder / "socket"))
        files = lamina.files(folder)
    assert (files / "tmp/x").read_text().splitlines() == [
        "/b 755 0:0",
        "/b/Recipe 644 0:0",
        "/b/d 755 0:0",
        "/b/f 644 0:0",
        "/b/d/g 644 0:0",
    ]
    assert (files / "tmp/y").read_text() == "/f 644 0:0\n"


def test_the_source_of_a_mount_is_no_pattern(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\n"
        "RUN --mount=type=bind,source=[x]*,target=/one cat /one > /out\n"
        "RUN --mount=type=bind,source=d?,target=/two cat /two/a\\\\b >> /out\n",
    )
    (folder / "[x]*").write_text("one\n")
    (folder / "x1").write_text("another\n")
    (folder / "d?").mkdir()
    (folder / "d?/a\\b").write_text("two\n")
    assert (lamina.files(folder) / "out").read_text() == "one\ntwo\n"
    (folder / "[x]*").write_text("changed\n")
    assert (lamina.files(folder) / "out").read_text() == "changed\ntwo\n"


def test_scratch_is_an_origin_too(lamina: Lamina, tmp_path: Path) -> None:
    """An empty folder to work in, as BuildKit has it."""
    folder = project(
        tmp_path / "app",
        "FROM busybox\n"
        "RUN --mount=type=bind,from=scratch,target=/t,rw touch /t/x && ls -A /t > /l\n"
        "COPY --from=scratch / /empty/\nRUN ls -A /empty >> /l\n",
    )
    files = lamina.files(folder)
    assert (files / "l").read_text() == "x\n"
    assert os.listdir(files / "empty") == []
    (folder / "Recipe").write_text("FROM busybox\nCOPY --from=scratch /x /\n")
    assert "that stage is empty" in lamina.run("build", folder, code=1).err
