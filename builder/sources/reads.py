"""What steps read: the context and the roots of other stages, opened once a build.

A cache key needs only digests. That of files in a stage is remembered by the stage's
result, so that a cached build mounts nothing.
"""

from __future__ import annotations

import json
import os
import threading

from lamina.builder.errors import (
    MissingSource,
    OutsideContext,
    SourceChanged,
    placed,
)
from lamina.builder.events import warning
from lamina.builder.meter import Meters
from lamina.builder.solving.graph import (
    CACHE_ORIGIN,
    CONTEXT_ORIGIN,
    FOLDER_ORIGIN,
    CopyOp,
    RunOp,
)
from lamina.builder.solving.layers import result_digest
from lamina.builder.solving.shared import Nobody
from lamina.builder.sources.choice import Choice, mounted
from lamina.errors import LaminaError
from lamina.lang.quirks import EXCLUDED_FILES
from lamina.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lamina.builder.events import Emit
    from lamina.builder.fetching.downloads import Downloads
    from lamina.builder.fetching.fetched import FetchedFile
    from lamina.builder.fetching.git_source import GitSource
    from lamina.builder.fetching.trees import Trees
    from lamina.builder.inputs.build import BuildInputs
    from lamina.builder.solving.graph import Step
    from lamina.builder.solving.layers import Layers
    from lamina.builder.solving.shared import SharedCaches
    from lamina.builder.solving.work import Work
    from lamina.builder.sources.context import Context
    from lamina.builder.sources.items import Item, Selection
    from lamina.oci.store.store import Store


