"""`lamina login`, `logout`: what names a registry, and what is not asked for twice."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from lamina.cli.main import main
from lamina.cli.registries.login import LoginUsage, _server


@pytest.mark.parametrize(
    ("given", "registry"),
    [
        ("docker.io", "docker.io"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("registry-1.docker.io", "docker.io"),
        ("registry.example", "registry.example"),
        ("https://registry.example/v2/", "registry.example"),
        ("registry.example/team/app", "registry.example"),
        ("localhost:5000", "localhost:5000"),
        ("localhost", "localhost"),
    ],
)
def test_a_registry_by_any_of_its_names(given: str, registry: str) -> None:
    assert _server(given) == registry


def test_a_name_that_is_none_of_a_registry() -> None:
    with pytest.raises(LoginUsage, match="not the name of a registry"):
        _server("debian")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-p", "secret", "--password-stdin", "-u", "me"), "one too many"),
        (("--password-stdin",), "needs --username"),
        (("-u", "me"), "no terminal to ask"),
    ],
)
def test_flags_that_do_not_go_together(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    said: str,
) -> None:
    with open("/dev/null", encoding="ascii") as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        assert main(["login", *words, "registry.invalid"]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "secret" not in error


@pytest.mark.parametrize(
    ("words", "given", "said"),
    [
        (("-u", "me", "--password-stdin"), b"\xff\xfe\n", "is not UTF-8"),
        (("-u", "me", "--password-stdin"), b"", "are needed"),
        (("-u", "me:x", "--password-stdin"), b"secret", "has a colon"),
        (("-u", "me", "--password-stdin"), None, "are needed"),
        (("-u", "me"), None, "no terminal to ask"),
        (("-p", "secret"), b"", "are needed"),
    ],
)
def test_what_is_no_user_or_password(
    tmp_path: Path, words: tuple[str, ...], given: bytes | None, said: str
) -> None:
    """None: there is no stdin at all, as in some services."""
    command = shlex.join([sys.executable, "-m", "lamina", "login", *words, "a.invalid"])
    done = subprocess.run(
        ["sh", "-c", f"{command} <&-" if given is None else command],
        input=given or b"",
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert said in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert b"secret" not in done.stderr


def test_nobody_is_logged_out(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert main(["logout", "registry.invalid"]) == 0
    assert capsys.readouterr().out == "Not logged in to registry.invalid\n"
