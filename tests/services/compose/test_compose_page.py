"""docs/compose.md names every key of the format, and what becomes of it."""

from __future__ import annotations

import re
from pathlib import Path

from lamina.services.compose.schema import PROJECT, SERVICE
from lamina.services.compose.support import ERROR, SERVICE_RULES

PAGE = (Path(__file__).parents[3] / "docs/compose.md").read_text()
FORMAT = PAGE.partition("## What of the file format is understood")[2]


def test_every_key_of_a_service_is_in_the_table() -> None:
    table = FORMAT.partition("Keys of a service:")[2].partition("At the top level")[0]
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    named = [key for row in rows for key in re.findall(r"`([a-z_]+)`", row)]
    assert sorted(named) == sorted(SERVICE)


def test_what_is_refused_is_told_so() -> None:
    refused = {r.path[0] for r in SERVICE_RULES if r.level == ERROR and not r.when}
    table = FORMAT.partition("Keys of a service:")[2]
    for row in table.splitlines():
        keys = set(re.findall(r"`([a-z_]+)`", row.partition("| ")[2].partition("|")[0]))
        if keys & refused - {"deploy"}:
            assert "refused" in row


def test_every_section_is_named() -> None:
    top = FORMAT.partition("At the top level")[2]
    for key in PROJECT:
        assert f"`{key}`" in top
