"""ARG and ENV, and what uses them."""

from __future__ import annotations

import pytest

from lamina.lang.checks.surroundings import BaseFacts, Surroundings
from tests.lang.checks.places import findings, places

CASES = {
    "EnvUsesItself": [
        ("FROM a\nENV HOME=/h BIN=$HOME/bin", ["2:17 $HOME/bin"]),
        ("FROM a\nENV BIN=$X/bin X=/x", ["2:9 $X/bin"]),
        ("FROM a\nENV X=/x\nENV X=/y BIN=$X", []),
        ("FROM a\nARG X=/x\nENV X=$X BIN=$X", []),
        ("FROM a\nENV PATH=/x:$PATH A=b", []),
        ("FROM a\nENV A=$A B=c D=${B:-x}", []),
    ],
    "SecretsUsedInArgOrEnv": [
        ("FROM a\nARG API_TOKEN\n", ["2:1 ARG API_TOKEN"]),
        ("FROM a\nENV A=1 MY_PASSWORD=x", ["2:9 MY_PASSWORD"]),
        ("ARG secret\nFROM a", ["1:1 ARG secret"]),
        ("FROM a\nARG PUBLIC_KEY MONKEY\nENV TOKENS=x KEY_FILE=y", []),
        ("FROM a\nARG TOKEN_VERSION", []),
    ],
    "UndefinedVar": [
        ("FROM scratch\nENV A=$A\nENV B=$A$PATH", ["2:7 $A"]),
        ("FROM scratch AS x\nARG A\nFROM x\nCOPY $A $B /c/", ["4:9 $B"]),
        ("FROM scratch AS x\nFROM x AS y\nARG A\nFROM x\nUSER $A", ["5:6 $A"]),
        ("ARG A\nFROM scratch\nUSER $A", ["3:6 $A"]),
        ("ARG B=scratch\nFROM $B\nUSER $A", ["3:6 $A"]),
        ("FROM debian\nCOPY $A /b", []),
        ("FROM scratch\nCOPY ${A:-x} /b", []),
        ("FROM scratch\nRUN echo $A\nCMD $A", []),
        ("FROM scratch\nRUN --mount=target=/$A x", ["2:20 /$A"]),
    ],
}


UNSET = """\
# lamina: extended
FROM scratch AS x
ENV A=1 B=2
UNSET ENV A
FROM x AS y
USER $A$B
FROM x AS z
ENV A=3
USER $A
UNSET ENV
USER $PATH$B
FROM x
ARG A
UNSET ENV A
USER $A
"""


def test_what_was_unset_is_undefined() -> None:
    assert places("UndefinedVar", UNSET) == ["6:6 $A$B", "11:6 $PATH$B", "11:6 $PATH$B"]


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [(rule, text, found) for rule, cases in CASES.items() for text, found in cases],
)
def test_variables(rule: str, text: str, expected: list[str]) -> None:
    assert places(rule, text) == expected


def test_a_base_of_the_store_brings_its_variables() -> None:
    facts = BaseFacts(frozenset({"LANG"}), (), "", "linux/amd64")
    around = Surroundings(base={"debian": facts}.get)
    text = "FROM debian AS a\nENV A=$LANG:$PATH\nFROM a\nUSER $LANG$LNAG"
    assert places("UndefinedVar", text, around) == ["4:6 $LANG$LNAG"]
    (finding,) = findings("UndefinedVar", text, around)
    assert finding.hint == "Did you mean LANG?"


def test_triggers_of_the_stage_below_set_variables() -> None:
    text = (
        "FROM scratch AS a\nONBUILD ENV A=1\nONBUILD ARG B\nUSER $A\n"
        "FROM a AS b\nUSER $A$B\nFROM b AS c\nUSER $B\n"
    )
    assert places("UndefinedVar", text) == ["4:6 $A"]


def test_what_no_argument_could_set_has_its_own_hint() -> None:
    (finding,) = findings("UndefinedVar", "FROM scratch\nUSER $1")
    assert finding.hint.endswith("write \\$1.")


def test_a_chain_of_thousands_of_stages_is_no_effort() -> None:
    stages = [f"FROM s{n} AS s{n + 1}\nARG V{n}\nUSER $V{n}$X{n}" for n in range(2000)]
    text = "\n".join(["FROM scratch AS s0", *stages])
    assert len(places("UndefinedVar", text)) == 2000
