"""What was probably meant by a name that does not exist."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`Did you mean X?` for the nearest of `known`, or "" when none is near."""
    import difflib  # only where an error is on its way: 8 ms

    spelled = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(name.lower(), spelled, n=1)
    return f"Did you mean {spelled[near[0]]}?" if near else ""
