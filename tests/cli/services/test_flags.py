"""What the commands of compose files take, before there are any files."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.cli.main import main


@pytest.mark.parametrize("command", ["down", "compose ps"])
def test_a_name_that_leads_out_of_the_store_is_none(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    first, *rest = command.split()
    flags = ("-p", "../..")
    words = (first, *flags, *rest) if rest else (first, *flags)
    assert main(("--root", f"{tmp_path}/store", *words)) == 1
    assert "'../..'" in capsys.readouterr().err
