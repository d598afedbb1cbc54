"""COPY and ADD."""

from __future__ import annotations

import pytest

from lamina.lang.checks.checking import CheckOptions, check
from lamina.lang.checks.surroundings import Surroundings
from lamina.lang.nodes import Copy
from lamina.lang.parser import parse
from lamina.lang.source import Source
from lamina.values import replace
from tests.lang.checks.places import findings, places

CASES: dict[str, list[tuple[str, list[str]]]] = {
    "AddInsteadOfCopy": [
        ("FROM a\nADD b /c", ["2:1 ADD b /c"]),
        ("FROM a\nADD . /c", ["2:1 ADD . /c"]),
        ("FROM a\nADD b.tar.gz c.TGZ /c/\nADD https://x/y /z", []),
        ("FROM a\nADD $FILE /c\nADD b* /c\nADD --unpack=false b /c", []),
        ("FROM a\nADD git@example.org:a.git /c\nCOPY b /c", []),
    ],
    "CopyWithoutWorkdir": [
        ("FROM a\nCOPY b .", ["2:8 ."]),
        ("FROM a\nCOPY b c\nWORKDIR /x\nCOPY b c", ["2:8 c"]),
        ("FROM a AS x\nWORKDIR /x\nFROM x\nCOPY b c", []),
        ("FROM a\nCOPY b /c\nCOPY b $C", []),
    ],
}


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [(rule, text, found) for rule, cases in CASES.items() for text, found in cases],
)
def test_files(rule: str, text: str, expected: list[str]) -> None:
    assert places(rule, text) == expected


def ignored(path: str) -> str:
    return "*.log" if path.endswith(".log") else "node_modules" * (path[:3] == "nod")


IGNORED = [
    ("COPY a.log b /c/", ["2:6 a.log"]),
    ("ADD ./x/../a.log /c", ["2:5 ./x/../a.log"]),
    ("COPY /node_modules /c", ["2:6 /node_modules"]),
    ("COPY --from=x a.log /c", []),
    ("COPY $A.log /c", []),
    ("ADD https://example.org/a.log /c", []),
    ("COPY <<a.log /c/\na.log", []),
    ("COPY . /c", []),
]


@pytest.mark.parametrize(("copy", "expected"), IGNORED)
def test_copies_of_what_is_ignored(copy: str, expected: list[str]) -> None:
    around = Surroundings(ignored=ignored)
    assert places("CopyIgnoredFile", f"FROM a\n{copy}", around) == expected


def test_the_pattern_is_named() -> None:
    around = Surroundings(ignored=ignored)
    (finding,) = findings("CopyIgnoredFile", "FROM a\nADD x.log /", around)
    assert finding.message == (
        'Attempting to Add file "x.log" that is excluded by .dockerignore'
    )
    assert "*.log" in finding.hint


@pytest.mark.parametrize(
    ("dest", "expected"), [("c", ["2:8 c"]), ("c/", []), (".", []), ("$C", [])]
)
def test_several_sources_without_a_folder(dest: str, expected: list[str]) -> None:
    """An error of the parser, but where it does as BuildKit does."""
    recipe = parse(Source("Dockerfile", f"FROM a\nCOPY a {dest}\n"))
    (stage,) = recipe.stages
    (copy,) = stage.instructions
    assert isinstance(copy, Copy)
    several = replace(copy, sources=copy.sources * 2)
    changed = replace(recipe, stages=(replace(stage, instructions=(several,)),))
    found = check(changed, options=CheckOptions(only=("DL3021",), least="note"))
    assert [f"{f.span.line}:{f.span.column} {f.span.text}" for f in found] == expected
