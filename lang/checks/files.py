"""Checks of COPY and ADD."""

from __future__ import annotations

from lamina.lang import nodes
from lamina.lang.checks.process import is_absolute
from lamina.lang.checks.rule import Found
from lamina.lang.copies import REMOTE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.lang.checks.reading import Reading
    from lamina.lang.nodes import Copy
    from lamina.lang.words import Word

_ARCHIVES = (
    *(".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tbz2", ".tar.xz", ".txz"),
    *(".tar.zst", ".tzst", ".tar.lzma", ".tlz", ".gz", ".bz2", ".xz", ".zst"),
)


def _copies(reading: Reading) -> Iterator[Copy]:
    for instruction in reading.instructions:
        if isinstance(instruction, nodes.Copy):
            yield instruction


def copy_ignored_file(reading: Reading) -> Iterator[Found]:
    """What `.dockerignore` leaves out is not there to be copied."""
    for copy in _copies(reading):
        if copy.from_ is not None:
            continue
        for word in copy.sources:
            if word.parts is not None or word.text.startswith(REMOTE):
                continue
            path = _clean(word.text)
            pattern = reading.surroundings.ignored(path)
            if pattern:
                name = "Add" if copy.add else "Copy"
                yield Found(
                    f'Attempting to {name} file "{path}" that is excluded by '
                    ".dockerignore",
                    word.span,
                    f"The pattern {pattern} leaves it out; write !{path} below that.",
                )


def _clean(path: str) -> str:
    """The path as `.dockerignore` has it: from the context's root."""
    import posixpath

    return posixpath.normpath(path).lstrip("/") or "."


def add_instead_of_copy(reading: Reading) -> Iterator[Found]:
    """ADD fetches and unpacks; for plain files COPY says what is meant."""
    for copy in _copies(reading):
        if not copy.add or copy.keep_git_dir or copy.unpack is not None:
            continue
        if copy.checksum is None and all(_is_plain(word) for word in copy.sources):
            yield Found(
                "ADD of what is no archive and no address does what COPY does",
                copy.span,
                "Write COPY.",
            )


def _is_plain(word: Word) -> bool:
    """Whether a source is certainly no archive and nothing to be fetched."""
    name = word.text.rpartition("/")[2].lower()
    return not (
        word.parts is not None
        or word.text.startswith(REMOTE)
        or name.endswith(_ARCHIVES)
        or any(sign in name for sign in "*?[")
    )


def copy_many_to_file(reading: Reading) -> Iterator[Found]:
    """Several sources need a folder; without a `/` the last one may win."""
    for copy in _copies(reading):
        several = len(copy.sources) + len(copy.heredocs) > 1
        dest = copy.dest.text.strip("\"'")
        if several and copy.dest.parts is None and not dest.endswith(("/", ".")):
            yield Found(
                f"Several sources go to {dest}, which does not end with /",
                copy.dest.span,
                f"Write {dest}/.",
            )


def copy_without_workdir(reading: Reading) -> Iterator[Found]:
    """A relative destination is below WORKDIR, which the base may or may not set."""
    seen: list[bool] = []
    for stage in reading.stages:
        parent = reading.parent(stage)
        known = parent is not None and seen[parent.index]
        for instruction in stage.instructions:
            if isinstance(instruction, nodes.Workdir):
                known = True
            elif isinstance(instruction, nodes.Copy) and not known:
                dest = instruction.dest.text.strip("\"'")
                if not is_absolute(dest):
                    yield Found(
                        f"Where {dest} is depends on the WORKDIR of the base",
                        instruction.dest.span,
                        "Write WORKDIR above, or the whole path.",
                    )
        seen.append(known)
