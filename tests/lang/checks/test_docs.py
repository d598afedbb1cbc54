"""docs/checks.md: a section for each rule, whose examples do as they say."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from lamina.builder.checking.shellcheck import examiner, find_shellcheck
from lamina.builder.checking.surroundings import surroundings
from lamina.lang.checks.checking import CheckOptions, check
from lamina.lang.checks.finding import Finding
from lamina.lang.checks.rule import Rule
from lamina.lang.checks.rules import RULES
from lamina.lang.checks.surroundings import BaseFacts
from lamina.lang.dialect import Dialect
from lamina.lang.parser import parse
from lamina.lang.source import Source
from lamina.values import replace

PAGE = Path(__file__).parents[3] / "docs" / "checks.md"
SECTIONS = {
    text.partition("\n")[0]: text
    for text in PAGE.read_text(encoding="utf-8").split("\n### ")[1:]
}
ARM = BaseFacts(frozenset(), (), "", "linux/arm64")
PROGRAM = find_shellcheck(os.environ.get("PATH", ""))
AROUND = replace(
    surroundings(lambda: None, b"*.log", "linux/amd64"), base={"tool:1": ARM}.get
)


def test_every_rule_has_its_section() -> None:
    assert list(SECTIONS) == [rule.name for rule in RULES]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_section(rule: Rule) -> None:
    text = SECTIONS[rule.name]
    assert f"**{rule.what}.** {rule.level.capitalize()};" in text
    assert (f"hadolint's {rule.alias}." in text) == bool(rule.alias)
    bad, good = re.findall(r"```dockerfile\n(.*?)```", text, re.DOTALL)
    assert findings(rule.name, bad, "compat=buildkit" in text)
    assert findings(rule.name, good, compat=False) == ()


def findings(rule: str, text: str, compat: bool) -> tuple[Finding, ...]:
    around = AROUND
    if rule == "ShellCheck":
        assert PROGRAM is not None
        around = replace(around, examine=examiner(PROGRAM, 1))
    recipe = parse(Source("Dockerfile", text), dialect=Dialect(compat=compat))
    return check(recipe, around, CheckOptions(only=(rule,), least="note"))
