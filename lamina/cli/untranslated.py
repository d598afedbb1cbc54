"""argparse without gettext, which looks for catalogues of its few words at every start.

gettext and the module locale that it takes along are 3 ms of each command, and nothing
else of Lamina's is translated either.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NAME = "gettext"


class _Words:
    """What argparse takes from gettext."""

    @staticmethod
    def gettext(text: str | None) -> str | None:
        """As it is: a section without a description has None."""
        return text

    @staticmethod
    def ngettext(one: str, many: str, count: int) -> str:
        return one if count == 1 else many


_modules: dict[str, Any] = sys.modules
_before = _modules.get(_NAME)
_modules[_NAME] = _Words
try:
    import argparse
finally:
    # Who needs gettext itself imports it as ever.
    del _modules[_NAME]
    if _before is not None:
        _modules[_NAME] = _before

__all__ = ("argparse",)
