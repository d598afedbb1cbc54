"""`lamina graph`, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lamina.cli.main import main

RECIPE = "ARG BASE=scratch\nFROM $BASE AS one\nCOPY a /\nFROM one AS two\nCOPY b /\n"


@pytest.fixture
def folder(tmp_path: Path) -> str:
    (tmp_path / "Recipe").write_text(RECIPE)
    (tmp_path / "a").write_text("a")
    return str(tmp_path)


def said(capsys: pytest.CaptureFixture[str], folder: str, *words: str) -> str:
    root = f"{folder}/store"
    assert main(["--root", root, "graph", *words, folder]) == 0
    return capsys.readouterr().out


def test_graph_of_a_folder(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, folder, "--build-arg", "BASE=none:1").splitlines() == [
        "one",
        "├─ FROM none:1",
        "└─ COPY a /",
        "",
        "two",
        "└─ COPY b /  ◂ one",
    ]
    assert "two" not in said(capsys, folder, "--target", "one")
    assert said(capsys, folder, "--cached").splitlines()[-1] == (
        "0 cached (=), 1 would run (>), 1 waits for those"
    )


def test_graph_in_every_format(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, folder, "--format", "dot").startswith("digraph build {")
    assert said(capsys, folder, "--format", "mermaid").startswith("flowchart LR")
    assert len(json.loads(said(capsys, folder, "--format", "json"))["stages"]) == 2
    path = f"{folder}/graph.svg"
    assert said(capsys, folder, "--format", "svg", "-o", path) == ""
    assert Path(path).read_text().startswith('<?xml version="1.0"')


def test_a_file_that_cannot_be_written(
    folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = f"{folder}/no/such.svg"
    assert main(["--root", f"{folder}/s", "graph", "-o", path, folder]) != 0
    assert "cannot be written" in capsys.readouterr().err
