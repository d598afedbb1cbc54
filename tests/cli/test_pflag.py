"""Command lines as docker's parser reads them, in words that argparse reads so too."""

from __future__ import annotations

import argparse

import pytest

from lamina.cli.pflag import flags_first


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    for name in ("-i", "-t", "--rm"):
        parser.add_argument(name, action="store_true")
    parser.add_argument("-e", "--env")
    parser.add_argument("--pause", action=argparse.BooleanOptionalAction)
    return parser


def plain(line: str, *, interspersed: bool) -> str:
    actions = parser()._option_string_actions
    flags, rest = flags_first(line.split(" "), actions, interspersed=interspersed)
    return " ".join((*flags, *rest))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("--rm=true x", "--rm x"),
        ("--rm=false x", "x"),
        ("--rm --rm=false x", "x"),
        ("--rm=0 --rm x", "--rm x"),
        ("--pause=0 x", "--no-pause x"),
        ("--pause=0 --pause x", "--no-pause --pause x"),
        ("--env=true x", "--env=true x"),
        ("-it=false x", "-i x"),
        ("-i=false -t x", "-t x"),
        ("--nope=true", "--nope=true"),
        ("--rm=maybe", "--rm=maybe"),
    ],
)
def test_switches_with_a_word(given: str, expected: str) -> None:
    assert plain(given, interspersed=False) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("-e -x y", "-e=-x y"),
        ("--env --rm=true --rm=1", "--env=--rm=true --rm"),
        ("--env -- y", "--env=-- y"),
        ("--env  y", "--env= y"),
        ("-ite -A --rm=t", "-i -t -e=-A --rm"),
        ("-itex --rm=t", "-i -t -e=x --rm"),
        ("-e=A=b y", "-e=A=b y"),
        ("-e==b y", "-e==b y"),
        # For argparse to say that a value is missing, or what is unknown.
        ("-i -e", "-i -e"),
        ("-iz y", "-i -z y"),
    ],
)
def test_a_flag_takes_the_next_word(given: str, expected: str) -> None:
    assert plain(given, interspersed=False) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("x --rm=false y", "x y"),
        ("x -e A y -i", "-e=A -i x y"),
        ("x -- --rm -e", "-- x --rm -e"),
        ("- -i", "-i -"),
    ],
)
def test_flags_may_stand_behind_arguments(given: str, expected: str) -> None:
    assert plain(given, interspersed=True) == expected


@pytest.mark.parametrize("given", ["x --rm=false -e", "-- --rm=false"])
def test_words_of_another_program_stay(given: str) -> None:
    assert plain(given, interspersed=False) == given
