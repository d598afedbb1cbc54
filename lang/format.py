"""The one layout of a recipe, which never changes what the recipe means.

Keywords in upper case, one blank between words, one blank line at most between
instructions and one before each stage; lines that go on are indented by four blanks.
What a shell gets, what an image keeps as text (ONBUILD) and the lines of heredocs stay
as they are, to the byte. Works on the scanner's logical lines, where every character
knows its place, and then proves that nothing that it changed had a meaning.
"""

from __future__ import annotations

from lamina.errors import LaminaError
from lamina.lang import quirks
from lamina.lang.dialect import dialect_of
from lamina.lang.grammar import Grammar
from lamina.lang.instructions import parse_instruction
from lamina.lang.layout import Atom, Break, Layout, atoms
from lamina.lang.lines import DIRECTIVES, Fragment, Line, directive, scan
from lamina.lang.nodes import Env, From, Label, Pair, Substitution, Word
from lamina.lang.parser import parse
from lamina.lang.render import DELIMITERS, is_template
from lamina.lang.source import RecipeError, Source, Span
from lamina.lang.statement import parse_statement
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from lamina.lang.dialect import Dialect
    from lamina.lang.grammar import ParseCache
    from lamina.lang.lines import Scan
    from lamina.lang.nodes import Instruction, Parts, Recipe
    from lamina.lang.statement import Statement

    # Of each line; None where only a template knows what it will be.
    Nodes = tuple[Instruction | From | None, ...]


class FormatRefused(LaminaError):
    """What the formatter made would not mean the same: a bug of ours."""


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
        from lamina.lang.format_template import format_template

        return format_template(source, dialect, cache, render)
    nodes = nodes_of(parse(source, cache, dialect))
    reader = Reader(Grammar(cache), dialect)
    before = reader.scan(source)
    text = Writer(before, nodes, reader).write(source.text)
    if text != source.text:
        check_same(before, nodes, reader, Source(source.name, text))
    return text


def _has_tags(text: str) -> bool:
    return any(sign in text for sign in DELIMITERS)


def nodes_of(recipe: Recipe) -> Nodes:
    """The instructions of all lines, in their order."""
    stages = ((stage.base, *stage.instructions) for stage in recipe.stages)
    return (*recipe.global_args, *(node for stage in stages for node in stage))


class Reader:
    """Reads lines as the parser does."""

    def __init__(self, grammar: Grammar, dialect: Dialect) -> None:
        self.grammar = grammar
        self.dialect = dialect

    def scan(self, source: Source) -> Scan:
        return scan(source, self.grammar.openings, dialect=self.dialect)

    def statement(self, line: Line, escape: str) -> Statement:
        whole = Fragment(line, 0, len(line.text), line.text)
        return parse_statement(whole, escape, self.grammar, self.dialect)

    def meaning(self, line: Line, escape: str) -> object:
        """The instruction in a line, without places."""
        return meaning_of(parse_instruction(self.statement(line, escape)))


