"""Flags of docker's build: no-ops, what is refused, and other commands."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from lamina.cli.building.docker_flags import (
    DockerUsage,
    add_docker_flags,
    check_docker_flags,
)
from lamina.cli.main import main

RECIPE = "# one is the first\nFROM scratch AS one\nMAINTAINER me\nFROM one AS two\n"


@pytest.fixture
def folder(tmp_path: Path) -> str:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "Dockerfile").write_text(RECIPE)
    return f"{tmp_path}/app"


def checked(*words: str) -> None:
    parser = argparse.ArgumentParser()
    add_docker_flags(parser)
    check_docker_flags(parser.parse_args(words))


@pytest.mark.parametrize(
    "line",
    [
        "--rm --force-rm --compress --disable-content-trust",
        "--builder default --isolation default",
        "--provenance=false --sbom=0",
    ],
)
def test_what_is_so_anyway(line: str) -> None:
    checked(*line.split())


@pytest.mark.parametrize(
    "word", ["--provenance=mode=max", "--sbom=true", "--isolation=hyperv"]
)
def test_what_would_be_missed(word: str) -> None:
    with pytest.raises(DockerUsage) as refused:
        checked(word)
    assert refused.value.hint


def test_a_check_in_a_builds_place(
    folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (("--check",), ("--call", "check")):
        assert main(("--root", f"{folder}/store", "build", *words, folder)) == 0
        assert "MaintainerDeprecated" in "".join(capsys.readouterr())
    assert not Path(f"{folder}/store/layers").exists()


def test_an_outline_in_a_builds_place(
    folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root = ("--root", f"{folder}/store")
    words = ("--call=outline", "--target", "one", "-t", "app")
    assert main((*root, "build", *words, folder)) == 0
    assert capsys.readouterr().out.startswith("TARGET:      one\n")
    assert main((*root, "build", "--call=targets,format=json", folder)) == 0
    found = json.loads(capsys.readouterr().out)
    assert [target["name"] for target in found["targets"]] == ["one", "two"]
    assert main((*root, "build", "--call=nothing", folder)) == 1
    assert "--call=nothing" in capsys.readouterr().err
