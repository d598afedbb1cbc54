"""Reading a recipe several times, as a tool does that writes it anew."""

from __future__ import annotations

from lamina.lang.grammar import Grammar
from lamina.lang.instructions import parse_instruction
from lamina.lang.lines import Fragment, scan
from lamina.lang.parser import parse
from lamina.lang.statement import parse_statement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lamina.lang.dialect import Dialect
    from lamina.lang.lalr import ParseCache
    from lamina.lang.lines import Line, Scan
    from lamina.lang.nodes import From, Instruction
    from lamina.lang.recipe import Recipe
    from lamina.lang.source import Source
    from lamina.lang.statement import Statement


class _Remembering(Grammar):
    """Grammars that parse no text twice."""

    def __init__(self, cache: ParseCache | None) -> None:
        super().__init__(cache)
        self._known: dict[tuple[str, str, str], Any] = {}

    def _parse(self, name: str, start: str, text: str) -> Any:
        key = (name, start, text)
        if key not in self._known:
            self._known[key] = super()._parse(name, start, text)
        return self._known[key]


class Reader:
    """The language, as the parser reads it; what it has read once costs nothing."""

    def __init__(self, cache: ParseCache | None, dialect: Dialect) -> None:
        self.grammar = _Remembering(cache)
        self.dialect = dialect

    def parse(self, source: Source) -> Recipe:
        return parse(source, self.grammar.cache, self.dialect)

    def scan(self, source: Source) -> Scan:
        return scan(source, self.grammar.openings, dialect=self.dialect)

    def statement(self, line: Line, escape: str) -> Statement:
        whole = Fragment(line, 0, len(line.text), line.text)
        return parse_statement(whole, escape, self.grammar, self.dialect)

    def instruction(self, line: Line, escape: str) -> Instruction | From:
        return parse_instruction(self.statement(line, escape))
