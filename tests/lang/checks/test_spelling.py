"""How things are written."""

from __future__ import annotations

import pytest

from tests.lang.checks.places import findings, places

CASES = {
    "ConsistentInstructionCasing": [
        ("FROM a\nrun b\nRUN c", ["2:1 run"]),
        ("from a\nrun b\nRUN c", ["3:1 RUN"]),
        ("From a", ["1:1 From"]),
        ("from a\nrun b", []),
    ],
    "ExposeInvalidFormat": [
        (
            "FROM a\nEXPOSE 80 127.0.0.1:80:80 90:90",
            ["2:11 127.0.0.1:80:80", "2:27 90:90"],
        ),
        ("FROM a\nEXPOSE 80-90/udp ${A:-80}", []),
    ],
    "ExposeProtoCasing": [
        ("FROM a\nEXPOSE 80/TCP 80/udp", ["2:8 80/TCP"]),
        ("FROM a\nEXPOSE 80/$PROTO", []),
    ],
    "FromAsCasing": [
        ("FROM a as x", ["1:8 as x"]),
        ("from a AS x", ["1:8 AS x"]),
        ("from a as x", []),
    ],
    "InvalidDefinitionDescription": [
        ("# the version\nARG V\nFROM a", ["1:1 # the version"]),
        ("FROM a\n# x\n  # the version\nARG V W", ["3:3 # the version"]),
        ("# builder\nFROM a AS build", ["1:1 # builder"]),
        ("# V which one\nARG V\n# build makes\nFROM a AS build", []),
        ("# the version\n\nARG V\nFROM a", []),
        ("# the version\n#\nARG V\nFROM a", []),
        ("# why\nFROM a\n# how\nRUN b", []),
        ("FROM a\n# check=skip=UndefinedVar\nARG V", []),
    ],
    "LegacyKeyValueFormat": [
        ("FROM a\nENV A b\nLABEL c d", ["2:1 ENV A b", "3:1 LABEL c d"]),
        ("FROM a\nENV A=b", []),
    ],
    "MaintainerDeprecated": [
        ("FROM a\nMAINTAINER x", ["2:1 MAINTAINER x"]),
        ("FROM a\nLABEL maintainer=x", []),
    ],
    "MalformedJSON": [
        ("FROM a\nRUN ['a']", ["2:1 RUN ['a']"]),
        ('FROM a\nCMD [ "a" , b ]', ['2:1 CMD [ "a" , b ]']),
        ('FROM a\nRUN ["a" "b"]', ['2:1 RUN ["a" "b"]']),
        ('FROM a\nHEALTHCHECK CMD ["a",]', ['2:1 HEALTHCHECK CMD ["a",]']),
        ('FROM a\nRUN [ "$a" = "$b" ]\nRUN [ -f x ]\nRUN [[ -f x ]]', []),
    ],
    "NoEmptyContinuation": [
        ("FROM a\nRUN b \\\n\n c", ["3:1 \n"]),
        ("FROM a\nRUN b \\\n # comment\n c\n\nRUN d", []),
        ("FROM a\nRUN <<E\n\nE", []),
    ],
}


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [(rule, text, found) for rule, cases in CASES.items() for text, found in cases],
)
def test_spelling(rule: str, text: str, expected: list[str]) -> None:
    # What looks like JSON and is none is an error where quirks are not asked for.
    assert places(rule, text, compat=rule == "MalformedJSON") == expected


@pytest.mark.parametrize(
    ("rule", "text", "hint"),
    [
        ("LegacyKeyValueFormat", "ENV A b c", 'Write ENV A="b c".'),
        ("ExposeInvalidFormat", "EXPOSE 8:80/tcp", "`-p 8:80` when it runs."),
        ("ConsistentInstructionCasing", "run b", "Write RUN."),
        ("MaintainerDeprecated", "MAINTAINER me", 'image.authors="me".'),
    ],
)
def test_a_hint_says_what_to_write(rule: str, text: str, hint: str) -> None:
    (finding,) = findings(rule, f"FROM a\n{text}")
    assert finding.hint.endswith(hint)
