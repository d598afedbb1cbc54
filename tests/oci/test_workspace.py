"""oci.workspace: private directories that die with their owner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from lamina.oci.workspace import Workspace, collect, is_dead, remove_tree


def test_a_workspace_is_gone_after_its_block(tmp_path: Path) -> None:
    with Workspace(str(tmp_path)) as workspace:
        inner = workspace.directory("upper", 0o711)
        Path(inner, "file").write_text("x")
        assert os.stat(inner).st_mode & 0o7777 == 0o711
        assert not is_dead(workspace.path)
    assert os.listdir(tmp_path) == []


def test_the_living_keep_theirs_and_the_dead_leave_theirs(tmp_path: Path) -> None:
    program = (
        "import sys, time; from lamina.oci.workspace import Workspace;"
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


def test_removing_what_is_gone_is_no_error(tmp_path: Path) -> None:
    remove_tree(str(tmp_path / "nowhere"))
    remove_tree(str(tmp_path / "no" / "parent"))
