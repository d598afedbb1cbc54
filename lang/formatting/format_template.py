"""The layout of a template: of what stands between its tags.

Lines that are tags, and whatever a macro, `call`, `filter`, `set` or `raw` block holds,
stay as they are: that text may end up anywhere. Elsewhere a tag counts as a piece of a
word, and an instruction that cannot be read so is left alone. Then both texts are
rendered, and have to give the same tree.
"""

from __future__ import annotations

import re

from lamina.errors import LaminaError
from lamina.lang.dialect import heading
from lamina.lang.formatting.reader import Reader
from lamina.lang.formatting.sameness import check_same, meaning_of, nodes_of
from lamina.lang.formatting.writer import Writer
from lamina.lang.source import RecipeError, Source, Span, excerpt, unix_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.lang.dialect import Dialect
    from lamina.lang.lalr import ParseCache
    from lamina.lang.lines import Line
    from lamina.lang.nodes import From, Instruction

_STRINGS = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|(?!%s).)*"""
_INSIDE = _STRINGS % "%}"
TAG = re.compile(
    rf"""
    \{{%\#.*?\#%\}}
  | \{{%[-+]?\s*raw\s*[-+]?%\}}.*?\{{%[-+]?\s*endraw\s*[-+]?%\}}
  | \{{%[-+]?\s*(?P<block>macro|call|filter|set)\b
      (?:(?<!set)|(?![^%]*=)){_INSIDE}%\}}
      .*?\{{%[-+]?\s*end(?P=block)\s*[-+]?%\}}
  | \{{%{_INSIDE}%\}}
  | \{{\{{{_STRINGS % "}}"}\}}\}}
    """,
    re.DOTALL | re.VERBOSE,
)
OPENING = re.compile(r"\{%[-+]?\s*(if|for|block|with)\b")
CLOSING = re.compile(r"\s*\{%[-+]?\s*(end|else|elif)")
ENDING = re.compile(r"\{%[-+]?\s*end")
WHOLE = "It is left as it is. Blocks that hold whole instructions can be formatted."


class NotFormatted(LaminaError):
    """A template that is left as it is."""


def format_template(
    source: Source,
    dialect: Dialect,
    cache: ParseCache | None,
    render: Callable[[Source], Source] | None,
) -> str:
    """The text of a template in its layout; see `format.format_source`."""
    if render is None:
        raise NotFormatted(
            "A template is formatted only by who can render it.",
            hint="`lamina fmt` does, with --set and --values where they are needed.",
        )
    source = unix_lines(source)
    reader = Reader(cache, dialect)
    tree = _tree(render(source), reader)
    mask = _Mask(source)
    try:
        text = mask.undone(_laid_out(mask, reader))
        same = _tree(render(Source(source.name, text)), reader) == tree
    except RecipeError as error:
        raise NotFormatted(
            f"Between its tags, this template is no recipe. {error.message}", hint=WHOLE
        ) from error
    if not same:
        raise NotFormatted(
            "Another layout would change what this template gives.", hint=WHOLE
        )
    return text


def _laid_out(mask: _Mask, reader: Reader) -> str:
    masked = Source(mask.source.name, mask.text)
    before = reader.scan(masked)
    for line in before.lines:
        mask.check_blocks(masked.text, line.offsets[0], line.offsets[-1])
    nodes = tuple(_node(line, before.escape, reader) for line in before.lines)
    text = Writer(before, nodes, reader, mask.closing).write(masked.text)
    check_same(before, nodes, reader, Source(masked.name, text))
    return text


def _tree(rendered: Source, reader: Reader) -> object:
    recipe = reader.parse(rendered)
    directives = tuple((d.name, d.value, d.heading) for d in recipe.directives)
    return recipe.escape, directives, meaning_of(nodes_of(recipe))


def _node(line: Line, escape: str, reader: Reader) -> Instruction | From | None:
    try:
        return reader.instruction(line, escape)
    except RecipeError:
        return None


class _Mask:
    """A template's text with a comment for each line of tags, and a word for each tag
    within a line."""

    def __init__(self, source: Source) -> None:
        text = source.text
        self.source = source
        self.prefix = "jinja"
        while self.prefix in text:
            self.prefix += "x"
        self.placeholder = re.compile(rf"{self.prefix}\d+z")
        self.places: dict[str, int] = {}
        self.lines: dict[str, str] = {}
        self.words: dict[str, str] = {}
        start = max((text.find("\n", it.end) for it in heading(text)), default=0)
        self.start = start
        self.text = text[:start] + self._masked(text[start:])
        self.closing = frozenset(
            comment for comment, line in self.lines.items() if CLOSING.match(line)
        )

    def _masked(self, text: str) -> str:
        pieces = []
        at = 0
        for start, end in self._groups(text):
            first = text.rfind("\n", 0, start) + 1
            last = text.find("\n", end)
            last = len(text) if last < 0 else last
            word = f"{self.prefix}{len(self.lines) + len(self.words)}z"
            self.places[word] = self.start + start
            if first >= at and not (text[first:start] + text[end:last]).strip():
                comment = f"# {word}"
                self.lines[comment] = text[first:last]
                pieces += [text[at:first], comment]
                at = last
            else:
                self.words[word] = text[start:end]
                pieces += [text[at:start], word]
                at = end
        return "".join([*pieces, text[at:]])

    def _groups(self, text: str) -> list[tuple[int, int]]:
        """Where tags stand; neighbours with nothing but blanks between them are one."""
        found: list[tuple[int, int]] = []
        for tag in TAG.finditer(text):
            if found and not text[found[-1][1] : tag.start()].strip(" \t"):
                found[-1] = (found[-1][0], tag.end())
            else:
                found.append(tag.span())
        return found

    def check_blocks(self, text: str, start: int, last: int) -> None:
        """Refuse a block that begins or ends within the instruction between the two
        places: with other values that would be another one, or several."""
        end = text.find("\n", last)
        depth = 0
        word = ""
        for found in self.placeholder.finditer(
            text, start, len(text) if end < 0 else end
        ):
            word = found[0]
            for tag in TAG.finditer(self.words.get(word) or self.lines[f"# {word}"]):
                if CLOSING.match(tag[0]) and not depth:
                    raise self._cut(word)
                depth += bool(OPENING.match(tag[0])) - bool(ENDING.match(tag[0]))
        if depth:
            raise self._cut(word)

    def _cut(self, word: str) -> NotFormatted:
        start = self.places[word]
        span = Span(self.source, start, self.source.text.find("}", start))
        return NotFormatted(
            "This block begins or ends within an instruction.",
            hint=WHOLE,
            place=str(span),
            excerpt=excerpt(span),
        )

    def undone(self, text: str) -> str:
        """The template again."""
        lines = [self.lines.get(line.strip(), line) for line in text.split("\n")]
        return self.placeholder.sub(
            lambda found: self.words[found[0]], "\n".join(lines)
        )
