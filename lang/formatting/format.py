"""The one layout of a recipe, which never changes what the recipe means.

Keywords in upper case, one blank between words, one blank line at most between
instructions and one before each stage; lines that go on are indented by four blanks.
What a shell gets, what an image keeps as text (ONBUILD) and the lines of heredocs stay
as they are, to the byte. Works on the scanner's logical lines, where every character
knows its place, and then proves that nothing that it changed had a meaning.
"""

from __future__ import annotations

from lamina.lang.dialect import dialect_of
from lamina.lang.formatting.reader import Reader
from lamina.lang.formatting.sameness import check_same, nodes_of
from lamina.lang.formatting.writer import Writer
from lamina.lang.source import Source
from lamina.lang.templates.render import DELIMITERS, is_template

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.lang.dialect import Dialect
    from lamina.lang.lalr import ParseCache


def format_source(
    source: Source,
    dialect: Dialect | None = None,
    cache: ParseCache | None = None,
    render: Callable[[Source], Source] | None = None,
) -> str:
    """The text of `source` in its canonical layout, with `\\n` at the ends of lines.

    A template is not formatted without `render`, which says what comes of it. Raises
    RecipeError for what cannot be parsed, or rendered. FormatRefused, and no text, when
    the result would not mean the same.
    """
    if dialect is None:
        dialect = dialect_of(source.name, source.text)
    if is_template(source.name, source.text) and _has_tags(source.text):
        from lamina.lang.formatting.format_template import format_template

        return format_template(source, dialect, cache, render)
    reader = Reader(cache, dialect)
    nodes = nodes_of(reader.parse(source))
    before = reader.scan(source)
    text = Writer(before, nodes, reader).write(source.text)
    if text != source.text:
        check_same(before, nodes, reader, Source(source.name, text))
    return text


def _has_tags(text: str) -> bool:
    return any(sign in text for sign in DELIMITERS)
