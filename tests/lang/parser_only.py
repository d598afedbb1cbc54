"""The grammars without a regular expression: what `lang.regular` is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.lang.grammar import Grammar
from lamina.lang.regular import Regular

if TYPE_CHECKING:
    from lamina.lang.statement import Locate


class WithoutPatterns(Regular):
    """Leaves all to the parser."""

    def __init__(self) -> None:
        super().__init__({})

    def tree(self, start: str, text: str) -> None:
        return None

    def begins(self, start: str, text: str) -> bool:
        return True

    def parts(self, start: str, text: str, place: Locate) -> None:
        return None


class Parser(Grammar):
    """The grammars as their parsers alone read them."""

    def __init__(self) -> None:
        super().__init__(None)

    def _patterns(self, name: str) -> Regular:
        return WithoutPatterns()
