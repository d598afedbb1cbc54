"""`lamina login`, `logout`: what names a registry, and what is not asked for twice."""

from __future__ import annotations

import io
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
