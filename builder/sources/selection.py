"""select: which files a COPY or ADD means, and the digest of exactly those.

The digest covers each entry under the name that it will arrive with: renaming the
source directory of `COPY dir /x` changes nothing. As in BuildKit's fsutil/copy:
wildcards are Go's filepath.Match, a component at a time; a source that is a link is
followed, inside the tree; links below a source stay links.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from hashlib import sha256

from lamina.builder.errors import (
    CopyFailed,
    InvalidPattern,
    MissingSource,
    OutsideContext,
)
from lamina.builder.sources.ignore import (
    NOTHING_IGNORED,
    Ignore,
    component_matcher,
    is_glob,
    patterns_of,
)
from lamina.builder.sources.items import FileItem, Item, Selection, TreeItem
from lamina.builder.sources.listing import Entry
from lamina.builder.sources.missing import missing
from lamina.builder.sources.record import MODE, SIZE, unpack_record
from lamina.builder.sources.tree import Tree
from lamina.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.builder.sources.choice import Choice
    from lamina.builder.sources.resolve import Place

_WILD = frozenset("*?[")


def select(tree: Tree, choice: Choice) -> Selection:
    """The files of `tree` that `choice` means.

    Raises MissingSource for a plain name that is not there (unless it may be so),
    OutsideContext for one that leaves the context, InvalidPattern, CopyFailed,
    SourceChanged.
    """
    exclude = patterns_of(choice.exclude, "--exclude")
    matches = exclude if choice.exclude_matches else NOTHING_IGNORED
    items: list[Item] = []
    warnings = []
    for source in choice.sources:
        try:
            if choice.parents:
                found = list(_with_parents(tree, source, exclude))
            else:
                found = list(_plain(tree, source, exclude, matches))
        except MissingSource:
            if not choice.if_exists:
                raise
            found = []
        except PermissionError as error:
            raise CopyFailed(
                f"{source} of {tree.name} cannot be read: {error.strerror}.",
                hint="Change its mode, or name it in .dockerignore.",
            ) from error
        if not found and not choice.if_exists:
            warnings.append(f"{source} matches nothing in {tree.name}; nothing copied")
        items += found
    digests = b"".join([_item_digest(item) for item in items])
    return Selection(tuple(items), Digest.of(digests), tuple(warnings))


def describe(selection: Selection) -> Iterator[tuple[str, str]]:
    """Each path as it arrives with a short digest, to tell two selections apart."""
    for item in selection.items:
        if isinstance(item, FileItem):
            yield item.name, _entry_digest(item.tree, item.name, item.entry).hex()[:16]
            continue
        skip = len(item.listings[0].path)
        for listing in item.listings:
            for entry in listing.entries():
                path = entry.path[skip:].lstrip("/")
                name = path.rpartition("/")[2]
                yield path, _entry_digest(item.tree, name, entry).hex()[:16]


def _plain(tree: Tree, source: str, exclude: Ignore, matches: Ignore) -> Iterator[Item]:
    """The items of one source; `matches` leaves out files that its wildcards match."""
    path = _inside(tree, source)
    if not _WILD.intersection(path):
        yield _item(tree, source, path, exclude)
        return
    for match in _matches(tree, path):
        name = match.rpartition("/")[2]
        # The documentation's example: `--exclude=*.txt hom*` leaves out home.txt.
        excluded = matches and matches.excludes(name) and not _is_directory(tree, match)
        # A socket that nobody named is left out, as it is in a directory.
        if not excluded and not _is_socket(tree, match):
            yield _item(tree, source, match, exclude)


def _item(tree: Tree, source: str, path: str, exclude: Ignore) -> Item:
    """The item at `path`, links followed; raises MissingSource."""
    place = _existing(tree, source, path)
    if place.status is not None and stat.S_ISDIR(place.status.st_mode):
        listings = tree.walk(place.path, exclude)
        if listings:
            return TreeItem(tree, listings)
    elif place.status is not None:
        if stat.S_ISSOCK(place.status.st_mode):
            raise CopyFailed(
                f"{source} of {tree.name} is a socket, which no image can hold.",
                hint="Sockets in a directory that is copied are left out.",
            )
        entry = tree.entry(place.path)
        if entry is not None:
            return FileItem(tree, posixpath.basename(path), entry)
    raise missing(tree, source, path)


def _existing(tree: Tree, source: str, path: str) -> Place:
    try:
        place = tree.resolve(path)
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
            raise
        raise missing(tree, source, path) from error
    if place.status is None or not (place.path == "" or tree.is_visible(place.path)):
        raise missing(tree, source, path)
    return place


def _is_directory(tree: Tree, path: str) -> bool:
    return stat.S_ISDIR(_mode_of(tree, path))


def _is_socket(tree: Tree, path: str) -> bool:
    return stat.S_ISSOCK(_mode_of(tree, path))


def _mode_of(tree: Tree, path: str) -> int:
    """The mode of what is at `path`, links followed; 0 when nothing is."""
    try:
        place = tree.resolve(path)
    except OSError:
        return 0
    return place.status.st_mode if place.status is not None else 0


def _inside(tree: Tree, source: str) -> str:
    """`source` without `.`, `..` and slashes around it, "" for the root.

    A stage's root is its own parent; the context has an outside that is not sent.
    """
    path = source.lstrip("/")
    if not tree.owners and posixpath.normpath(path).split("/")[0] == "..":
        raise OutsideContext(
            f"{source} is outside the build context.",
            hint="COPY and ADD take files from the context only: move the file into "
            "it, or give a folder above as the context and name the recipe with -f.",
        )
    return posixpath.normpath("/" + path).lstrip("/")


def _matches(tree: Tree, pattern: str) -> Iterator[str]:
    """The paths that match, in order. Only what comes before the first wildcard may
    lead through links; a directory that matches is not looked into."""
    parts = pattern.split("/")
    plain = next(i for i, part in enumerate(parts) if _WILD.intersection(part))
    for part in parts[plain:]:
        if not is_glob(part):
            raise InvalidPattern(
                f"The pattern {pattern!r} is not well-formed.",
                hint="Close each `[`; write `[[]` for the character itself.",
            )
    try:
        place = tree.resolve("/".join(parts[:plain]))
    except OSError:
        return
    if place.status is not None and stat.S_ISDIR(place.status.st_mode):
        yield from _below(tree, place.path, parts[plain:])


def _below(tree: Tree, directory: str, parts: list[str]) -> Iterator[str]:
    matches = component_matcher(parts[0])
    for name in tree.names(directory):
        if not matches(name):
            continue
        path = f"{directory}/{name}" if directory else name
        if len(parts) == 1:
            yield path
            continue
        place = tree.resolve(path, follow_last=False)
        if place.status is not None and stat.S_ISDIR(place.status.st_mode):
            yield from _below(tree, path, parts[1:])


def _with_parents(tree: Tree, source: str, exclude: Ignore) -> Iterator[Item]:
    """`--parents`: what is right of the first `/./` (or all of it) is kept as a path.

    An include pattern is an ignore list that leaves out everything but that; such
    lists keep the directories on the way, which is what is wanted here.
    """
    left, dot, right = source.partition("/./")
    base, kept = (_inside(tree, left), right) if dot else ("", source)
    pattern = _inside(tree, kept)
    bases = list(_matches(tree, base)) if _WILD.intersection(base) else [base]
    wild = bool(_WILD.intersection(base + pattern))
    include = pattern if wild else pattern.replace("\\", "\\\\")
    chosen = exclude
    if pattern:
        chosen = patterns_of(("*", f"!{include}", *exclude.patterns), source)
    for start in bases:
        if not wild:
            full = posixpath.join(start, pattern)
            _existing(tree, source, full)
        place = _existing(tree, source, start)
        if place.status is None or not stat.S_ISDIR(place.status.st_mode):
            continue
        listings = tree.walk(place.path, chosen)
        # Of wildcards that match nothing the destination is made all the same.
        if listings and (wild or len(listings) > 1 or listings[0].joined):
            yield TreeItem(tree, listings, parents=True)


def _item_digest(item: Item) -> bytes:
    if isinstance(item, FileItem):
        content = _entry_digest(item.tree, item.name, item.entry)
        return sha256(b"file\0" + content).digest()
    return sha256(b"tree\0" + _tree_digest(item)).digest()


def _entry_digest(tree: Tree, name: str, entry: Entry) -> bytes:
    return sha256(tree.reader.head(name, entry.record) + entry.digest).digest()


def _tree_digest(item: TreeItem) -> bytes:
    """Directories in order, each with what it holds, then which names are one file."""
    total = sha256()
    top = item.listings[0].path
    skip = len(top) + 1 if top else 0
    inodes: dict[tuple[int, int], str] = {}
    links = []
    for listing in item.listings:
        path = listing.path[skip:]
        # The directory where the files arrive keeps, or gets, a mode of its own.
        head = item.tree.reader.head(path, listing.record) if path else b"\0\0"
        extra = repr(listing.xattrs).encode() if path and listing.xattrs else b""
        total.update(head + listing.own + extra)
        for name, inode in listing.links:
            first = inodes.setdefault(inode, f"{path}/{name}")
            if first != f"{path}/{name}":
                links.append((first, f"{path}/{name}"))
    for pair in links:
        total.update(b"link\0" + os.fsencode("\0".join(pair)) + b"\0")
    return total.digest()


def size_of(item: Item) -> int:
    """The bytes of an item's regular files."""
    if isinstance(item, FileItem):
        fields = unpack_record(item.entry.record)
        return fields[SIZE] if stat.S_ISREG(fields[MODE]) else 0
    total = 0
    for listing in item.listings:
        for entry in listing.entries():
            fields = unpack_record(entry.record)
            total += fields[SIZE] if stat.S_ISREG(fields[MODE]) else 0
    return total
