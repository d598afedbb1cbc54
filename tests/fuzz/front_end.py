"""Any bytes, through all of the front end: what must hold of them whatever they are.

They are decoded, rendered, parsed, checked, formatted, outlined and dumped. What is
wrong with them may be said, by a LaminaError with a place; nothing else may happen.
"""

from __future__ import annotations

import zlib

from lamina.builder.inputs.recipe import RecipeInputs, parse_reading, read
from lamina.errors import LaminaError
from lamina.lang import codec, dump
from lamina.lang.checks.checking import EVERYTHING, check
from lamina.lang.dialect import Dialect, dialect_of
from lamina.lang.expand import expand, expand_heredoc, expand_list
from lamina.lang.formatting.format import format_source
from lamina.lang.formatting.sameness import FormatRefused
from lamina.lang.outline import outline
from lamina.lang.parser import examine, parse, parse_with
from lamina.lang.recipe import Recipe
from lamina.lang.source import RecipeError, Source
from lamina.lang.variables import words
from lamina.lang.words import Heredoc
from tests.lang.parser_only import Parser
from tests.lang.shown import outside, show

ENV = {"A": "1 2", "b": "", "NAME": "x/*?\\"}


def front_end(data: bytes) -> None:
    """Raises AssertionError, or whatever else went wrong."""
    # The same bytes always take the same way, and no byte is wasted on saying which.
    way = zlib.crc32(data)
    name = ("Dockerfile", "Recipe")[way & 1]
    inputs = RecipeInputs(name, data, compat=way & 6 == 0)
    try:
        reading = read(inputs)
        source = reading.source
        dialect = dialect_of(source.name, source.text, inputs.compat)
        _examine(source, dialect)
        recipe = parse_reading(inputs, reading)
    except RecipeError as error:
        _error(error)
        return
    except LaminaError:
        return
    _look(recipe, source)
    if not source.origins:
        _format(recipe, source, dialect)


def _error(error: RecipeError) -> None:
    assert error.message
    assert error.excerpt
    assert error.place
    assert 0 <= error.span.start <= error.span.end <= len(error.span.source.text)


def _examine(source: Source, dialect: Dialect) -> None:
    """An editor's way: no error is the last one. It agrees with `parse`."""
    found = examine(source, dialect)
    for error in found.errors:
        _error(error)
    try:
        recipe = parse(source, dialect=dialect)
    except RecipeError:
        assert found.errors
        return
    assert not found.errors
    assert found.recipe == recipe
    assert parse_with(Parser(), source, dialect) == recipe


def _look(recipe: Recipe, source: Source) -> None:
    assert codec.decode(codec.encode(recipe), source, recipe.dialect) == recipe
    assert outside(recipe) == []
    for finding in check(recipe, options=EVERYTHING):
        assert finding.message
        assert 0 <= finding.span.start <= finding.span.end <= len(source.text)
    for stage in recipe.stages:
        for instruction in (stage.base, *stage.instructions):
            for word in words(instruction):
                _expand(word, recipe.escape)
    try:
        outline(recipe)
        dump.sexpr(source)
        dump.as_json(recipe)
    except RecipeError as error:
        _error(error)


def _expand(word: object, escape: str) -> None:
    try:
        if isinstance(word, Heredoc):
            expand_heredoc(word, ENV)
        else:
            expand(word, ENV, escape)  # type: ignore[arg-type]
            expand_list(word, ENV, escape)  # type: ignore[arg-type]
    except RecipeError as error:
        _error(error)


def _format(recipe: Recipe, source: Source, dialect: Dialect) -> None:
    """The layout changes no meaning, and does nothing the second time."""
    try:
        text = format_source(source, dialect)
    except FormatRefused as error:
        raise AssertionError("fmt would change what the recipe means") from error
    formatted = Source(source.name, text)
    assert meaning(parse(formatted, dialect=dialect)) == meaning(recipe)
    assert format_source(formatted, dialect) == text


def meaning(recipe: Recipe) -> list[str]:
    """The nodes without their places."""
    stages = ((stage.base, *stage.instructions) for stage in recipe.stages)
    nodes = (*recipe.global_args, *(node for stage in stages for node in stage))
    return [show(node, places=False) for node in nodes]
