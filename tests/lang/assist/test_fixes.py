from __future__ import annotations

from lamina.lang.assist.fixes import fixes
from lamina.lang.assist.reading import read
from lamina.lang.checks.checking import check
from lamina.lang.parser import examine
from lamina.lang.source import Source


def mended(text: str) -> dict[str, str]:
    """What each fix of the errors and findings in a text makes of it."""
    reading = read("Dockerfile", text)
    examined = examine(Source("Dockerfile", text))
    found = [("syntax", it.hint, it.span) for it in examined.errors]
    if examined.recipe is not None:
        found += [(it.rule, it.hint, it.span) for it in check(examined.recipe)]
    return {
        fix.title: text[: fix.start] + fix.text + text[fix.end :]
        for code, hint, span in found
        for fix in fixes(reading, code, hint, span)
    }


def test_what_was_probably_meant() -> None:
    assert mended("FROM a\nCOPPY a b\n")["Write COPY"] == "FROM a\nCOPY a b\n"
    assert mended("FROM a\nCOPY --chwon=1 a b\n")["Write --chown"] == (
        "FROM a\nCOPY --chown=1 a b\n"
    )
    assert mended("FROM a\nRUN --mount=type=cache,traget=/x y\n")["Write target"] == (
        "FROM a\nRUN --mount=type=cache,target=/x y\n"
    )
    assert mended("ARG VERSION\nFROM a:$VERSON\n")["Write VERSION"] == (
        "ARG VERSION\nFROM a:$VERSION\n"
    )


def test_a_check_is_left_out_for_its_instruction_only() -> None:
    text = "FROM a AS Big\nRUN x \\\n  y\nMAINTAINER x\n"
    again = mended(text)["Leave StageNameCasing out here"]
    assert again == f"\n# check=skip=StageNameCasing\n{text}"
    assert "Leave StageNameCasing out here" not in mended(again)
    again = mended(text)["Leave MaintainerDeprecated out here"]
    assert "\n# check=skip=MaintainerDeprecated\nMAINTAINER" in again
    assert "Leave MaintainerDeprecated out here" not in mended(again)
