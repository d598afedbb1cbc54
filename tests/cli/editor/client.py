"""An editor, as far as a language server can tell: a real client over stdio."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from lsprotocol import types
from pygls.lsp.client import LanguageClient

T = TypeVar("T")
ROOT = str(Path(__file__).parents[3])


class Editor:
    """Talks to `python -m lamina lsp` and waits for each answer."""

    def __init__(self, *arguments: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.client = LanguageClient("test", "1")
        self.published: asyncio.Queue[types.PublishDiagnosticsParams] = asyncio.Queue()
        self.messages: list[str] = []
        self.versions: dict[str, int] = {}
        self._listen()
        self.arguments = arguments

    def _listen(self) -> None:
        def published(found: types.PublishDiagnosticsParams) -> None:
            self.published.put_nowait(found)

        def told(
            said: types.LogMessageParams | types.ShowMessageParams,
        ) -> None:
            self.messages.append(said.message)

        def shown(said: types.ShowMessageParams) -> None:
            told(said)

        feature = self.client.feature
        feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(published)
        feature(types.WINDOW_LOG_MESSAGE)(told)
        feature(types.WINDOW_SHOW_MESSAGE)(shown)

    def wait(self, answer: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(asyncio.wait_for(answer, 60))

    def start(self, *encodings: str) -> types.InitializeResult:
        self.wait(self._start())
        general = types.GeneralClientCapabilities(position_encodings=list(encodings))
        capabilities = types.ClientCapabilities(general=general if encodings else None)
        found = self.wait(
            self.client.initialize_async(types.InitializeParams(capabilities))
        )
        self.client.initialized(types.InitializedParams())
        return found

    async def _start(self) -> None:
        program = (sys.executable, "-m", "lamina", "lsp", *self.arguments)
        await self.client.start_io(*program, cwd=ROOT)

    def stop(self) -> int:
        """Say goodbye; the server's exit code."""
        self.wait(self.client.shutdown_async(None))
        self.client.exit(None)
        code = self.wait(self.ended())
        client: Any = self.client
        self.wait(client.stop())
        self.loop.close()
        return code

    async def ended(self) -> int:
        server: Any = self.client._server
        return int(await server.wait())

    def open(self, uri: str, text: str) -> list[types.Diagnostic]:
        """Open a text; what is wrong with it."""
        version = self.versions[uri] = self.versions.get(uri, 0) + 1
        item = types.TextDocumentItem(uri, "dockerfile", version, text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return self.diagnostics(uri)

    def close(self, uri: str) -> None:
        named = types.TextDocumentIdentifier(uri)
        self.client.text_document_did_close(types.DidCloseTextDocumentParams(named))

    def edit(
        self, uri: str, text: str, place: Sequence[int] | None = None
    ) -> list[types.Diagnostic]:
        """Put a text in a place (all of it without one); what is wrong then."""
        self.type(uri, text, place)
        return self.diagnostics(uri)

    def type(self, uri: str, text: str, place: Sequence[int] | None = None) -> None:
        """Edit, and don't wait."""
        self.versions[uri] += 1
        change: Any = types.TextDocumentContentChangeWholeDocument(text)
        if place is not None:
            line, start, end_line, end = place
            where = types.Range(
                types.Position(line, start), types.Position(end_line, end)
            )
            change = types.TextDocumentContentChangePartial(where, text)
        named = types.VersionedTextDocumentIdentifier(self.versions[uri], uri)
        self.client.text_document_did_change(
            types.DidChangeTextDocumentParams(named, [change])
        )

    def diagnostics(self, uri: str) -> list[types.Diagnostic]:
        """Wait for those of the text as it is now."""
        while True:
            found = self.wait(self.published.get())
            if found.uri == uri and found.version == self.versions[uri]:
                return list(found.diagnostics)
