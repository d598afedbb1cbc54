"""What a mistyped command line is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lamina.cli.commands import COMMANDS
from lamina.cli.main import main


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        # As docker exits: flags 125, arguments 1.
        (("ps", "--nope"), 125, "lamina ps: unknown flag: --nope\n"),
        (("ps", "-n", "x"), 125, "lamina ps: argument -n/--last: invalid int"),
        (("ps", "-n", "--all"), 125, "invalid int value: '--all'\n"),
        (("ps", "word"), 1, "lamina ps: one too many: word\n"),
        (("system", "df", "-x"), 125, "lamina system df: unknown flag: -x\n"),
        (("system", "fd"), 1, "system: there is no command 'fd', only check, "),
        (("image", "ls", "--nope"), 125, "lamina images: unknown flag: --nope\n"),
        (("rm",), 1, "lamina rm: the following arguments are required: CONTAINER\n"),
        (("rm", "-f", "--nope"), 125, "lamina rm: unknown flag: --nope\n"),
        (("run", "--nope"), 125, "lamina run: unknown flag: --nope\n"),
        (("run", "--rm=no"), 125, "run: --rm takes true or false, not 'no'\n"),
        (("run", "-m"), 125, "lamina run: argument -m/--memory: expected one"),
        (("run", "--rm"), 1, "lamina run: the following arguments are required: IM"),
        (("exec", "-w"), 125, "lamina exec: argument -w/--workdir: expected one"),
        (("build", "--nope", "."), 2, "lamina build: unknown flag: --nope\n"),
        # What docker does not have.
        (("--nope", "ps"), 2, "lamina: unknown flag: --nope\n"),
        (("graph", "--nope"), 2, "lamina graph: unknown flag: --nope\n"),
        (("fmt", "--indent"), 2, "lamina fmt: "),
        (("buidl", "."), 2, "Did you mean `lamina build`?\n"),
    ],
)
def test_usage_errors_are_of_the_command(
    words: tuple[str, ...], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(words)
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.endswith("--help`.\n")
    assert stopped.value.code == code


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("ps", "--filter", "x"), 125),
        (("ps", "--filter", "x=1"), 1),
        (("images", "--filter", "x"), 125),
        (("volume", "ls", "--filter", "x"), 125),
        (("events", "--filter", "x"), 125),
        (("events", "--since", "x"), 1),
        (("update", "--cpus", "x", "one"), 125),
        (("update", "one"), 1),
        (("system",), 0),
        (("exec", "one"), 1),
        # Values, although they look like flags.
        (("logs", "--tail", "--", "one"), 1),
        (("rm", "one", "--force=true"), 0),
    ],
)
def test_flags_that_a_command_cannot_read(
    words: tuple[str, ...], code: int, tmp_path: Path
) -> None:
    assert main(("--root", f"{tmp_path}/store", *words)) == code


def test_a_forced_removal_of_nothing_is_no_failure(
    tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    root = ("--root", f"{tmp_path}/store")
    assert main((*root, "rm", "nothing")) == 1
    assert main((*root, "rm", "-f", "nothing")) == 0
    assert capsys.readouterr().err.count("No such container: nothing") == 2


def test_a_name_that_no_image_can_have(
    tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(("--root", f"{tmp_path}/store", "run", "a:b:c")) == 125
    assert "'a:b:c' names no image" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["check", "build", "fmt", "outline", "parse"])
def test_no_recipe_steers_the_terminal(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "Dockerfile"
    recipe.write_text(
        "FROM scratch\nEXPOSE \x1b[31m --\x9b\a x\nCOPY --\x1b]0;evil\a a b\n"
    )
    words = [str(tmp_path)] if command != "fmt" else [str(recipe)]
    assert main(("--root", f"{tmp_path}/store", command, *words)) == 1
    printed = "".join(capsys.readouterr())
    assert "evil" in printed
    assert all(sign.isprintable() or sign in "\n\t" for sign in printed)


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ((), "Recipes and builds: build Build an image from a recipe "),
        (("container",), "commands: attach Watch a running container, and type "),
        (("image",), "commands: build Build an image from a recipe "),
        (("volume",), "commands: create Make a volume ls (list) List volumes "),
    ],
)
def test_help_lists_commands_and_no_nothing(
    words: tuple[str, ...], first: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(words)
    shown = " ".join(capsys.readouterr().out.split())
    assert first in shown and "None" not in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_what_each_flag_does(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main((name, "--help"))
    assert stopped.value.code == 0
    usage, *lines = capsys.readouterr().out.splitlines()
    assert usage.startswith(f"usage: lamina {name} ")
    # What a flag is for stands behind it, or in the next line when it is long.
    silent = [
        line
        for line, after in zip(lines, [*lines[1:], ""], strict=True)
        if re.match("  -", line)
        and not re.search(r"\S {2,}\S", line)
        and not after.startswith(" " * 10)
    ]
    assert silent == []


def test_usage_is_one_line_however_many_flags_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(("build",))
    assert capsys.readouterr().err.splitlines() == [
        "usage: lamina build [OPTIONS] PATH|URL|-",
        "lamina build: the following arguments are required: PATH|URL|-",
        "Try `lamina build --help`.",
    ]
