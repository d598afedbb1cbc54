"""oci.files.workspace: private directories that die with their owner."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.oci.files.removal import remove_tree
from lamina.oci.files.workspace import Workspace, clear, collect, is_dead


@contextlib.contextmanager
def mounted(*args: str | Path) -> Iterator[None]:
    """`mount` with these arguments; gone at the end, if it is not before."""
    subprocess.run(["mount", *args], check=True)
    try:
        yield
    finally:
        if os.path.ismount(args[-1]):
            subprocess.run(["umount", args[-1]], check=True)


def test_a_workspace_is_gone_after_its_block(tmp_path: Path) -> None:
    with Workspace(str(tmp_path)) as workspace:
        inner = workspace.directory("upper", 0o711)
        Path(inner, "file").write_text("x")
        assert os.stat(inner).st_mode & 0o7777 == 0o711
        assert not is_dead(workspace.path)
    assert os.listdir(tmp_path) == []


def test_what_an_interrupt_left_is_cleared(tmp_path: Path) -> None:
    """As when Ctrl-C comes after a workspace was made and before it is in use."""
    Workspace(str(tmp_path)).directory("begun")
    clear()
    assert os.listdir(tmp_path) == []


def test_the_living_keep_theirs_and_the_dead_leave_theirs(tmp_path: Path) -> None:
    program = (
        "import sys, time; from lamina.oci.files.workspace import Workspace;"
        "w = Workspace(sys.argv[1]); print(w.path, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        theirs = process.stdout.readline().strip()
        assert collect(str(tmp_path)) == 0
        process.send_signal(signal.SIGKILL)
    assert os.path.isdir(theirs)
    assert collect(str(tmp_path)) == 1
    assert os.listdir(tmp_path) == []


def test_trees_go_whatever_is_in_them(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("stays")
    tree = tmp_path / "tree"
    deep = tree
    for _ in range(50):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (tree / "link").symlink_to(kept)
    (deep / os.fsdecode(b"\xff\xfe")).write_text("no text")
    os.mkfifo(tree / "fifo")
    remove_tree(str(tree))
    assert not tree.exists()
    assert (kept / "file").read_text() == "stays"


@pytest.mark.root
def test_what_a_dead_owner_left_mounted_is_detached(tmp_path: Path) -> None:
    """Nothing is removed in what was mounted, be it of the same disk or another."""
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("stays")
    bound = tmp_path / "parent" / "dead" / "with a blank"
    other = tmp_path / "parent" / "dead" / "tmpfs"
    for place in (bound, other):
        place.mkdir(parents=True)
    with mounted("--bind", kept, bound), mounted("-t", "tmpfs", "none", other):
        (other / "inner").mkdir()
        assert collect(str(tmp_path / "parent")) == 1
    assert os.listdir(tmp_path / "parent") == []
    assert (kept / "file").read_text() == "stays"


@pytest.mark.root
def test_a_tree_is_removed_on_its_own_disk_only(tmp_path: Path) -> None:
    place = tmp_path / "tree" / "tmpfs"
    place.mkdir(parents=True)
    with mounted("-t", "tmpfs", "none", place):
        (place / "file").write_text("stays")
        with pytest.raises(OSError, match="something is mounted there"):
            remove_tree(str(tmp_path / "tree"))
        assert (place / "file").read_text() == "stays"


def test_removing_what_is_gone_is_no_error(tmp_path: Path) -> None:
    remove_tree(str(tmp_path / "nowhere"))
    remove_tree(str(tmp_path / "no" / "parent"))
