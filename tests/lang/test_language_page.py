"""docs/language.md names all that the language has."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.lang.dialect import SETTINGS
from lamina.lang.instructions import BOOTSTRAP_FLAGS, TABLE
from lamina.lang.mounts import FIELDS
from lamina.lang.quirks import QUIRKS, Quirk

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "language.md").read_text()


@pytest.mark.parametrize("quirk", QUIRKS, ids=lambda quirk: str(quirk.name))
def test_every_difference_has_its_row(quirk: Quirk) -> None:
    assert f"| `{quirk.name}` | {quirk.lamina} | {quirk.buildkit} | " in PAGE


@pytest.mark.parametrize("keyword", TABLE)
def test_every_instruction_and_flag_is_there(keyword: str) -> None:
    form = TABLE[keyword]
    assert f"`{keyword}`" in PAGE
    assert [flag for flag in form.flags if f"--{flag}" not in PAGE] == []
    assert [flag for flag in form.extended_flags if f"--{flag}" not in PAGE] == []


def test_flags_of_bases_mounts_and_settings_are_there() -> None:
    for flag in BOOTSTRAP_FLAGS:
        assert f"--{flag}" in PAGE
    for kind, fields in FIELDS.items():
        assert f"`{kind}`" in PAGE
        assert all(field in PAGE for field in fields)
    for setting in SETTINGS:
        assert f"{setting}" in PAGE


def test_links_lead_somewhere() -> None:
    for part in PAGE.split("](")[1:]:
        target = part.partition(")")[0]
        if target.startswith("#"):
            heading = target[1:].replace("-", " ")
            assert f"## {heading}" in PAGE.lower(), target
        else:
            assert (DOCS / target).exists(), target
