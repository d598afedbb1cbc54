"""What was probably meant by a name that does not exist."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str], near: float = 0.6) -> str:
    """`Did you mean X?` for the nearest of `known`, or "" when none is near: 1 is the
    same name, 0 one without a common letter."""
    import difflib  # only where an error is on its way: 8 ms

    spelled = {candidate.lower(): candidate for candidate in known}
    found = difflib.get_close_matches(name.lower(), spelled, n=1, cutoff=near)
    return f"Did you mean {spelled[found[0]]}?" if found else ""
