"""What is told of a word."""

from __future__ import annotations

from lamina.values import value


@value
class Entry:
    """How a word is written, and what it does."""

    usage: str
    text: str
