"""What a mistyped command line is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.cli.main import main


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ps", "--nope"), "lamina ps: unknown flag: --nope\n"),
        (("ps", "word"), "lamina ps: one too many: word\n"),
        (("--nope", "ps"), "lamina: unknown flag: --nope\n"),
        (("system", "df", "-x"), "lamina system df: unknown flag: -x\n"),
        (("rm",), "lamina rm: the following arguments are required: CONTAINER\n"),
        (("buidl", "."), "Did you mean `lamina build`?\n"),
    ],
)
def test_usage_errors_are_of_the_command(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.endswith("--help`.\n")


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


@pytest.mark.parametrize("words", [(), ("container",), ("image",), ("volume",)])
def test_help_lists_commands_and_no_nothing(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    main(words)
    shown = capsys.readouterr().out
    assert "commands:\n  COMMAND\n" in shown and "None" not in shown