class Reads:
    """The sources of a build; what is being fetched ends once it is `cancelled`.
    `shared` has digests of files in stages, and the stages' layers.

    `seen` tells what was chosen from the context, with its digest; None once
    something was read that cannot be asked for again. `recipe` is what the recipe
    itself included, file and digest.
    """

    def __init__(
        self,
        store: Store,
        inputs: BuildInputs,
        emit: Emit,
        cancelled: Callable[[], bool] = lambda: False,
        shared: SharedCaches = Nobody(),  # noqa: B008 (it has no state)
    ) -> None:
        self.seen: dict[Choice, str] | None = {}
        self.recipe: tuple[tuple[str, str], ...] = ()
        self._store = store
        self._inputs = inputs
        self._emit = emit
        self._cancelled = cancelled
        self.shared = shared
        # The memos of files in stages, and their digests, that this build used.
        self.memos: dict[str, str] = {}
        self._trees: Trees | None = None
        self._downloads: Downloads | None = None
        self._lock = threading.RLock()
        self._folders: dict[int | str, Context] = {}
        self._roots: dict[str, tuple[int, Context]] = {}

    def close(self) -> None:
        """Let go of the trees; unmounts the roots."""
        for folder in self._folders.values():
            folder.close()
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
        found = {}
        parts = split_sources(operation)
        for number, part in enumerate(parts):
            if isinstance(part, str):
                name, digest = self._remote(part, operation)
            else:
                name, digest = "files", self._digest(part, operation.origin, origins)
            # What comes later wins: several parts have an order.
            found[part_name(parts, number, name)] = digest
        return found

    def _remote(self, source: str, operation: CopyOp) -> tuple[str, str]:
        """What a key calls something that ADD fetches, and says of it."""
        from lamina.builder.fetching.git_source import is_git

        if is_git(source):
            wanted = self._repository(source, operation)
            if not wanted.is_pinned:
                self.seen = None
            commit = self.trees().commit(wanted)
            about = f"{commit}:{wanted.subdir}"
            about += "" if wanted.submodules else " submodules=false"
            about += f" .git of {wanted.ref}" if wanted.keep_git_dir else ""
            return f"git {source.partition('#')[0].partition('?')[0]}", about
        from lamina.builder.fetching.downloads import file_name

        if not operation.checksum:
            # What the address gives tomorrow has to be asked for tomorrow.
            self.seen = None
        downloads = self._opened_downloads()
        name = file_name(source)
        if not name and operation.dest.endswith("/"):
            # Only the server knows how it is called.
            self.seen = None
            name = downloads.get(source, operation.checksum).file.name
        return f"remote {name}", downloads.digest(source, operation.checksum)

    def _repository(self, source: str, operation: CopyOp) -> GitSource:
        from lamina.builder.fetching.git_source import parse_git, with_flags

        wanted = with_flags(
            parse_git(source), operation.checksum, operation.keep_git_dir
        )
        if wanted.is_local and self._inputs.elsewhere:
            raise OutsideContext(
                f"{source} is on this machine, and the recipe is not from here.",
                hint="Name it for it: --build-context NAME=FOLDER, COPY --from=NAME.",
            )
        return wanted

    def fetched(self, source: str, operation: CopyOp) -> tuple[Item | FetchedFile, ...]:
        """What ADD fetches from an address: a file, or the files of a repository."""
        from lamina.builder.fetching.git_source import is_git

        if not is_git(source):
            return (self._opened_downloads().get(source, operation.checksum).file,)
        tree = self.trees().repository(self._repository(source, operation))
        with self._lock:
            if tree.path not in self._folders:
                from lamina.builder.sources.context import open_context

                self._folders[tree.path] = open_context(tree.path)
            folder = self._folders[tree.path]
        return folder.select(Choice((".",), operation.exclude)).items

    def trees(self) -> Trees:
        """The trees from elsewhere."""
        from lamina.builder.fetching.trees import Origins, Trees

        with self._lock:
            if self._trees is None:
                given = self._inputs
                origins = Origins(
                    given.tools,
                    given.proxies,
                    given.download_limit,
                    given.unpack_limit,
                    given.secrets,
                )
                self._trees = Trees(self._store, origins, self._emit, self._cancelled)
            return self._trees

    def _opened_downloads(self) -> Downloads:
        with self._lock:
            if self._downloads is None:
                self._downloads = self.trees().downloads()
            return self._downloads

    def abort(self) -> None:
        """End what is being fetched: the build is over."""
        with self._lock:
            downloads = self._downloads
        if downloads is not None:
            downloads.abort()

    def _mounted(
        self, operation: RunOp, origins: Mapping[int, Layers]
    ) -> dict[str, str]:
        found = {}
        for mount in operation.mounts:
            if mount.origin != CACHE_ORIGIN:
                digest = self._digest(mounted(mount.source), mount.origin, origins)
                found[f"mount {mount.target}"] = digest
        return found

    def _digest(
        self, chosen: Choice, origin: int, origins: Mapping[int, Layers]
    ) -> str:
        assert origin != CACHE_ORIGIN, "a cache mount has nothing to read"
        if origin < 0:
            digest = self._selected(chosen, origin, origins).digest
            if origin != CONTEXT_ORIGIN:
                self.seen = None
            if self.seen is not None:
                self.seen[chosen] = digest
            return digest
        layers = origins[origin]
        key = Digest.of(
            json.dumps([result_digest(layers), list(chosen.__dict__.values())]).encode()
        )
        known = self._store.recall("files", key)
        found = known.decode() if known is not None else self.shared.files(key)
        if found is None:
            found = self._selected(chosen, origin, origins).digest
            self._store.remember("files", key, found.encode())
        self.memos[key] = found
        return found

    def _selected(
        self, chosen: Choice, origin: int, origins: Mapping[int, Layers]
    ) -> Selection:
        """As `select`, telling what is odd about the choice."""
        selection = self.select(chosen, origin, origins)
        for text in selection.warnings:
            self._emit(warning(text))
        return selection

    def select(
        self, chosen: Choice, origin: int, origins: Mapping[int, Layers]
    ) -> Selection:
        """The files themselves, from the context or from a stage."""
        with self._lock:
            if origin < 0:
                tree = self._opened_context(origin)
            else:
                tree = self._stage(origins[origin])[1]
        return tree.select(chosen)

    def as_keyed(self, work: Work, name: str, chosen: Choice, origin: int) -> Selection:
        """The files that the key of `work` has under `name`.

        Raises SourceChanged when they are others by now: what a step makes of them must
        not be known as what it makes of those.
        """
        selection = self.select(chosen, origin, work.origins)
        if origin < 0:
            known = json.loads(work.key.fields)["reads"]
            if known[name] != selection.digest:
                raise SourceChanged(
                    "The build context changed while it was being built.",
                    hint="Build again when nothing writes to it, or name what changes "
                    "in .dockerignore.",
                )
        return selection

    def root(self, layers: Layers) -> int:
        """A descriptor of the root of a chain of layers, mounted read-only."""
        with self._lock:
            return self._stage(layers)[0]

    def _stage(self, layers: Layers) -> tuple[int, Context]:
        from lamina.builder.sources.context import open_root
        from lamina.runtime.isolation.snapshot import mount

        key = result_digest(layers)
        if key not in self._roots:
            self.shared.bring(layers)
            paths = tuple(self._store.layer_path(layer) for layer in reversed(layers))
            root = mount(paths)
            self._roots[key] = (root, open_root(root, "that stage"))
        return self._roots[key]

    def folder(self, origin: int) -> str:
        """The folder of the build context or of a named one."""
        return folder_of(self._inputs, origin)[0]

    def _opened_context(self, origin: int) -> Context:
        from lamina.builder.sources.context import open_context

        if origin not in self._folders:
            path, ignore = folder_of(self._inputs, origin)
            if not path:
                raise MissingSource(
                    "This build has no context to copy from.",
                    hint="Give a folder: `lamina build -f - .`",
                )
            name = "context" if origin == CONTEXT_ORIGIN else os.path.basename(path)
            meter = Meters(self._emit, self._cancelled).meter(name)
            self._folders[origin] = open_context(path, ignore, self._store, meter=meter)
        return self._folders[origin]


