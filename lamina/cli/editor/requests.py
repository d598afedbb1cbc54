"""What an editor asks about a text, answered: from completion to what mends it."""

from __future__ import annotations

from typing import Protocol

from lsprotocol import types

from lamina.builder.inputs.recipe import read_source
from lamina.cli.editor.diagnosis import supplied
from lamina.cli.editor.replies import (
    code_action,
    completion_item,
    diagnostic,
    document_symbol,
    range_at,
    text_edit,
)
from lamina.errors import LaminaError
from lamina.lang.assist.completion import complete
from lamina.lang.assist.fixes import fixes
from lamina.lang.assist.hover import hover
from lamina.lang.assist.names import definition, references, rename
from lamina.lang.assist.symbols import folds, symbols
from lamina.lang.formatting.format import format_source
from lamina.lang.source import RecipeError, Source, Span
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.editor.buffers import Buffer
    from lamina.cli.editor.diagnosis import Problem
    from lamina.cli.editor.server import Server

TRIGGERS = ("-", "=", "$", "{", ",", "/")


class Asked(Protocol):
    """The parameters of a request about a place in a text."""

    text_document: types.TextDocumentIdentifier
    position: types.Position


def register(server: Server) -> None:
    """Have the server answer all requests."""
    feature = server.feature
    feature(
        types.TEXT_DOCUMENT_COMPLETION,
        types.CompletionOptions(trigger_characters=TRIGGERS),
    )(_completion)
    feature(types.TEXT_DOCUMENT_HOVER)(_hover)
    feature(types.TEXT_DOCUMENT_DEFINITION)(_definition)
    feature(types.TEXT_DOCUMENT_REFERENCES)(_references)
    feature(types.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT)(_highlights)
    feature(types.TEXT_DOCUMENT_RENAME)(_rename)
    feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)(_symbols)
    feature(types.TEXT_DOCUMENT_FOLDING_RANGE)(_folds)
    feature(types.TEXT_DOCUMENT_FORMATTING)(_formatting)
    feature(
        types.TEXT_DOCUMENT_CODE_ACTION,
        types.CodeActionOptions([types.CodeActionKind.QuickFix]),
    )(_actions)


def _where(server: Server, params: Asked) -> tuple[Buffer, int] | None:
    """The text that a request is about, and the offset in it."""
    buffer = server.buffers.get(params.text_document.uri)
    if buffer is None:
        return None
    at = params.position
    return buffer, buffer.positions.offset(at.line, at.character)


async def _completion(
    ls: Server, params: types.CompletionParams
) -> types.CompletionList | None:
    where = _where(ls, params)
    if where is None:
        return None
    buffer, offset = where
    found = await ls.answer(complete, buffer.name, buffer.text, offset)
    items = [
        completion_item(buffer, offset, place, it) for place, it in enumerate(found)
    ]
    return types.CompletionList(False, items)


async def _hover(ls: Server, params: types.HoverParams) -> types.Hover | None:
    where = _where(ls, params)
    if where is None:
        return None
    buffer, offset = where
    found = await ls.answer(lambda: hover(buffer.reading(), offset))
    if found is None:
        return None
    text = types.MarkupContent(types.MarkupKind.Markdown, found.text)
    return types.Hover(text, range_at(buffer, found.place))


async def _definition(
    ls: Server, params: types.DefinitionParams
) -> types.Location | None:
    where = _where(ls, params)
    if where is None:
        return None
    buffer, offset = where
    place = await ls.answer(lambda: definition(buffer.reading(), offset))
    return (
        None if place is None else types.Location(buffer.uri, range_at(buffer, place))
    )


async def _places(ls: Server, params: Asked) -> list[types.Range]:
    """Where the name at a position stands."""
    where = _where(ls, params)
    if where is None:
        return []
    buffer, offset = where
    found = await ls.answer(lambda: references(buffer.reading(), offset))
    return [range_at(buffer, place) for place in found]


async def _references(
    ls: Server, params: types.ReferenceParams
) -> list[types.Location]:
    uri = params.text_document.uri
    return [types.Location(uri, place) for place in await _places(ls, params)]


async def _highlights(
    ls: Server, params: types.DocumentHighlightParams
) -> list[types.DocumentHighlight]:
    return [types.DocumentHighlight(place) for place in await _places(ls, params)]


async def _rename(ls: Server, params: types.RenameParams) -> types.WorkspaceEdit | None:
    where = _where(ls, params)
    if where is None:
        return None
    buffer, offset = where
    name = params.new_name
    try:
        places = await ls.answer(lambda: rename(buffer.reading(), offset, name))
    except RecipeError as error:
        ls.window_show_message(
            types.ShowMessageParams(
                types.MessageType.Error, f"{error.message} {error.hint}"
            )
        )
        return None
    edits = [types.TextEdit(range_at(buffer, place), name) for place in places]
    return types.WorkspaceEdit({buffer.uri: edits})


async def _symbols(
    ls: Server, params: types.DocumentSymbolParams
) -> list[types.DocumentSymbol]:
    buffer = ls.buffers.get(params.text_document.uri)
    if buffer is None:
        return []
    known = buffer
    found = await ls.answer(lambda: symbols(known.reading()))
    return [document_symbol(buffer, symbol) for symbol in found]


async def _folds(
    ls: Server, params: types.FoldingRangeParams
) -> list[types.FoldingRange]:
    buffer = ls.buffers.get(params.text_document.uri)
    if buffer is None:
        return []
    known = buffer
    places = await ls.answer(lambda: tuple(folds(known.reading())))
    ranges = (range_at(buffer, place) for place in places)
    return [
        types.FoldingRange(found.start.line, found.end.line)
        for found in ranges
        if found.start.line < found.end.line
    ]


async def _formatting(
    ls: Server, params: types.DocumentFormattingParams
) -> list[types.TextEdit] | None:
    buffer = ls.buffers.get(params.text_document.uri)
    if buffer is None:
        return None
    text = await ls.answer(_formatted, buffer, ls)
    if text is None:
        return None
    return [text_edit(buffer, text)] if text != buffer.text else []


def _formatted(buffer: Buffer, ls: Server) -> str | None:
    """The text in its canonical layout; None while it cannot be parsed."""

    def render(template: Source) -> Source:
        inputs = replace(ls.inputs(buffer), data=template.text.encode())
        return read_source(supplied(inputs))

    source = Source(buffer.name, buffer.text)
    try:
        return format_source(source, render=render)
    except LaminaError:
        return None


async def _actions(
    ls: Server, params: types.CodeActionParams
) -> list[types.CodeAction]:
    """What mends the problems that stand in a range."""
    uri = params.text_document.uri
    buffer, problems = ls.problems.get(uri, (None, ()))
    if buffer is None or ls.buffers.get(uri) is not buffer:
        return []
    first, last = params.range.start, params.range.end
    start = buffer.positions.offset(first.line, first.character)
    end = buffer.positions.offset(last.line, last.character)
    return await ls.answer(_actions_at, buffer, problems, (start, end))


def _actions_at(
    buffer: Buffer, problems: tuple[Problem, ...], place: tuple[int, int]
) -> list[types.CodeAction]:
    reading = buffer.reading()
    start, end = place
    return [
        code_action(buffer, diagnostic(buffer, problem), fix)
        for problem in problems
        if problem.start <= end and start <= problem.end
        for fix in fixes(
            reading,
            problem.code,
            problem.hint,
            Span(reading.source, problem.start, problem.end),
        )
    ]
