"""`lamina info`: figures for people, and for scripts that ask docker."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lamina import __version__
from lamina.cli.main import main
from lamina.runtime.isolation import userns


@pytest.fixture(autouse=True)
def inside() -> None:
    userns.enter()


@pytest.mark.parametrize("words", [("info",), ("system", "info")])
def test_an_empty_store(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(("--root", f"{tmp_path}/store", *words)) == 0
    lines = dict(line.split(":", 1) for line in capsys.readouterr().out.splitlines())
    shown = {name: text.strip() for name, text in lines.items()}
    assert (shown["Version"], shown["Images"]) == (__version__, "0")
    assert (shown["Containers"], shown["  Running"]) == ("0", "0")
    assert shown["Store"] == f"{tmp_path}/store"
    assert shown["Memory"].endswith("iB")


def test_docker_s_fields(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = ("--root", f"{tmp_path}/store")
    assert main((*root, "info", "-f", "{{.OSType}} {{.ContainersRunning}}")) == 0
    assert capsys.readouterr().out == "linux 0\n"
    assert main((*root, "info", "--format", "json")) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["KernelVersion"] == os.uname().release
    assert found["NCPU"] >= 1 and found["MemTotal"] > 1 << 20
