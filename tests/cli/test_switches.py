"""Switches with a word, `--rm=true`, and what belongs to other programs."""

from __future__ import annotations

import argparse

import pytest

from lamina.cli.switches import has_words, without_words


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    for name in ("-i", "-t", "--rm"):
        parser.add_argument(name, action="store_true")
    parser.add_argument("-e", "--env")
    parser.add_argument("--pause", action=argparse.BooleanOptionalAction)
    return parser


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["--rm=true", "x"], ["--rm", "x"]),
        (["--rm=false", "x"], ["x"]),
        (["--pause=0", "x"], ["--no-pause", "x"]),
        (["--env=true", "x"], ["--env=true", "x"]),
        (["-e", "--rm=true", "--rm=1"], ["-e", "--rm=true", "--rm"]),
        (["-ite", "A", "--rm=t"], ["-ite", "A", "--rm"]),
        (["-itex", "--rm=t"], ["-itex", "--rm"]),
        (["--nope=true"], ["--nope=true"]),
        (["x", "--rm=false"], ["x", "--rm=false"]),
        (["--", "--rm=false"], ["--", "--rm=false"]),
    ],
)
def test_words(given: list[str], expected: list[str]) -> None:
    actions = parser()._option_string_actions
    assert without_words(given, actions) == expected


def test_most_command_lines_have_none() -> None:
    assert not has_words(["run", "-e", "A=b", "--name", "x"])
    assert has_words(["run", "--rm=true"])
