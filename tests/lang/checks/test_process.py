"""What the container will run as."""

from __future__ import annotations

import pytest

from lamina.lang.checks.surroundings import BaseFacts, Surroundings
from tests.lang.checks.places import places

CASES = {
    "JSONArgsRecommended": [
        ("FROM a\nCMD b\nENTRYPOINT c", ["2:1 CMD b", "3:1 ENTRYPOINT c"]),
        ('FROM a\nCMD b\nSHELL ["/bin/bash", "-c"]', ["2:1 CMD b"]),
        ('FROM a\nCMD ["b"]', []),
        ('FROM a\nSHELL ["/bin/bash", "-c"]\nCMD b', []),
        ('FROM a AS x\nSHELL ["/bin/bash", "-c"]\nFROM x\nCMD b', []),
    ],
    "LastUserRoot": [
        ("FROM a\nUSER root", ["2:1 USER root"]),
        ("FROM a AS x\nUSER 0:0\nFROM x", ["2:1 USER 0:0"]),
        ("FROM a\nUSER root\nRUN b\nUSER app", []),
        ("FROM a AS x\nUSER root\nFROM b\nCOPY --from=x /a /a", []),
        ("FROM a\nUSER rooty\nFROM b\n", []),
    ],
    "WorkdirRelativePath": [
        ("FROM a\nWORKDIR b\nWORKDIR c\nWORKDIR /d", ["2:9 b"]),
        ("FROM a AS x\nWORKDIR b\nFROM x\nWORKDIR c", ["2:9 b"]),
        ("FROM a AS x\nWORKDIR /b\nFROM x\nWORKDIR c", []),
        ("FROM a\nWORKDIR $A", []),
        ("FROM a\nWORKDIR c:\\\\b", []),
    ],
}


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [(rule, text, found) for rule, cases in CASES.items() for text, found in cases],
)
def test_process(rule: str, text: str, expected: list[str]) -> None:
    assert places(rule, text) == expected


def test_a_base_may_bring_a_shell() -> None:
    facts = BaseFacts(frozenset(), ("/bin/bash", "-c"), "", "linux/amd64")
    around = Surroundings(base={"a": facts}.get)
    assert places("JSONArgsRecommended", "FROM a\nCMD b", around) == []
