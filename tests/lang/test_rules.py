"""The checks: each rule, what it finds, and how to leave it out."""

from __future__ import annotations

import pytest

from lamina.lang.nodes import Finding
from lamina.lang.parser import parse
from lamina.lang.rules import RULES, check
from lamina.lang.source import Source


def findings(text: str) -> tuple[Finding, ...]:
    return check(parse(Source("Recipe", text)))


def found(text: str) -> list[str]:
    return [f"{f.rule} {f.span.line}:{f.span.column}" for f in findings(text)]


CASES = {
    "ConsistentInstructionCasing": [
        ("FROM a\nrun b\nRUN c", ["2:1"]),
        ("from a\nrun b\nRUN c", ["3:1"]),
        ("From a", ["1:1"]),
        ("from a\nrun b", []),
    ],
    "DuplicateStageName": [
        ("FROM a AS x\nFROM b AS X", ["2:8"]),
        ("FROM a AS x\nFROM b AS y", []),
    ],
    "ExposeInvalidFormat": [
        ("FROM a\nEXPOSE 80 127.0.0.1:80:80 90:90", ["2:11", "2:27"]),
        ("FROM a\nEXPOSE 80-90/udp ${A:-80}", []),
    ],
    "ExposeProtoCasing": [
        ("FROM a\nEXPOSE 80/TCP 80/udp", ["2:8"]),
        ("FROM a\nEXPOSE 80/$PROTO", []),
    ],
    "FromAsCasing": [
        ("FROM a as x", ["1:8"]),
        ("from a AS x", ["1:8"]),
        ("from a as x", []),
    ],
    "JSONArgsRecommended": [
        ("FROM a\nCMD b\nENTRYPOINT c", ["2:1", "3:1"]),
        ('FROM a\nCMD ["b"]', []),
        ('FROM a\nSHELL ["/bin/bash", "-c"]\nCMD b', []),
    ],
    "LegacyKeyValueFormat": [
        ("FROM a\nENV A b\nLABEL c d", ["2:1", "3:1"]),
        ("FROM a\nENV A=b", []),
    ],
    "MaintainerDeprecated": [("FROM a\nMAINTAINER x", ["2:1"])],
    "MalformedJSON": [
        ("FROM a\nRUN ['a']", ["2:1"]),
        ('FROM a\nCMD [ "a" , b ]', ["2:1"]),
        ('FROM a\nRUN ["a" "b"]', ["2:1"]),
        ('FROM a\nHEALTHCHECK CMD ["a",]', ["2:1"]),
        ('FROM a\nRUN [ "$a" = "$b" ]\nRUN [ -f x ]\nRUN [[ -f x ]]', []),
    ],
    "MultipleInstructionsDisallowed": [
        ('FROM a\nCMD ["b"]\nCMD ["c"]\nFROM a\nCMD ["b"]', ["2:1"]),
        ("FROM a\nHEALTHCHECK NONE\nHEALTHCHECK CMD b", ["2:1"]),
    ],
    "NoEmptyContinuation": [
        ("FROM a\nRUN b \\\n\n c", ["3:1"]),
        ("FROM a\nRUN b \\\n # comment\n c\n\nRUN d", []),
        ("FROM a\nRUN <<E\n\nE", []),
    ],
    "RedundantTargetPlatform": [("FROM --platform=$TARGETPLATFORM a", ["1:17"])],
    "ReservedStageName": [("FROM a AS scratch\nFROM a AS Context", ["1:8", "2:8"])],
    "SecretsUsedInArgOrEnv": [
        ("FROM a\nARG API_TOKEN\nENV MY_PASSWORD=x", ["2:1", "3:1"]),
        ("FROM a\nARG PUBLIC_KEY MONKEY\nENV TOKENS=x", []),
    ],
    "StageDefinedLater": [
        ("FROM b\nFROM c AS b", ["1:6"]),
        ("FROM b AS b\nFROM b", []),
    ],
    "StageNameCasing": [("FROM a AS Build", ["1:8"])],
    "UndefinedArgInFrom": [
        ("ARG A\nFROM $A:$B", ["2:6"]),
        ("FROM --platform=$BUILDPLATFROM a", ["1:17"]),
        ("FROM --platform=$BUILDPLATFORM ${A:-b}", []),
    ],
    "UndefinedVar": [
        ("FROM scratch\nENV A=$A\nENV B=$A$PATH", ["2:7"]),
        ("FROM scratch AS x\nARG A\nFROM x\nCOPY $A $B /c/", ["4:9"]),
        ("FROM debian\nCOPY $A /b", []),
        ("FROM scratch\nCOPY ${A:-x} /b", []),
    ],
    "WorkdirRelativePath": [
        ("FROM a\nWORKDIR b\nWORKDIR /c\nWORKDIR d", ["2:1"]),
        ("FROM a AS x\nWORKDIR /b\nFROM x\nWORKDIR c", []),
        ("FROM a\nWORKDIR $A", []),
    ],
}


@pytest.mark.parametrize(
    ("rule", "text", "places"),
    [(rule, text, places) for rule, cases in CASES.items() for text, places in cases],
)
def test_rules(rule: str, text: str, places: list[str]) -> None:
    assert [line for line in found(text) if line.startswith(f"{rule} ")] == [
        f"{rule} {place}" for place in places
    ]


def test_every_rule_is_tried_and_says_what_it_is_for() -> None:
    assert sorted(CASES) == [rule.name for rule in RULES]
    assert all(rule.find.__doc__ for rule in RULES)


def test_an_honest_recipe_has_no_findings() -> None:
    assert found('FROM debian AS x\nWORKDIR /a\nRUN make\nCMD ["/a/b"]\n') == []


def test_a_hint_names_the_nearest() -> None:
    (finding,) = findings("ARG VERSION=1\nFROM a:$VERSOIN")
    assert finding.hint == "Did you mean VERSION?"


BAD = "FROM a AS Build\nMAINTAINER x\n"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (BAD, ["StageNameCasing", "MaintainerDeprecated"]),
        (f"# check=skip=StageNameCasing\n{BAD}", ["MaintainerDeprecated"]),
        (f"# check=skip=stagenamecasing,MaintainerDeprecated\n{BAD}", []),
        (f"# check=skip=all;error=true\n{BAD}", []),
        (f"# check=error=true;skip=all\n{BAD}", []),
        (BAD.replace("MAIN", "# check=skip=all\nMAIN"), ["StageNameCasing"]),
        (
            BAD.replace("MAIN", "# check=skip=StageNameCasing\n# why\nMAIN"),
            ["StageNameCasing", "MaintainerDeprecated"],
        ),
    ],
)
def test_rules_can_be_left_out(text: str, left: list[str]) -> None:
    assert [finding.rule for finding in findings(text)] == left


def test_warnings_can_be_errors() -> None:
    assert {f.level for f in findings(BAD)} == {"warning"}
    assert {f.level for f in findings(f"# check=error=true\n{BAD}")} == {"error"}
