"""`lamina build` before anything is built: what stdin brings, told from a recipe."""

from __future__ import annotations

import io
import sys
import tarfile

import pytest

from lamina.cli.main import main


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
def test_an_archive_without_a_recipe_is_told(
    mode: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode=mode) as tar:  # type: ignore[call-overload]
        tar.addfile(tarfile.TarInfo("app.py"))
    stdin = io.BufferedReader(io.BytesIO(archive.getvalue()))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stdin))
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    assert main(("--root", f"{tmp_path}/store", "build", "-")) == 1
    assert "There is no recipe in the archive on stdin" in said.getvalue()
