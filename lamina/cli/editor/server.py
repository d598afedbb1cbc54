"""The language server, and the one door to pygls: from the protocol's requests to the
functions of lang/assist and back.

Each request is answered for the text that it was asked about, in a thread, so that
messages are read while a large file is being looked at. Diagnostics have a thread of
their own and wait for a pause in typing; what was asked about an older text is dropped.
So has ShellCheck, for which nobody waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from traceback import format_exception
from typing import ParamSpec, TypeVar

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, lsp_method

from lamina import __version__
from lamina.builder.inputs.recipe import RecipeInputs
from lamina.cli.editor.buffers import Buffer, edited, opened
from lamina.cli.editor.diagnosis import Doctor, Problem
from lamina.cli.editor.replies import (
    diagnostic,
)
from lamina.values import replace

P = ParamSpec("P")
R = TypeVar("R")


# Seconds without an edit before a text is checked.
PAUSE = 0.08


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
