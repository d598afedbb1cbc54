"""What can come next, by the parsers of the commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.cli.commands import COMMANDS
from lamina.cli.completion.candidates import complete
from lamina.cli.settings import Settings
from lamina.cli.spellings import GROUPS


def words(line: str, tmp_path: Path) -> list[str]:
    """What is offered at the end of a line."""
    found = complete(line.split(" ")[1:], Settings(str(tmp_path / "store"), {}))
    return [word for word, _ in found.words]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("lamina up ", ["api", "web"]),
        ("lamina up w", ["web"]),
        ("lamina up --scale a", ["api="]),
        ("lamina compose exec ", ["api", "web"]),
        ("lamina compose logs -f api ", ["web"]),
        ("lamina compose resta", ["restart"]),
    ],
)
def test_services_of_the_compose_file(
    line: str, offered: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "compose.yaml").write_text(
        "services: {web: {image: a}, api: {image: a, profiles: [x]}}"
    )
    monkeypatch.chdir(tmp_path)
    assert words(line, tmp_path) == offered


def test_no_services_where_the_file_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "compose.yaml").write_text("services: [")
    monkeypatch.chdir(tmp_path)
    assert words("lamina up ", tmp_path) == []


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("lamina st", ["start", "stats", "stop"]),
        ("lamina __", []),
        ("lamina --ro", ["--root"]),
        ("lamina --root /x st", ["start", "stats", "stop"]),
        ("lamina container unp", ["unpause"]),
        ("lamina container pru", ["prune"]),
        ("lamina container update --memory-s", ["--memory-swap"]),
        ("lamina run --res", ["--restart"]),
        ("lamina run --restart a", ["always"]),
        ("lamina run --restart=u", ["--restart=unless-stopped"]),
        ("lamina run --nonsense=u", []),
        ("lamina run -it --rm --pull n", ["never"]),
        ("lamina run -itm 1g --cap-add NET_A", ["NET_ADMIN"]),
        ("lamina run busybox --re", []),
        ("lamina exec -- --x", []),
        ("lamina kill -s T", ["TERM"]),
        ("lamina ps --filter stat", ["status="]),
        ("lamina volume c", ["create"]),
        ("lamina volume create --lab", ["--label"]),
        ("lamina inspect --type c", ["container"]),
        ("lamina completion ", ["bash", "zsh", "fish"]),
        ("lamina nonsense ", []),
    ],
)  # fmt: skip
def test_words(line: str, offered: list[str], tmp_path: Path) -> None:
    assert words(line, tmp_path) == offered


@pytest.mark.parametrize(
    ("line", "more"),
    [
        ("lamina run --env-file x", "files"),
        ("lamina save -o x", "files"),
        ("lamina cp x", "files"),
        ("lamina --root x", "directories"),
        ("lamina run -v x", "none"),
        ("lamina run --security-opt sec", "open"),
    ],
)
def test_what_the_shell_offers(line: str, more: str, tmp_path: Path) -> None:
    settings = Settings(str(tmp_path / "store"), {})
    assert complete(line.split(" ")[1:], settings).more == more


def test_every_command_offers_its_flags(tmp_path: Path) -> None:
    for name in COMMANDS.keys() - GROUPS.keys():
        flags = words(f"lamina {name} -", tmp_path)
        assert "--help" in flags or name == "exec", name
