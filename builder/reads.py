"""What steps read: the context and the roots of other stages, opened once a build.

A cache key needs only digests. That of files in a stage is remembered by the stage's
result, so that a cached build mounts nothing.
"""

from __future__ import annotations

import json
import os
import threading

from lamina.builder.cachekey import result_digest
from lamina.builder.errors import MissingSource
from lamina.builder.graph import CACHE_ORIGIN, CONTEXT_ORIGIN, CopyOp, RunOp
from lamina.builder.record import ContextRead
from lamina.errors import LaminaError
from lamina.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.builder.context import Context
    from lamina.builder.events import Emit
    from lamina.builder.graph import Step
    from lamina.builder.inputs import BuildInputs
    from lamina.builder.selection import Selection
    from lamina.builder.solver import Layers
    from lamina.oci.store import Store


class Reads:
    """The sources of a build. `seen` tells what was chosen from the context, with its
    digest; None once something was read that cannot be asked for again."""

    def __init__(self, store: Store, inputs: BuildInputs, emit: Emit) -> None:
        self.seen: dict[ContextRead, str] | None = {}
        self._store = store
        self._inputs = inputs
        self._emit = emit
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
            raise _placed(error, step) from error
        return {}

    def _copied(
        self, operation: CopyOp, origins: Mapping[int, Layers]
    ) -> dict[str, str]:
        if not operation.sources:
            return {}
        if operation.add and any(is_remote(source) for source in operation.sources):
            from lamina.builder.remote import remote_digest

            self.seen = None
            return {"remote": remote_digest(operation)}
        chosen = ContextRead(operation.sources, operation.exclude, operation.parents)
        return {"files": self._digest(chosen, operation.origin, origins)}

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
            digest = self.select(chosen, origin, origins).digest
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
        digest = self.select(chosen, origin, origins).digest
        self._store.remember("files", key, digest.encode())
        return digest

    def select(
        self, chosen: ContextRead, origin: int, origins: Mapping[int, Layers]
    ) -> Selection:
        """The files themselves, from the context or from a stage."""
        with self._lock:
            if origin == CONTEXT_ORIGIN:
                tree = self._opened_context()
            else:
                tree = self._stage(origins[origin])[1]
            return tree.select(chosen.sources, chosen.exclude, chosen.parents)

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


def is_remote(source: str) -> bool:
    """Whether ADD fetches this source from elsewhere."""
    return source.startswith(("http://", "https://", "git://", "ssh://", "git@"))


def _placed(error: LaminaError, step: Step) -> LaminaError:
    """The same error with the place in the recipe that caused it."""
    if error.place or step.span is None:
        return error
    from lamina.lang.source import excerpt

    error.place = str(step.span)
    error.excerpt = excerpt(step.span)
    return error
