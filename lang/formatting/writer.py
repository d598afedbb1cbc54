"""Writing a recipe anew, line by line: layout where it means nothing, the rest as it
is."""

from __future__ import annotations

from lamina.lang import quirks
from lamina.lang.dialect import directive
from lamina.lang.formatting.layout import Atom, Break, Layout, atoms
from lamina.lang.formatting.sameness import meaning_of
from lamina.lang.lines import DIRECTIVES, Line
from lamina.lang.nodes import Env, From, Label
from lamina.lang.source import RecipeError, Source
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from lamina.lang.formatting.reader import Reader
    from lamina.lang.formatting.sameness import Nodes
    from lamina.lang.lines import Scan
    from lamina.lang.nodes import Instruction


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
        legacy = words[-1].raw and len(words) == 3 and self.closing is None
        if legacy and isinstance(node, Env | Label):
            words = self.modern(line, node, words, breaks)
        lines = Layout(line.text, breaks, self.scanned.escape).lines(words)
        if self.goes_on(lines[-1]) and not lines[-1].lstrip().startswith("#"):
            # What the scanner took for nothing keeps the next line apart.
            end = line.span(0, len(line.text)).end
            written = self.text[end : self.at].partition("\n")[0]
            lines[-1] += written.rstrip("\r")
        self.out += lines

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
        """Write the bodies of heredocs and the lines that end them."""
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
        meant, escape = meaning_of(node), self.scanned.escape
        candidates = [rest.text] if _may_be_one_word(rest.text, escape) else []
        if '"' not in rest.text:
            candidates.append(f'"{rest.text}"')
        for given in candidates:
            text = f"{key.text}={given}"
            whole = f"{keyword.text} {text}"
            source = Source(line.source.name, whole)
            candidate = replace(
                line, source=source, text=whole, starts=(0,), offsets=(0,)
            )
            try:
                if meaning_of(self.reader.instruction(candidate, escape)) == meant:
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


def _may_be_one_word(text: str, escape: str) -> bool:
    """Whether a text stands for one value as it is: no blank in it, or one that quotes
    or escapes may keep."""
    keeping = any(sign in text for sign in ('"', "'", escape))
    return keeping or len(text.split()) == 1


def _comments(lines: list[str]) -> list[str]:
    return [line.strip() for line in lines if line.strip()]
