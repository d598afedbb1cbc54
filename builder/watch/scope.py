"""Scope: what a build reads, as folders to watch and a test of the paths in them.

The graph knows which files each COPY, ADD and bind mount names; nobody repeats them.
What `.dockerignore` leaves out is neither watched nor looked at.
"""

from __future__ import annotations

import os
import posixpath
from functools import lru_cache

from lamina.builder.fetching.downloads import is_remote
from lamina.builder.solving.graph import CONTEXT_ORIGIN, FOLDER_ORIGIN, CopyOp, RunOp
from lamina.builder.sources.ignore import component_matcher, parse_ignore
from lamina.builder.sources.reads import folder_of
from lamina.builder.watch.temporary import GIT, GIT_LOCK, is_temporary
from lamina.builder.watch.watcher import Area
from lamina.errors import LaminaError
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lamina.builder.inputs.build import BuildInputs
    from lamina.builder.solving.graph import Graph, Operation
    from lamina.builder.sources.ignore import Ignore
    from lamina.oci.store.store import Store

_WILD = frozenset("*?[\\")


@value
class Source:
    """A source of a COPY: its components as written."""

    parts: tuple[str, ...]

    def leads_to(self, parts: list[str], is_directory: bool) -> bool:
        """Whether a path is what the source means, in it, or a folder on the way."""
        if len(parts) < len(self.parts) and not is_directory:
            return False
        both = zip(self.parts, parts, strict=False)
        return all(_test(wanted)(part) for wanted, part in both)


@value
class Folder:
    """A build context: its real path, what it ignores, what is read of it."""

    root: str
    ignore: Ignore
    sources: tuple[Source, ...]

    def wants(self, path: str, is_directory: bool) -> bool:
        """Whether a path below the root counts."""
        if path == self.root:
            return True
        inner = path[len(self.root.rstrip("/")) + 1 :]
        parts = inner.split("/")
        if GIT in parts:
            return False
        if not any(source.leads_to(parts, is_directory) for source in self.sources):
            return False
        if not self.ignore or not self.ignore.excludes(inner):
            return True
        return is_directory and self.ignore.may_include_below(inner)

    def areas(self) -> Iterator[Area]:
        """What to watch for it."""
        for source in self.sources:
            plain = 0
            while plain < len(source.parts) and not _is_wild(source.parts[plain]):
                plain += 1
            path = "/".join((self.root.rstrip("/"), *source.parts[:plain]))
            if plain < len(source.parts) or os.path.isdir(path):
                yield Area(path)
            if plain:
                yield Area(os.path.dirname(path), deep=False)


@value
class Scope:
    """What a build reads of folders, and single files (the recipe, ...), by real
    paths."""

    folders: tuple[Folder, ...]
    files: frozenset[str]

    def is_as(self, other: Scope | None) -> bool:
        """Whether both want the same."""
        return other is not None and self._plain() == other._plain()

    def _plain(self) -> tuple[object, ...]:
        folders = [(f.root, f.ignore.patterns, f.sources) for f in self.folders]
        return (folders, self.files, self.areas())

    def areas(self) -> tuple[Area, ...]:
        """All folders to watch."""
        found = [area for folder in self.folders for area in folder.areas()]
        beside = {os.path.dirname(file) for file in self.files}
        found += [Area(path, deep=False) for path in sorted(beside)]
        return tuple(found)

    def wants(self, path: str, is_directory: bool) -> bool:
        """Whether a change of `path` may change what is built."""
        if path in self.files:
            return True
        if not is_directory and is_temporary(path) and not self._names(path):
            return False
        return any(
            _is_in(path, folder.root) and folder.wants(path, is_directory)
            for folder in self.folders
        )

    def _names(self, path: str) -> bool:
        """Whether the recipe itself spells the name of a file."""
        name = path.rpartition("/")[2]
        sources = (source for folder in self.folders for source in folder.sources)
        return any(source.parts and source.parts[-1] == name for source in sources)


def scope_of(store: Store, inputs: BuildInputs, files: Iterable[str]) -> Scope:
    """What the build of `inputs` reads, and `files` that others read for it.

    Nothing is built or pulled: a base that is not here counts as an empty one, so
    that its triggers come in with the next call. Raises LaminaError where the recipe
    cannot be planned.
    """
    from lamina.builder.build import ParseCache
    from lamina.builder.events import silent
    from lamina.builder.inputs.recipe import read
    from lamina.builder.preview import preview

    graph = preview(store, inputs, silent, ask_cache=False).graph
    own = _recipe_files(inputs, files)
    included = read(inputs.recipe, ParseCache(store)).files
    own |= {_real(inputs.recipe.folder, name) for name, _ in included}
    return Scope(tuple(_folders(inputs, graph)), own)


