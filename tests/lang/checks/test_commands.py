"""The shell text in RUN."""

from __future__ import annotations

import pytest

from lamina.lang.checks.script import Script
from lamina.lang.checks.surroundings import ScriptFinding, Surroundings
from tests.lang.checks.places import findings, places

CASES = {
    "CdInsteadOfWorkdir": [
        ("cd /src && make", ["cd /src"]),
        ("set -e; cd sub; make", ["cd sub"]),
        ("<<E\nset -eu\ncd /src\nmake\nE", ["cd /src"]),
        ("git clone x && cd x && make", []),
        ("(cd /src && make)", []),
        ("cd /a && b && cd /c && d", []),
        ("cd /tmp && curl x", []),
        ("cd $DIR && make", []),
        ("cd /src", []),
        ('["cd", "/src"]', []),
    ],
    "PipeWithoutPipefail": [
        ("curl x | tar -x", ["curl x | tar -x"]),
        ("a && curl x |& tee y && b", ["curl x |& tee y"]),
        ("<<E\ncurl x | sh\nE", ["curl x | sh"]),
        ("a | b $(c | d)", ["a | b $(c | d)"]),
        ("set -o pipefail && curl x | sh", []),
        ("set -euo pipefail; curl x | sh", []),
        ("echo x | md5sum -c -", []),
        ("printf x | yes | b", []),
        ("if curl x | grep y; then z; fi", []),
        ("! curl x | grep y", []),
        ("curl x | grep y || true", []),
        ("case $(uname) in a|b) c;; esac", []),
        ("a || b", []),
        ("echo 'a | b' \"c | d\" # e | f", []),
        ('["a", "|", "b"]', []),
    ],
    "SparseUseradd": [
        ("useradd -u 123456 x", ["useradd -u 123456 x"]),
        ("useradd --uid=999999 -m x", ["useradd --uid=999999 -m x"]),
        ("useradd -l -u 123456 x", []),
        ("useradd -ml -u 123456 x", []),
        ("useradd --no-log-init -u 123456 x", []),
        ("useradd -u 1000 x", []),
        ("useradd -u $ID x", []),
    ],
}


@pytest.mark.parametrize(
    ("rule", "run", "expected"),
    [(rule, run, found) for rule, cases in CASES.items() for run, found in cases],
)
def test_commands(rule: str, run: str, expected: list[str]) -> None:
    found = findings(rule, f"FROM a\nRUN {run}\n")
    assert [finding.span.text for finding in found] == expected


def test_a_shell_with_pipefail() -> None:
    shell = 'SHELL ["/bin/bash", "-eo", "pipefail", "-c"]'
    text = f"FROM a AS x\n{shell}\nRUN curl x | sh\nFROM x\nRUN curl x | sh"
    assert places("PipeWithoutPipefail", text) == []


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("FROM debian\nRUN a | b", 'SHELL ["/bin/bash", "-o", "pipefail", "-c"]'),
        ("FROM alpine:3\nRUN a | b", 'SHELL ["/bin/ash", "-o", "pipefail", "-c"]'),
        ("FROM debian\nRUN <<E\na | b\nE", "`set -o pipefail` on its first line"),
    ],
)
def test_how_to_get_pipefail(text: str, hint: str) -> None:
    (finding,) = findings("PipeWithoutPipefail", text)
    assert hint in finding.hint


def test_what_an_examiner_of_scripts_says() -> None:
    seen: list[tuple[str, str, tuple[str, ...]]] = []

    def examine(scripts: tuple[Script, ...]) -> list[tuple[ScriptFinding, ...]]:
        seen.extend((one.text, one.shell, one.variables) for one in scripts)
        at = scripts[0].text.index("$")
        said = ScriptFinding("SC2086", "note", "Quote it.", at, at + 2)
        return [(said,), *(() for _ in scripts[1:])]

    text = (
        'FROM scratch\nARG x\nENV y=1 a=2\nSHELL ["/bin/bash", "-c"]\nRUN a \\\n   $x\n'
        'RUN ["echo", "$x"]\nRUN <<E\n#!/bin/dash\necho $x\nE\nRUN perl <<E\n$x\nE\n'
    )
    (found,) = findings("ShellCheck", text, Surroundings(examine=examine))
    assert seen == [
        ("a    $x", "bash", ("a", "x")),
        ("#!/bin/dash\necho $x\n", "dash", ("x",)),
        ("perl <<E\n$x\nE\n", "bash", ("x",)),
    ]
    assert (found.rule, found.level, found.span.text) == ("SC2086", "note", "$x")
    assert (found.span.line, found.span.column) == (6, 4)


@pytest.mark.parametrize("skip", ["SC2086", "ShellCheck", "sc2086"])
def test_codes_are_left_out_like_rules(skip: str) -> None:
    around = Surroundings(
        examine=lambda _: [(ScriptFinding("SC2086", "note", "Quote it.", 0, 1),)]
    )
    assert len(findings("ShellCheck", "FROM a\nRUN b", around)) == 1
    text = f"FROM a\n# check=skip={skip}\nRUN b"
    assert findings("ShellCheck", text, around) == ()
