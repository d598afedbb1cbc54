"""`lamina version`, for people and for scripts that ask docker."""

from __future__ import annotations

import json
import os

import pytest

from lamina import __version__
from lamina.cli.main import main


def test_what_runs_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(("version",)) == 0
    lines = dict(line.split(":") for line in capsys.readouterr().out.splitlines())
    assert list(lines) == ["Version", "Python", "Kernel", "Platform"]
    assert lines["Version"].strip() == __version__
    assert lines["Kernel"].strip() == os.uname().release


def test_docker_s_fields(capsys: pytest.CaptureFixture[str]) -> None:
    style = "{{.Client.Version}} {{.Server.Version}} {{.Server.Os}}"
    assert main(("version", "--format", style)) == 0
    assert capsys.readouterr().out == f"{__version__} {__version__} linux\n"
    assert main(("version", "-f", "json")) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["Server"]["KernelVersion"] == os.uname().release


@pytest.mark.parametrize("flag", ["-v", "--version"])
def test_the_flag(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main((flag,))
    assert capsys.readouterr().out == f"lamina {__version__}\n"
