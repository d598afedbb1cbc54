"""What `lamina build` says before anything is built."""

from __future__ import annotations

import io
import sys
import tarfile

import pytest

from lamina.cli.main import main


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
def test_a_context_through_stdin_is_told(
    mode: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode=mode) as tar:  # type: ignore[call-overload]
        tar.addfile(tarfile.TarInfo("Dockerfile"))
    archive.seek(0)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(archive))
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    assert main(("--root", f"{tmp_path}/store", "build", "-")) == 1
    assert "A context cannot come through stdin" in said.getvalue()
