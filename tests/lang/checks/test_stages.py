"""Stages, and the names that refer to them."""

from __future__ import annotations

import pytest

from lamina.lang.checks.surroundings import BaseFacts, Surroundings
from tests.lang.checks.places import findings, places

CASES = {
    "DuplicateStageName": [
        ("FROM a AS x\nFROM b AS X", ["2:8 AS X"]),
        ("FROM a AS x\nFROM b AS y", []),
    ],
    "MultipleInstructionsDisallowed": [
        ('FROM a\nCMD ["b"]\nCMD ["c"]\nFROM a\nCMD ["b"]', ['2:1 CMD ["b"]']),
        ("FROM a\nHEALTHCHECK NONE\nHEALTHCHECK CMD b", ["2:1 HEALTHCHECK NONE"]),
        ("FROM a AS x\nCMD b\nFROM x\nCMD c", []),
    ],
    "ReservedStageName": [
        ("FROM a AS scratch\nFROM a AS Context", ["1:8 AS scratch", "2:8 AS Context"]),
        ("FROM scratch AS scratches", []),
    ],
    "StageDefinedLater": [
        ("FROM b\nFROM c AS b", ["1:6 b"]),
        ("FROM b AS b\nFROM b", []),
    ],
    "StageNameCasing": [
        ("FROM a AS Build", ["1:8 AS Build"]),
        ("FROM a AS build", []),
    ],
    "UnknownCopyFrom": [
        ("FROM a AS build\nFROM b\nCOPY --from=biuld /x /x", ["3:13 biuld"]),
        ("FROM a\nRUN --mount=from=tools,target=/t x", ["2:18 tools"]),
        ("FROM a\nCOPY --from=nginx:1 /x /x\nCOPY --from=d/e /x /x", []),
        ("FROM a AS b\nFROM c\nCOPY --from=0 /x /x\nCOPY --from=B /x /x", []),
        ("FROM a\nCOPY --from=scratch /x /x", []),
    ],
}


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [(rule, text, found) for rule, cases in CASES.items() for text, found in cases],
)
def test_stages(rule: str, text: str, expected: list[str]) -> None:
    assert places(rule, text) == expected


def test_a_misspelt_stage_has_a_suggestion() -> None:
    text = "FROM a AS build\nFROM b\nCOPY --from=biuld /x /x"
    (finding,) = findings("UnknownCopyFrom", text)
    assert finding.hint == "Did you mean build?"


def test_an_image_of_the_store_is_known() -> None:
    facts = BaseFacts(frozenset(), (), "", "linux/amd64")
    store = Surroundings(base={"tools": facts}.get)
    text = "FROM a\nRUN --mount=from=tools,target=/t x"
    assert places("UnknownCopyFrom", text, store) == []
