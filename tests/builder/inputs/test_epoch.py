"""builder.epoch: the one time of all new files."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lamina.builder.errors import InvalidOption
from lamina.builder.inputs.epoch import Epoch, find_epoch


def git(folder: Path, *args: str) -> None:
    identity = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    environment = {
        "GIT_COMMITTER_DATE": "1700000000 +0000",
        "GIT_AUTHOR_DATE": "1700000000 +0000",
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
    }
    command = ("git", "-C", str(folder), *identity, *args)
    subprocess.run(command, check=True, capture_output=True, env=environment)


def test_the_option_comes_before_the_variable(tmp_path: Path) -> None:
    assert find_epoch("5", "6", "") == Epoch(5, "--source-date-epoch")
    assert find_epoch(None, "6", "") == Epoch(6, "$SOURCE_DATE_EPOCH")
    assert find_epoch(None, "", str(tmp_path)).seconds is None


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "1.5", "\u0661", "253402300800", "9" * 30]
)
def test_a_wrong_number_is_an_error(text: str) -> None:
    with pytest.raises(InvalidOption, match="no number of seconds"):
        find_epoch(text, None, "")


def test_a_clean_checkout_has_the_time_of_its_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    inner = tmp_path / "project"
    inner.mkdir()
    (inner / "file").write_text("a")
    assert find_epoch(None, None, str(inner)).seconds is None
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    found = find_epoch(None, None, str(inner))
    assert found.seconds == 1700000000
    assert str(found).startswith("epoch: 2023-11-14, commit ")
    (tmp_path / "elsewhere").write_text("not in the context")
    assert find_epoch(None, None, str(inner)).seconds == 1700000000
    (inner / "file").write_text("b")
    assert "uncommitted changes" in str(find_epoch(None, None, str(inner)))
