"""The language server, and the one door to pygls: from the protocol's requests to the
functions of lang/assist and back.

Each request is answered for the text that it was asked about, in a thread, so that
messages are read while a large file is being looked at. Diagnostics have a thread of
their own and wait for a pause in typing; what was asked about an older text is dropped.
So has ShellCheck, for which nobody waits.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from traceback import format_exception
from typing import ParamSpec, Protocol, TypeVar

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, lsp_method

from lamina import __version__
from lamina.builder.inputs.recipe import RecipeInputs, read_source
from lamina.cli.editor.buffers import Buffer, edited, opened
from lamina.cli.editor.diagnosis import Doctor, Problem, supplied
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

P = ParamSpec("P")
R = TypeVar("R")


class Asked(Protocol):
    """The parameters of a request about a place in a text."""

    text_document: types.TextDocumentIdentifier
    position: types.Position


# Seconds without an edit before a text is checked.
PAUSE = 0.08
TRIGGERS = ("-", "=", "$", "{", ",", "/")


def serve(options: RecipeInputs, doctor: Doctor) -> int:
    """Serve stdin and stdout until the editor leaves. Of `options` the values and
    `compat` hold for every recipe; `doctor` checks them."""
    from _signal import SIG_DFL, SIGTERM, signal  # type: ignore[import-not-found]

    # There is nothing to clean up, and a thread that reads stdin to be waited for.
    signal(SIGTERM, SIG_DFL)
    # What anything else prints must not get between the messages.
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    server = Server(options, doctor)
    _register(server)
    # The grammars take a moment, and the editor's first text will need them.
    server.checks.submit(
        doctor.diagnose, replace(options, name="Recipe", data=b"RUN <<A $b")
    )
    server.start_io(stdout=output)
    return 0


class _Protocol(LanguageServerProtocol):
    """Texts are kept here and not by pygls, whose lines end where Python's do: a form
    feed would move every edit below it."""

    _server: Server

    @lsp_method(types.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(
        self, params: types.DidOpenTextDocumentParams
    ) -> None:
        self._server.open(params.text_document)

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(
        self, params: types.DidChangeTextDocumentParams
    ) -> None:
        self._server.change(params)

    @lsp_method(types.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(
        self, params: types.DidCloseTextDocumentParams
    ) -> None:
        self._server.close(params.text_document.uri)


class Server(LanguageServer):
    """The open texts, and what is being worked out about them."""

    def __init__(self, options: RecipeInputs, doctor: Doctor) -> None:
        super().__init__("lamina", __version__, protocol_cls=_Protocol)
        self.options = options
        self.doctor = doctor
        self.buffers: dict[str, Buffer] = {}
        self.problems: dict[str, tuple[Buffer, tuple[Problem, ...]]] = {}
        self.timers: dict[str, asyncio.TimerHandle] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.answers = ThreadPoolExecutor(1, "answers")
        self.checks = ThreadPoolExecutor(1, "checks")
        self.scripts = ThreadPoolExecutor(1, "scripts")

    @property
    def unit(self) -> str:
        encoding = self.server_capabilities.position_encoding
        return str(getattr(encoding, "value", encoding) or "utf-16")

    def open(self, item: types.TextDocumentItem) -> None:
        self.buffers[item.uri] = opened(item.uri, item.text, item.version, self.unit)
        self._check_after(item.uri, 0)

    def change(self, params: types.DidChangeTextDocumentParams) -> None:
        uri = params.text_document.uri
        buffer = self.buffers.get(uri)
        if buffer is None:
            return
        for change in params.content_changes:
            if isinstance(change, types.TextDocumentContentChangePartial):
                start, end = change.range.start, change.range.end
                place = (start.line, start.character, end.line, end.character)
                buffer = edited(buffer, change.text, place)
            else:
                buffer = edited(buffer, change.text)
        self.buffers[uri] = replace(buffer, version=params.text_document.version)
        self._check_after(uri, PAUSE)

    def close(self, uri: str) -> None:
        self.buffers.pop(uri, None)
        self.problems.pop(uri, None)
        timer = self.timers.pop(uri, None)
        if timer is not None:
            timer.cancel()
        # The list of an editor forgets a file that is closed.
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))

    def _check_after(self, uri: str, seconds: float) -> None:
        timer = self.timers.pop(uri, None)
        if timer is not None:
            timer.cancel()
        loop = asyncio.get_running_loop()
        self.timers[uri] = loop.call_later(seconds, self._begin, uri)

    def _begin(self, uri: str) -> None:
        self.timers.pop(uri, None)
        task = asyncio.get_running_loop().create_task(self._publish(uri))
        self.tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Say what a check broke on: a bug of ours, which must not stop the next."""
        self.tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            told = "".join(format_exception(error))
            self.window_log_message(
                types.LogMessageParams(types.MessageType.Error, told)
            )

    async def _publish(self, uri: str) -> None:
        """Check the text as it is now and tell; then ShellCheck, and tell again."""
        buffer = self.buffers.get(uri)
        if buffer is None:
            return
        loop = asyncio.get_running_loop()
        await self._tell(uri, buffer)
        if self.buffers.get(uri) is buffer:
            ask = self.doctor.ask_shellcheck
            if await loop.run_in_executor(self.scripts, ask):
                await self._tell(uri, buffer)

    async def _tell(self, uri: str, buffer: Buffer) -> None:
        """Tell what is wrong with a text, unless it has changed by then."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self.checks, self._diagnose, uri, buffer)
        if found is None or self.buffers.get(uri) is not buffer:
            return
        self.problems[uri] = (buffer, found)
        diagnostics = [diagnostic(buffer, problem) for problem in found]
        self.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(uri, diagnostics, buffer.version)
        )

    def _diagnose(self, uri: str, buffer: Buffer) -> tuple[Problem, ...] | None:
        if self.buffers.get(uri) is not buffer:
            return None  # another check of the newer text waits behind this one
        return self.doctor.diagnose(self.inputs(buffer))

    def inputs(self, buffer: Buffer) -> RecipeInputs:
        """A text as the builder would read it."""
        return replace(
            self.options,
            name=buffer.name,
            data=buffer.text.encode(),
            path=buffer.path,
            folder=buffer.folder,
        )

    async def answer(self, work: Callable[P, R], *args: P.args, **named: P.kwargs) -> R:
        """The result of a function that takes its time."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.answers, lambda: work(*args, **named))


def _register(server: Server) -> None:
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
