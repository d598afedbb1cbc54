"""What README and docs/ promise of each other, and of the command line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lamina.cli.commands import COMMANDS

PROJECT = Path(__file__).parents[1]
PAGES = [
    *sorted(PROJECT.glob("*.md")),
    *sorted(PROJECT.glob("docs/**/*.md")),
    *sorted(PROJECT.glob("samples/*/README.md")),
]

FOLDERS = (
    "builder",
    "lamina/cli",
    "lang",
    "oci",
    "runtime",
    "services",
    "samples",
    "tests",
)
MODULES = [
    str(path.relative_to(PROJECT))
    for folder in FOLDERS
    for suffix in ("py", "lark")
    for path in (PROJECT / folder).rglob(f"*.{suffix}")
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_to_what_is_there(page: Path) -> None:
    text = _without_code(page.read_text())
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, heading = target.partition("#")
        other = page.parent / name if name else page
        assert other.exists(), target
        assert not heading or heading in _headings(other), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_pages_that_are_named_are_there(page: Path) -> None:
    for name in re.findall(r"\b(?:docs|samples|tests)/[\w./-]*\w", page.read_text()):
        assert (PROJECT / name).exists(), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_modules_that_are_named_are_there(page: Path) -> None:
    # A decision is about the day when it was made.
    if page.parent.name != "decisions":
        for name in re.findall(r"`([\w./-]+\.(?:py|lark))`", page.read_text()):
            assert any(f"/{path}".endswith(f"/{name}") for path in MODULES), name


def test_the_readme_has_every_command() -> None:
    table = (PROJECT / "README.md").read_text().partition("## Commands")[2]
    named = set()
    for row in table.splitlines():
        if row.startswith("| `"):
            first, *more = re.findall(r"`([^`]+)`", row.split("|")[1])
            # In the row of `system check`, all are of `system`.
            named |= {first.split()[0], *(() if " " in first else more)}
    assert named == {*COMMANDS, "lamina-runtime"}


def _without_code(text: str) -> str:
    """A page without its examples."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return re.sub(r"`[^`\n]*`", "", text)


def _headings(page: Path) -> set[str]:
    """The anchors that a page has, as GitHub makes them of its headings."""
    found = set()
    for line in re.findall(r"^#+ (.*)$", page.read_text(), flags=re.M):
        plain = re.sub(r"[^\w\- ]", "", line.lower())
        found.add(plain.strip().replace(" ", "-"))
    return found
