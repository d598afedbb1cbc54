"""The table of checks, and how they are left out or made errors."""

from __future__ import annotations

import pytest

from lamina.lang.checks.checking import CheckOptions, check
from lamina.lang.checks.finding import Finding
from lamina.lang.checks.rules import RULES, link, rule_of
from lamina.lang.checks.settings import InvalidCheckOption
from lamina.lang.checks.surroundings import UNKNOWN
from lamina.lang.parser import parse
from lamina.lang.source import Source

BAD = "FROM a:1 AS Build\nMAINTAINER x\n"
NOTED = "FROM a\nRUN apt-get install x\n"
NAMES = ["StageNameCasing", "MaintainerDeprecated"]


def findings(text: str, options: CheckOptions | None = None) -> tuple[Finding, ...]:
    recipe = parse(Source("Recipe", text))
    return check(recipe, UNKNOWN, options or CheckOptions())


def rules(text: str, options: CheckOptions | None = None) -> list[str]:
    return [finding.rule for finding in findings(text, options)]


def test_the_table() -> None:
    assert [rule.name for rule in RULES] == sorted(rule.name for rule in RULES)
    aliases = [rule.alias for rule in RULES if rule.alias]
    assert len(set(aliases)) == len(aliases)
    for rule in RULES:
        assert rule.find.__doc__, rule.name
        assert not rule.what.endswith("."), rule.name


def test_an_honest_recipe_has_no_findings() -> None:
    text = 'FROM debian AS x\nWORKDIR /a\nRUN make\nCMD ["/a/b"]\n'
    assert rules(text) == []


def test_notes_are_for_those_who_ask() -> None:
    assert rules(NOTED) == []
    every = rules(NOTED, CheckOptions(least="note"))
    assert every == ["UntaggedBase", "UnpinnedAptPackage"]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (BAD, NAMES),
        (f"# check=skip=StageNameCasing\n{BAD}", ["MaintainerDeprecated"]),
        (f"# check=skip=stagenamecasing, MaintainerDeprecated\n{BAD}", []),
        (f"# check=skip=all;error=true\n{BAD}", []),
        (f"# check=error=true;skip=all\n{BAD}", []),
        (BAD.replace("MAIN", "# check=skip=all\nMAIN"), NAMES[:1]),
        (BAD.replace("MAIN", "# check=skip=StageNameCasing\n# why\nMAIN"), NAMES),
        (
            BAD.replace("MAIN", "# check=skip=MaintainerDeprecated\n\nMAIN"),
            NAMES[:1],
        ),
    ],
)
def test_a_recipe_leaves_rules_out(text: str, left: list[str]) -> None:
    assert rules(text) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("FROM a:1\n# hadolint ignore=DL3008\nRUN apt-get install x", []),
        ("FROM a:1\n# hadolint ignore=DL3009,DL3008 # why\nRUN apt-get install x", []),
        ("# hadolint global ignore=DL3008\nFROM a:1\nRUN apt-get install x", []),
        ("FROM a:1\n# check=skip=DL3008\nRUN apt-get install x", []),
        (
            "FROM a:1\n# hadolint ignore=DL3008\nRUN b\nRUN apt-get install x",
            ["UnpinnedAptPackage"],
        ),
        (
            "FROM a:1\nRUN apt-get install x # hadolint ignore=DL3008",
            ["UnpinnedAptPackage"],
        ),
    ],
)
def test_hadolints_comments_work(text: str, left: list[str]) -> None:
    assert rules(text, CheckOptions(least="note")) == left


def test_the_command_line_leaves_rules_out() -> None:
    assert rules(BAD, CheckOptions(skip=("StageNameCasing",))) == NAMES[1:]
    assert rules(BAD, CheckOptions(only=("StageNameCasing",))) == NAMES[:1]
    assert rules(BAD, CheckOptions(only=("all",), skip=("all",))) == []
    assert rules(NOTED, CheckOptions(only=("dl3006",), least="note")) == [
        "UntaggedBase"
    ]
    with pytest.raises(InvalidCheckOption, match="There is no check 'Stage'"):
        findings(BAD, CheckOptions(skip=("Stage",)))


def test_a_build_argument_stands_in_for_the_directive() -> None:
    text = f"# check=skip=all\n{BAD}"
    assert rules(text, CheckOptions(directive="")) == NAMES
    one = CheckOptions(directive="skip=StageNameCasing;error=1")
    assert [(f.rule, f.level) for f in findings(text, one)] == [
        ("MaintainerDeprecated", "error")
    ]
    with pytest.raises(InvalidCheckOption, match="knows no 'skp=all'"):
        findings(BAD, CheckOptions(directive="skp=all"))


def test_warnings_can_be_errors() -> None:
    def levels(text: str, options: CheckOptions) -> list[str]:
        return [finding.level for finding in findings(text, options)]

    every = CheckOptions(least="note")
    assert levels(BAD, CheckOptions()) == ["warning", "warning"]
    assert levels(f"# check=error=true\n{BAD}", CheckOptions()) == ["error", "error"]
    assert levels(BAD, CheckOptions(error=True)) == ["error", "error"]
    assert levels(f"# check=error=true\n{NOTED}", every) == ["note", "note"]
    assert levels(NOTED, CheckOptions(strict=True, least="note")) == ["error", "error"]


@pytest.mark.parametrize(
    ("directive", "message", "hint"),
    [
        ("skp=all", "`# check=` knows no 'skp=all'", "Did you mean skip?"),
        ("error=yes", "error cannot be 'yes'", "It is true or false."),
        ("skip=SC1;all", "`# check=` knows no 'all'", "It knows skip, error"),
    ],
)
def test_a_directive_that_means_nothing(
    directive: str, message: str, hint: str
) -> None:
    first = findings(f"# check={directive}\nFROM a")[0]
    assert (first.rule, first.level) == ("InvalidCheckDirective", "error")
    assert first.message == message
    assert first.hint.startswith(hint)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "# check=skip=StageNameCase\nFROM a",
            "There is no check 'StageNameCase'",
            "Did you mean StageNameCasing?",
        ),
        ("FROM a\n# check=error\nRUN b", "`# check=` knows no 'error'", "Write error="),
    ],
)
def test_a_comment_that_does_nothing(text: str, message: str, hint: str) -> None:
    (found,) = findings(text)
    assert (found.rule, found.level) == ("IneffectiveCheckComment", "warning")
    assert found.message == message
    assert found.hint.startswith(hint)


def test_codes_of_others_are_no_mistake() -> None:
    assert rules("# check=skip=SC2086,DL9999\nFROM a") == []


EXPERIMENTAL = "# the version\nARG V\nFROM a"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (EXPERIMENTAL, 0),
        (f"# check=experimental=all\n{EXPERIMENTAL}", 1),
        (f"# check=experimental=InvalidDefinitionDescription\n{EXPERIMENTAL}", 1),
        ("ARG A\n# check=experimental=all\n# the version\nARG V\n# x\nFROM a AS b", 1),
    ],
)
def test_experimental_rules_are_asked_for(text: str, count: int) -> None:
    assert rules(text) == ["InvalidDefinitionDescription"] * count


def test_links() -> None:
    assert link("UndefinedVar") == ""
    assert link("SC2086") == "https://www.shellcheck.net/wiki/SC2086"
    assert rule_of("SC2086").name == "ShellCheck"


def test_findings_come_in_the_order_of_the_lines() -> None:
    lines = [finding.span.line for finding in findings(BAD * 3)]
    assert lines == sorted(lines)