class Writer:
    """Writes a scanned text anew, from its start to its end."""

    def __init__(
        self,
        scanned: Scan,
        nodes: Nodes,
        reader: Reader,
        closing: frozenset[str] | None = None,
    ) -> None:
        """`closing`, of a template, are the comments that end something above."""
        self.closing = closing
        self.scanned = scanned
        self.nodes = nodes
        self.reader = reader
        self.text = ""
        self.at = 0
        self.out: list[str] = []
        self.directives = {
            found.span.start: f"# {found.name}: {found.value}"
            if found.name == "lamina"
            else f"# {found.name}={found.value}"
            for found in scanned.directives
        }

    def write(self, text: str) -> str:
        self.text = text
        self.at = 1 if text.startswith("\ufeff") else 0
        stages = 0
        for line, node in zip(self.scanned.lines, self.nodes, strict=True):
            between = self.between(self.text.rfind("\n", 0, line.offsets[0]) + 1)
            if isinstance(node, From):
                stages += 1
                between = _apart(between, self.closing or ()) if stages > 1 else between
            self.out += between
            self.instruction(line, node)
            self.heredocs(line)
        self.out += self.between(len(self.text))
        while not self.out[-1]:
            self.out.pop()
        return "\n".join(self.out) + "\n"

    def instruction(self, line: Line, node: Instruction | From | None) -> None:
        start = self.at
        breaks = self.breaks(line)
        if node is None:
            end, self.at = self.at, start
            self.out += self.verbatim(end)
            return
        words = atoms(self.reader.statement(line, self.scanned.escape))
        if isinstance(node, Env | Label) and words[-1].raw and self.closing is None:
            words = self.modern(line, node, words, breaks)
        self.out += Layout(line.text, breaks, self.scanned.escape).lines(words)

    def physical(self) -> tuple[int, str]:
        """The next line of the file, as it is, and where it starts."""
        start = self.at
        end = self.text.find("\n", start)
        self.at = len(self.text) if end < 0 else end + 1
        return start, self.text[start : end if end >= 0 else None].rstrip("\r")

    def between(self, end: int) -> list[str]:
        """The comments and blank lines from here up to `end`, in their layout."""
        top = not self.out
        lines: list[str] = []
        while self.at < end:
            start, written = self.physical()
            line = written.strip()
            if line and not line.startswith("#"):
                # A lone escape character: the comments after it are within an
                # instruction, where none of them means something.
                return [*lines, written.rstrip(), *self.verbatim(end)]
            if line or not lines or lines[-1]:
                indent = len(written) - len(written.lstrip())
                lines.append(self.directives.get(start + indent, line))
        if top and lines and not lines[0]:
            # Behind a blank line, a comment at the top is no directive.
            found = directive(lines[1]) if len(lines) > 1 else None
            if found is None or found[0] not in DIRECTIVES:
                del lines[0]
        return lines

    def verbatim(self, end: int) -> list[str]:
        lines = []
        while self.at < end:
            lines.append(self.physical()[1].rstrip())
        return lines

    def heredocs(self, line: Line) -> None:
        """Write what follows an instruction's last line: heredocs."""
        if self.goes_on(self.out[-1]) and self.at < len(self.text):
            # The blank at the end is all that keeps the next line apart.
            written = self.text[line.offsets[-1] : self.at].rstrip("\r\n")
            self.out[-1] += written[len(written.rstrip()) :]
        for _, heredoc in line.heredocs:
            self.at += len(heredoc.body)
            if heredoc.body:
                self.out.append(heredoc.body.removesuffix("\n"))
            self.out.append(self.physical()[1])

    def goes_on(self, text: str) -> bool:
        """Whether a line that ends so is continued by the next."""
        escapes = len(text) - len(text.rstrip(self.scanned.escape))
        alone = self.reader.dialect.keeps(quirks.ESCAPED_ESCAPE)
        return escapes == 1 if alone else escapes % 2 == 1

    def breaks(self, line: Line) -> tuple[Break, ...]:
        """Where the lines of an instruction end; leaves us behind the last one."""
        found = []
        pieces = zip(line.starts[1:], line.offsets[1:], strict=True)
        self.at = line.offsets[0]
        for start, offset in pieces:
            self.physical()
            found.append(Break(start, tuple(_comments(self.verbatim(offset)))))
        _, last = self.physical()
        if self.goes_on(last.rstrip(" \t")):
            # It goes on, but nothing comes: this is the end of the file.
            comments = tuple(_comments(self.verbatim(len(self.text))))
            found.append(Break(len(line.text), comments))
        return tuple(found)

    def modern(
        self,
        line: Line,
        node: Env | Label,
        words: tuple[Atom, ...],
        breaks: tuple[Break, ...],
    ) -> tuple[Atom, ...]:
        """`ENV key the rest` as `ENV key="the rest"`, where that is the same."""
        keyword, key, rest = words
        if any(key.start < found.at < rest.end for found in breaks):
            return words
        meant = meaning_of(node)
        quoted = () if '"' in rest.text else (f'"{rest.text}"',)
        for given in (rest.text, *quoted):
            text = f"{key.text}={given}"
            whole = f"{keyword.text} {text}"
            source = Source(line.source.name, whole)
            candidate = replace(
                line, source=source, text=whole, starts=(0,), offsets=(0,)
            )
            try:
                if self.reader.meaning(candidate, self.scanned.escape) == meant:
                    return keyword, Atom(key.start, rest.end, text)
            except RecipeError:
                continue
        return words


def _apart(between: list[str], closing: Collection[str]) -> list[str]:
    """What stands before a stage, with a blank line above the comments that are its."""
    above = max((n + 1 for n, line in enumerate(between) if line in closing), default=0)
    if "" in between[above:]:
        return between
    return [*between[:above], "", *between[above:]]


def _comments(lines: list[str]) -> list[str]:
    return [line.strip() for line in lines if line.strip()]


def check_same(
    before: Scan,
    nodes: Nodes,
    reader: Reader,
    result: Source,
) -> None:
    """Raise FormatRefused unless both texts have one and the same tree.

    A tree depends on nothing but the text, the heredocs and the comment of each line,
    so only lines whose text has changed need to be parsed again.
    """
    try:
        after = reader.scan(result)
        if len(before.lines) != len(after.lines) or _settings(before) != _settings(
            after
        ):
            raise refused("Its directives or instructions would not be the same.")
        for old, new, node in zip(before.lines, after.lines, nodes, strict=True):
            if not _same(old, new):
                raise refused(f"{_place(old)} would not be the same.")
            if old.text != new.text and (
                node is None or reader.meaning(new, before.escape) != meaning_of(node)
            ):
                raise refused(f"{_place(old)} would not mean the same.")
    except RecipeError as error:
        raise refused(f"The result cannot be parsed. {error.message}") from error


def _place(line: Line) -> str:
    return str(line.span(0, len(line.text)))


def refused(why: str) -> FormatRefused:
    return FormatRefused(
        f"This recipe cannot be formatted. {why}",
        hint="Nothing was changed. This is a bug of Lamina; please report the lines.",
    )


def _settings(scanned: Scan) -> tuple[object, ...]:
    directives = ((d.name, d.value, d.heading) for d in scanned.directives)
    return (scanned.escape, *directives)


def _same(old: Line, new: Line) -> bool:
    """Whether what belongs to a line beside its text is the same."""
    one, other = (tuple(doc for _, doc in line.heredocs) for line in (old, new))
    return old.comment == new.comment and meaning_of(one) == meaning_of(other)


def meaning_of(node: object) -> object:
    """A node without places; the words of ENV and LABEL by their values."""
    if isinstance(node, Span | Source):
        return None
    if isinstance(node, tuple):
        return tuple(meaning_of(inner) for inner in node)
    if isinstance(node, Pair):
        return _value(node.key), _value(node.value)
    if hasattr(node, "__fields__"):
        inner = (meaning_of(given) for given in node.__dict__.values())
        return (type(node), *inner)
    return node


def _value(word: Word) -> Parts:
    """What a word becomes, however it is quoted; ENV and LABEL split nothing."""
    parts = (word.text,) if word.parts is None else word.parts
    return tuple(
        part if isinstance(part, str) else replace(part, quoted=False)
        for part in parts
        if isinstance(part, Substitution) or part
    )
