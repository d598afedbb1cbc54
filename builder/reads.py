"""What steps read: the context and the roots of other stages, opened once a build.

A cache key needs only digests. That of files in a stage is remembered by the stage's
result, so that a cached build mounts nothing.
"""

from __future__ import annotations

import json
import os
import threading

from lamina.builder.cachekey import result_digest
from lamina.builder.errors import MissingSource, placed
from lamina.builder.events import Note
from lamina.builder.graph import CACHE_ORIGIN, CONTEXT_ORIGIN, CopyOp, RunOp
from lamina.builder.record import ContextRead
from lamina.errors import LaminaError
from lamina.lang.quirks import EXCLUDED_FILES
from lamina.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.builder.context import Context
    from lamina.builder.events import Emit
    from lamina.builder.files import Fetched
    from lamina.builder.graph import Step
    from lamina.builder.inputs import BuildInputs
    from lamina.builder.remote import Downloads
    from lamina.builder.selection import Selection
    from lamina.builder.solver import Layers
    from lamina.oci.store import Store


class Reads:
    """The sources of a build; `place` is a directory for downloads.

    `seen` tells what was chosen from the context, with its digest; None once
    something was read that cannot be asked for again. `recipe` is what the recipe
    itself included, file and digest.
    """

    def __init__(
        self, store: Store, inputs: BuildInputs, place: str, emit: Emit
    ) -> None:
        self.seen: dict[ContextRead, str] | None = {}
        self.recipe: tuple[tuple[str, str], ...] = ()
        self._store = store
        self._inputs = inputs
        self._place = place
        self._emit = emit
        self._downloads: Downloads | None = None
        self._lock = threading.RLock()
        self._context: Context | None = None
        self._roots: dict[str, tuple[int, Context]] = {}

    def close(self) -> None:
        """Let go of the trees; unmounts the roots."""
        if self._context is not None:
            self._context.close()
        for root, tree in self._roots.values():
            tree.close()
            os.close(root)

    def digests(self, step: Step, origins: Mapping[int, Layers]) -> dict[str, str]:
        """The digests of all that a step reads, by what its key calls them."""
        operation = step.operation
        try:
            if isinstance(operation, CopyOp):
                return self._copied(operation, origins)
            if isinstance(operation, RunOp):
                return self._mounted(operation, origins)
        except LaminaError as error:
            raise placed(error, step.span) from error
        return {}

    def _copied(
        self, operation: CopyOp, origins: Mapping[int, Layers]
    ) -> dict[str, str]:
        chosen, urls = split_sources(operation)
        found = {}
        if chosen.sources:
            found["files"] = self._digest(chosen, operation.origin, origins)
        for url in urls:
            from lamina.builder.remote import file_name

            if not operation.checksum:
                # What the address gives tomorrow has to be asked for tomorrow.
                self.seen = None
            digest = self._opened_downloads().digest(url, operation.checksum)
            found[f"remote {file_name(url)}"] = digest
        return found

    def fetched(self, operation: CopyOp) -> tuple[Fetched, ...]:
        """The files that ADD fetches from elsewhere, in the order of its sources."""
        _, urls = split_sources(operation)
        if not urls:
            return ()
        with self._lock:
            downloads = self._opened_downloads()
            return tuple(downloads.get(url, operation.checksum).file for url in urls)

    def _opened_downloads(self) -> Downloads:
        from lamina.builder.remote import Downloads

        if self._downloads is None:
            self._downloads = Downloads(self._place, self._inputs.proxies)
        return self._downloads

    def _mounted(
        self, operation: RunOp, origins: Mapping[int, Layers]
    ) -> dict[str, str]:
        found = {}
        for mount in operation.mounts:
            if mount.kind == "bind" or mount.origin >= 0:
                chosen = ContextRead((mount.source or ".",), (), False)
                digest = self._digest(chosen, mount.origin, origins)
                found[f"mount {mount.target}"] = digest
        return found

    def _digest(
        self, chosen: ContextRead, origin: int, origins: Mapping[int, Layers]
    ) -> str:
        assert origin != CACHE_ORIGIN, "a cache mount has nothing to read"
        if origin == CONTEXT_ORIGIN:
            digest = self._selected(chosen, origin, origins).digest
            if self.seen is not None:
                self.seen[chosen] = digest
            return digest
        layers = origins[origin]
        key = Digest.of(
            json.dumps([result_digest(layers), list(chosen.__dict__.values())]).encode()
        )
        known = self._store.recall("files", key)
        if known is not None:
            return known.decode()
        digest = self._selected(chosen, origin, origins).digest
        self._store.remember("files", key, digest.encode())
        return digest

    def _selected(
        self, chosen: ContextRead, origin: int, origins: Mapping[int, Layers]
    ) -> Selection:
        """As `select`, telling what is odd about the choice."""
        selection = self.select(chosen, origin, origins)
        for warning in selection.warnings:
            self._emit(Note(f"warning: {warning}"))
        return selection

    def select(
        self, chosen: ContextRead, origin: int, origins: Mapping[int, Layers]
    ) -> Selection:
        """The files themselves, from the context or from a stage."""
        with self._lock:
            if origin == CONTEXT_ORIGIN:
                tree = self._opened_context()
            else:
                tree = self._stage(origins[origin])[1]
            return tree.select(*chosen.__dict__.values())

    def root(self, layers: Layers) -> int:
        """A descriptor of the root of a chain of layers, mounted read-only."""
        with self._lock:
            return self._stage(layers)[0]

    def _stage(self, layers: Layers) -> tuple[int, Context]:
        from lamina.builder.context import open_root
        from lamina.runtime.snapshot import mount

        key = result_digest(layers)
        if key not in self._roots:
            paths = tuple(self._store.layer_path(layer) for layer in reversed(layers))
            root = mount(paths)
            self._roots[key] = (root, open_root(root, "that stage"))
        return self._roots[key]

    def _opened_context(self) -> Context:
        from lamina.builder.context import open_context

        if self._context is None:
            if not self._inputs.context:
                raise MissingSource(
                    "This build has no context to copy from.",
                    hint="Give a folder: `lamina build -f - .`",
                )
            self._context = open_context(
                self._inputs.context, self._inputs.ignore, self._store
            )
        return self._context


def split_sources(operation: CopyOp) -> tuple[ContextRead, tuple[str, ...]]:
    """What a COPY or ADD chooses from a tree, and what it fetches."""
    from lamina.builder.remote import is_remote

    urls = [s for s in operation.sources if operation.add and is_remote(s)]
    local = tuple(s for s in operation.sources if s not in urls)
    chosen = ContextRead(
        local,
        operation.exclude,
        operation.parents,
        operation.if_exists,
        EXCLUDED_FILES.name not in operation.quirks,
    )
    return chosen, tuple(urls)
