"""A recipe's text to its nodes."""

from __future__ import annotations

from lamina.lang.dialect import EXTENDED, Dialect, dialect_of, foreign_syntax
from lamina.lang.grammar import Grammar
from lamina.lang.instructions import parse_instruction
from lamina.lang.lines import Fragment, Line, scan, stop, trigger_line
from lamina.lang.nodes import Arg, From, Onbuild
from lamina.lang.recipe import Recipe
from lamina.lang.source import RecipeError, Source, Span
from lamina.lang.stages import assemble, check_references, nothing_built
from lamina.lang.statement import parse_statement
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lamina.lang.lalr import ParseCache
    from lamina.lang.nodes import Instruction


def parse(
    source: Source, cache: ParseCache | None = None, dialect: Dialect | None = None
) -> Recipe:
    """The recipe in `source`. Raises RecipeError at the first thing that is wrong.

    Without a `dialect`, the source's name and heading say it. With a `cache`, text
    that was parsed before costs no parsing and no import, and in the same process
    nothing.
    """
    if dialect is None:
        dialect = dialect_of(source.name, source.text)
    if cache is None:
        return parse_with(Grammar(None), source, dialect)
    from lamina.lang.codec import cache_key, decode, encode

    key = cache_key("recipe", f"{dialect}{source.text}")
    known = cache.get(key)
    recipe = None
    if known is not None:
        recipe = _recent.get((source, dialect)) or decode(known, source, dialect)
    if recipe is None:
        recipe = parse_with(Grammar(cache), source, dialect)
        cache.put(key, encode(recipe))
    _remember(recipe)
    return recipe


# A process reads few recipes, and some of them again and again (`watch`, `fmt`).
MOST_RECENT = 4
_recent: dict[tuple[Source, Dialect], Recipe] = {}


def _remember(recipe: Recipe) -> None:
    """Keep the nodes of what was read last, for this process."""
    if recipe.source.origins:
        return  # each rendering is another text
    key = (recipe.source, recipe.dialect)
    _recent.pop(key, None)
    if len(_recent) == MOST_RECENT:
        del _recent[next(iter(_recent))]
    _recent[key] = recipe


# Nobody reads more, and a file with as many is something else than a recipe.
MOST_ERRORS = 500


@value
class Examined:
    """What could be read of a recipe, None where that is not one stage, and all that
    is wrong with it, in the order of its lines (with MOST_ERRORS of them nothing could
    be read)."""

    recipe: Recipe | None
    errors: tuple[RecipeError, ...]


def examine(source: Source, dialect: Dialect | None = None) -> Examined:
    """`source` read to its end: an instruction that is wrong is left out and told.

    With a FROM that cannot be read its stage is left out, and then what the others
    take from stages is not checked.
    """
    errors: list[RecipeError] = []
    if dialect is None:
        try:
            dialect = dialect_of(source.name, source.text)
        except RecipeError as error:
            errors.append(error)
            dialect = EXTENDED

    def report(error: RecipeError) -> None:
        errors.append(error)
        if len(errors) == MOST_ERRORS:
            raise error

    recipe = None
    try:
        recipe = _read(source, Grammar(None), dialect, report)
    except RecipeError as error:
        assert error is errors[-1]
    errors.sort(key=lambda error: error.span.start)
    return Examined(recipe if recipe and recipe.stages else None, tuple(errors))


def parse_trigger(
    text: str, escape: str, span: Span, compat: bool = False
) -> Instruction:
    """The instruction in an ONBUILD trigger that a base image brings.

    `span` is its FROM: all nodes and errors stand there. It is read as extended,
    whatever the file that triggers it is: its words are the base's.
    """
    dialect = Dialect(extended=True, compat=compat)
    grammar = Grammar(None)
    try:
        source = Source("ONBUILD", text)
        lines = trigger_line(source, grammar.openings, escape, span, dialect)
        if len(lines) != 1:
            raise RecipeError("It is not one instruction.", span)
        instruction = _instruction(lines[0], escape, grammar, dialect)
        if isinstance(instruction, From | Onbuild):
            raise RecipeError("This instruction cannot be a trigger.", span)
    except RecipeError as error:
        wrong = RecipeError(error.message, span, hint=error.hint)
        raise of_trigger(wrong, text) from None
    return instruction


def triggered(texts: Iterable[str], escape: str, span: Span) -> tuple[Instruction, ...]:
    """The instructions in triggers; without those that cannot be read, of which the
    build tells."""
    found = []
    for text in texts:
        try:
            found.append(parse_trigger(text, escape, span))
        except RecipeError:
            continue
    return tuple(found)


def of_trigger(error: RecipeError, text: str) -> RecipeError:
    """The same error, which says that a trigger has it: at its place there is none."""
    shown = text if len(text) < 60 else f"{text[:57]}..."
    error.message = f"The base brings a trigger that is wrong here. {error.message}"
    error.hint = f"The trigger is {shown!r}. {error.hint}".strip()
    return error


def parse_with(grammar: Grammar, source: Source, dialect: Dialect) -> Recipe:
    """As `parse`, with grammars that are open already."""
    return _read(source, grammar, dialect, stop)


def _read(
    source: Source,
    grammar: Grammar,
    dialect: Dialect,
    report: Callable[[RecipeError], None],
) -> Recipe:
    """The recipe, without what was reported, if `report` returns."""
    foreign = foreign_syntax(source.text)
    if foreign is not None:
        report(
            RecipeError(
                f"This is no Dockerfile: it is written for {foreign}.",
                Span(source, 0, 1),
                hint="Lamina reads Dockerfiles and recipes, and fetches no frontend "
                "for other languages.",
            )
        )
        return Recipe(source, "\\", (), (), (), dialect)
    scanned = scan(source, grammar.openings, report, dialect)
    instructions: list[Instruction | From] = []
    # Whether a FROM was lost, maybe behind an unknown word, and what belongs to it.
    lost = skipping = started = False
    for line in scanned.lines:
        try:
            instruction = _instruction(line, scanned.escape, grammar, dialect)
        except RecipeError as error:
            report(error)
            if not started or line.text[:5].upper().split() == ["FROM"]:
                lost = skipping = True
            continue
        if isinstance(instruction, From):
            started, skipping = True, False
        if not skipping or (isinstance(instruction, Arg) and not started):
            instructions.append(instruction)
    global_args, stages = assemble(instructions, report)
    if not stages and not lost:
        report(nothing_built(source, global_args))
    if not lost:
        check_references(stages, dialect, report)
    return Recipe(
        source, scanned.escape, global_args, stages, scanned.directives, dialect
    )


def _instruction(
    line: Line, escape: str, grammar: Grammar, dialect: Dialect
) -> Instruction | From:
    text = Fragment(line, 0, len(line.text), line.text)
    return parse_instruction(parse_statement(text, escape, grammar, dialect))