def folder_of(inputs: BuildInputs, origin: int) -> tuple[str, bytes]:
    """The folder of the build context or of a named one, and what it ignores. Raises
    MissingSource."""
    if origin == CONTEXT_ORIGIN:
        return inputs.context, inputs.ignore
    path = tuple(inputs.contexts.values())[FOLDER_ORIGIN - origin]
    try:
        with open(f"{path}/.dockerignore", "rb") as file:
            return path, file.read()
    except FileNotFoundError:
        return path, b""
    except OSError as error:
        raise MissingSource(
            f"{path}/.dockerignore cannot be read: {error.strerror}."
        ) from error


def split_sources(operation: CopyOp) -> tuple[Choice | str, ...]:
    """What a COPY or ADD chooses from a tree, and the addresses that it fetches, in
    the order of its sources: what comes later wins."""
    if not operation.add:
        return (_chosen(operation, operation.sources),) if operation.sources else ()
    from lamina.builder.fetching.downloads import is_remote

    parts: list[Choice | str] = []
    local: list[str] = []
    for source in operation.sources:
        if not is_remote(source):
            local.append(source)
            continue
        if local:
            parts.append(_chosen(operation, tuple(local)))
        local = []
        parts.append(source)
    if local:
        parts.append(_chosen(operation, tuple(local)))
    return tuple(parts)


def part_name(parts: tuple[Choice | str, ...], number: int, name: str) -> str:
    """What a key calls one of the `parts` that a COPY or ADD reads."""
    return f"{number} {name}" if len(parts) > 1 else name


def _chosen(operation: CopyOp, sources: tuple[str, ...]) -> Choice:
    return Choice(
        sources,
        operation.exclude,
        operation.parents,
        operation.if_exists,
        EXCLUDED_FILES.name not in operation.quirks,
    )