def scope_of_all(inputs: BuildInputs, files: Iterable[str]) -> Scope:
    """All of the context: while nobody knows what a broken recipe means."""
    folders: tuple[Folder, ...] = ()
    if inputs.context:
        try:
            ignore = _ignore(inputs.ignore)
        except LaminaError:
            ignore = _ignore(b"")
        folders = (Folder(os.path.realpath(inputs.context), ignore, (_source("."),)),)
    return Scope(folders, _recipe_files(inputs, files))


def with_paths(scope: Scope, inputs: BuildInputs, paths: Iterable[str]) -> Scope:
    """The same, and files and folders by their real paths; in the context all that is
    not ignored."""
    root = os.path.realpath(inputs.context) if inputs.context else ""
    folders = list(scope.folders)
    files = set(scope.files)
    for path in paths:
        if not os.path.isdir(path):
            files.add(path)
        elif root and _is_in(path, root):
            inner = os.path.relpath(path, root)
            folders.append(Folder(root, _ignore(inputs.ignore), (_source(inner),)))
        else:
            folders.append(Folder(path, _ignore(b""), (_source("."),)))
    return Scope(tuple(folders), frozenset(files))


def _recipe_files(inputs: BuildInputs, files: Iterable[str]) -> frozenset[str]:
    own = [*files, *(given.name for given in inputs.recipe.values)]
    if inputs.recipe.path:
        own += [inputs.recipe.path, f"{inputs.recipe.path}.dockerignore"]
    if inputs.context:
        own.append(f"{inputs.context}/.dockerignore")
    own += _git_locks(inputs.context)
    # The folder really, the name as it is: an editor may replace a link.
    return frozenset(_real(*os.path.split(path)) for path in own)


def _git_locks(context: str) -> list[str]:
    """The lock of the repository that the context lies in, which says that a checkout
    goes on."""
    folder = os.path.realpath(context) if context else ""
    while folder:
        if os.path.isdir(f"{folder}/{GIT}"):
            return [f"{folder}/{GIT}/{GIT_LOCK}"]
        folder = "" if folder == "/" else os.path.dirname(folder)
    return []


def _real(folder: str, name: str) -> str:
    return f"{os.path.realpath(folder or '.').rstrip('/')}/{name}"


def _folders(inputs: BuildInputs, graph: Graph) -> Iterator[Folder]:
    named: dict[int, list[str]] = {}
    for step in graph.steps:
        for origin, source in _read_by(step.operation):
            named.setdefault(origin, []).append(source)
    for origin, sources in named.items():
        place, ignore = folder_of(inputs, origin)
        if place:
            root = os.path.realpath(place)
            kept = dict.fromkeys(_spellings(root, sources))
            found = tuple(_source(source) for source in kept)
            yield Folder(root, _ignore(ignore), found)


def _read_by(operation: Operation) -> Iterator[tuple[int, str]]:
    """The origins and sources that a step reads from folders of this machine."""
    if isinstance(operation, CopyOp) and _is_folder(operation.origin):
        for source in operation.sources:
            if not (operation.add and is_remote(source)):
                yield operation.origin, source
    elif isinstance(operation, RunOp):
        for mount in operation.mounts:
            if _is_folder(mount.origin):
                yield mount.origin, mount.source or "."


def _is_folder(origin: int) -> bool:
    return origin == CONTEXT_ORIGIN or origin <= FOLDER_ORIGIN


def _spellings(root: str, sources: Iterable[str]) -> Iterator[str]:
    """Each source, and where it is a link what that leads to, inside the root."""
    for source in sources:
        yield source
        real = os.path.realpath(f"{root}/{source.lstrip('/')}")
        if _is_in(real, root) and os.path.exists(real):
            yield os.path.relpath(real, root)


def _source(text: str) -> Source:
    inner = posixpath.normpath(f"/{text}").strip("/")
    parts = tuple(inner.split("/")) if inner else ()
    return Source(parts)


@lru_cache
def _test(part: str) -> Callable[[str], object]:
    return component_matcher(part) if _is_wild(part) else part.__eq__


def _is_wild(part: str) -> bool:
    return not _WILD.isdisjoint(part)


def _ignore(data: bytes) -> Ignore:
    return parse_ignore(os.fsdecode(data), ".dockerignore")


def _is_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")
