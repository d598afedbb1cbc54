"""What docs/checks.md says of each rule. The page is shipped with the package."""

from __future__ import annotations

import os

PAGE = os.path.join(os.path.dirname(os.path.realpath(__file__)), "checks.md")
_sections: dict[str, str] = {}


def explanation(name: str) -> str:
    """The section on a rule, in Markdown, without its title. Raises KeyError."""
    if not _sections:
        with open(PAGE, encoding="utf-8") as file:
            _, *found = file.read().split("\n### ")
        for section in found:
            title, _, text = section.partition("\n")
            _sections[title] = text.strip()
    return _sections[name]


def reasons(name: str) -> str:
    """Why a rule is there, in one paragraph of plain text. Raises KeyError."""
    _, *paragraphs = explanation(name).split("\n\n")
    kept = []
    for paragraph in paragraphs:
        if paragraph.startswith("Instead of"):
            break
        kept.append(" ".join(paragraph.split()))
    return " ".join(kept)


def as_text(name: str) -> str:
    """The section as a terminal shows it: code is indented, marks are gone."""
    lines = [name, ""]
    code = False
    for line in explanation(name).split("\n"):
        if line.startswith("```"):
            code = not code
        elif code:
            lines.append(f"    {line}".rstrip())
        else:
            lines.append(line.replace("**", "").replace("`", ""))
    return "\n".join(lines) + "\n"
