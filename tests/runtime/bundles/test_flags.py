"""The command line: flags before and after words, as runc and crun take them."""

from __future__ import annotations

import pytest

from lamina.runtime.bundles.flags import COMMANDS, Usage, help_text, parse


def test_what_containerd_says() -> None:
    line = parse(
        [
            "--root",
            "/r",
            "--log",
            "/l",
            "--log-format",
            "json",
            "create",
            "--bundle",
            "/b",
            "--pid-file",
            "/p",
            "--console-socket",
            "/s",
            "id",
        ]
    )
    assert (line.command, line.words) == ("create", ("id",))
    assert line.text("root") == "/r"
    assert line.text("bundle") == "/b"
    assert line.text("console-socket") == "/s"
    assert parse(["delete", "--force", "id"]).on("force")
    assert parse(["kill", "--all", "id", "9"]).words == ("id", "9")


def test_flags_may_follow_words_but_not_those_of_exec() -> None:
    assert parse(["delete", "id", "--force"]).on("force")
    line = parse(
        ["exec", "-t", "--env", "A=1", "-e", "B=2", "id", "ls", "--force", "-t"]
    )
    assert line.words == ("id", "ls", "--force", "-t")
    assert line.texts("env") == ("A=1", "B=2")
    assert line.on("tty")


def test_one_dash_or_two_and_equal_signs() -> None:
    line = parse(
        ["-root=/r", "run", "-bundle=/b", "--detach=false", "--preserve-fds", "2", "id"]
    )
    assert (line.text("root"), line.text("bundle")) == ("/r", "/b")
    assert not line.on("detach")
    assert line.number("preserve-fds") == 2


@pytest.mark.parametrize(
    "words",
    [
        "nothing",
        "create --none id",
        "--none",
        "create --bundle",
        "run --preserve-fds x",
    ],
)
def test_what_is_not_understood(words: str) -> None:
    with pytest.raises(Usage):
        parse(words.split())


def test_help_names_every_command_and_flag() -> None:
    assert all(command in help_text() for command in COMMANDS)
    for command, (flags, _, about) in COMMANDS.items():
        text = help_text(command)
        assert about in text
        assert all(f"--{flag}" in text for flag in flags)
