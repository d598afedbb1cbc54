"""`lamina fmt`: what it writes, shows and says."""

from __future__ import annotations

import io
import os
import stat
import sys
from pathlib import Path

import pytest

from lamina.cli.main import main

UGLY = "from   debian\nrun  x\n"
NEAT = "FROM debian\nRUN x\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def fmt(*arguments: str) -> int:
    return main(["fmt", *arguments])


def test_a_folder_and_files(capsys: pytest.CaptureFixture[str]) -> None:
    Path("app").mkdir()
    for name in ("app/Dockerfile", "other.Dockerfile", "Recipe"):
        Path(name).write_text(UGLY)
    Path("neat").write_text(NEAT)
    assert fmt("app", "other.Dockerfile", "neat") == 0
    assert capsys.readouterr().out.splitlines() == [
        "app/Dockerfile",
        "other.Dockerfile",
    ]
    assert Path("app/Dockerfile").read_text() == NEAT
    assert Path("Recipe").read_text() == UGLY
    assert fmt() == 0
    assert Path("Recipe").read_text() == NEAT
    capsys.readouterr()
    assert fmt() == 0
    assert capsys.readouterr().out == ""


def test_check_changes_nothing_and_names_files(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("a").write_text(UGLY)
    Path("b").write_text(NEAT)
    assert fmt("--check", "a", "b") == 1
    assert capsys.readouterr().out == "a\n"
    assert Path("a").read_text() == UGLY
    assert fmt("--check", "b") == 0


def test_diff(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a").write_text(UGLY.removesuffix("\n"))
    assert fmt("--diff", "a") == 0
    assert capsys.readouterr().out.splitlines() == [
        "--- a (as it is)",
        "+++ a (formatted)",
        "@@ -1,2 +1,2 @@",
        "-from   debian",
        "-run  x",
        "\\ No newline at end of file",
        "+FROM debian",
        "+RUN x",
    ]
    assert Path("a").read_text() == UGLY.removesuffix("\n")
    assert fmt("--diff", "--check", "a") == 1


def test_stdin_to_stdout(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(UGLY.encode())))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.FileIO(1, "w", False)))
    assert fmt("-") == 0
    sys.stdout.flush()
    assert capfdbinary.readouterr().out == NEAT.encode()


def test_mode_and_links_stay(tmp_path: Path) -> None:
    Path("real").write_text(UGLY)
    Path("real").chmod(0o750)
    Path("link").symlink_to("real")
    assert fmt("link") == 0
    assert Path("link").is_symlink()
    assert Path("real").read_text() == NEAT
    assert stat.S_IMODE(os.stat("real").st_mode) == 0o750
    assert {*os.listdir(tmp_path)} - {"cache"} == {"link", "real"}


def test_one_that_is_wrong_does_not_stop_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("bad").write_text("FROM a\nRUNN x\n")
    Path("good").write_text(UGLY)
    assert fmt("bad", "good") == 1
    said = capsys.readouterr()
    assert said.out == "good\n"
    assert "There is no instruction RUNN" in said.err
    assert "bad:2:1" in said.err
    assert Path("bad").read_text() == "FROM a\nRUNN x\n"


def test_what_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert fmt("nowhere") == 1
    assert "nowhere" in capsys.readouterr().err


def test_compat() -> None:
    Path("a").write_text("from a\ncmd  ['x',  'y']\n")
    assert fmt("a") == 1
    assert fmt("--compat=buildkit", "a") == 0
    assert Path("a").read_text() == "FROM a\nCMD ['x',  'y']\n"
