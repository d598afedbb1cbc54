"""Errors and warnings as lines on stderr."""

from __future__ import annotations

import sys

from lamina.errors import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.errors import LaminaError


def print_error(error: LaminaError) -> None:
    """An error: what, where, the excerpt, how to get on."""
    lines = [f"lamina: {error.message}"]
    if error.place:
        lines.append(f"  at {error.place}")
    if error.excerpt:
        lines.append(error.excerpt)
    if error.hint:
        lines.append(f"  hint: {error.hint}")
    print(visible("\n".join(lines)), file=sys.stderr)


def warn(text: str, hint: str = "") -> None:
    """What ends nothing, and should be known."""
    more = f"\n  hint: {hint}" if hint else ""
    print(visible(f"lamina: warning: {text}{more}"), file=sys.stderr)
