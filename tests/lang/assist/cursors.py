"""Texts with a `|` where the cursor is."""

from __future__ import annotations


def cursor(text: str) -> tuple[str, int]:
    """The text without its `|`, and where that stood."""
    at = text.index("|")
    return text[:at] + text[at + 1 :], at
