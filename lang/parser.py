"""A recipe's text to its nodes."""

from __future__ import annotations

from lamina.lang.grammar import Grammar
from lamina.lang.instructions import parse_instruction
from lamina.lang.lines import Fragment, Line, scan, trigger_line
from lamina.lang.nodes import From, Onbuild, Recipe
from lamina.lang.source import RecipeError, Source, Span
from lamina.lang.stages import assemble
from lamina.lang.statement import parse_statement
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.lang.grammar import ParseCache
    from lamina.lang.nodes import Instruction


def parse(source: Source, cache: ParseCache | None = None) -> Recipe:
    """The recipe in `source`. Raises RecipeError at the first thing that is wrong.

    With a `cache`, text that was parsed before costs no parsing and no import.
    """
    if cache is None:
        return _parse(source, None)
    from lamina.lang.codec import cache_key, decode, encode

    key = cache_key("recipe", source.text)
    known = cache.get(key)
    recipe = None if known is None else decode(known, source)
    if recipe is None:
        recipe = _parse(source, cache)
        cache.put(key, encode(recipe))
    return recipe


def parse_trigger(text: str, escape: str, span: Span) -> Instruction:
    """The instruction in an ONBUILD trigger that a base image brings.

    `span` is its FROM: all nodes and errors stand there.
    """
    grammar = Grammar(None)
    try:
        lines = trigger_line(Source("ONBUILD", text), grammar.openings, escape)
        if len(lines) != 1:
            raise RecipeError("It is not one instruction.", span)
        line = replace(lines[0], anchor=span)
        instruction = _instruction(line, escape, grammar)
        if isinstance(instruction, From | Onbuild):
            raise RecipeError("This instruction cannot be a trigger.", span)
    except RecipeError as error:
        shown = text if len(text) < 60 else f"{text[:57]}..."
        raise RecipeError(
            f"The base image brings a trigger that is wrong. {error.message}",
            span,
            hint=f"The trigger is {shown!r}. {error.hint}".strip(),
        ) from None
    return instruction


def _parse(source: Source, cache: ParseCache | None) -> Recipe:
    grammar = Grammar(cache)
    scanned = scan(source, grammar.openings)
    global_args, stages = assemble(
        source, [_instruction(line, scanned.escape, grammar) for line in scanned.lines]
    )
    return Recipe(source, scanned.escape, global_args, stages, scanned.directives)


def _instruction(line: Line, escape: str, grammar: Grammar) -> Instruction | From:
    text = Fragment(line, 0, len(line.text), line.text)
    return parse_instruction(parse_statement(text, escape, grammar))
