"""Whether two texts are one recipe: the proof that a formatter changed nothing."""

from __future__ import annotations

from lamina.errors import LaminaError
from lamina.lang.source import RecipeError, Source, Span
from lamina.lang.words import Pair, Substitution
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.lang.formatting.reader import Reader
    from lamina.lang.lines import Line, Scan
    from lamina.lang.nodes import From, Instruction
    from lamina.lang.recipe import Recipe
    from lamina.lang.words import Word

    # Of each line; None where only a template knows what it will be.
    Nodes = tuple[Instruction | From | None, ...]


class FormatRefused(LaminaError):
    """What the formatter made would not mean the same: a bug of ours."""


def nodes_of(recipe: Recipe) -> Nodes:
    """The instructions of all lines, in their order."""
    stages = ((stage.base, *stage.instructions) for stage in recipe.stages)
    return (*recipe.global_args, *(node for stage in stages for node in stage))


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
            if old.text == new.text:
                continue
            # What only a template knows has to stay.
            if node is None or meaning_of(node) != meaning_of(
                reader.instruction(new, before.escape)
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


def _value(word: Word) -> object:
    """What a word becomes, however it is quoted; ENV and LABEL split nothing."""
    parts = (word.text,) if word.parts is None else word.parts
    return meaning_of(
        tuple(
            part if isinstance(part, str) else replace(part, quoted=False)
            for part in parts
            if isinstance(part, Substitution) or part
        )
    )
