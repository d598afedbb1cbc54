"""`.dockerignore` beside an independent reading of moby's rules, on arbitrary files."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from lamina.builder.sources.choice import Choice
from lamina.builder.sources.context import open_context
from lamina.builder.sources.ignore import NOTHING_IGNORED, parse_ignore
from lamina.builder.sources.items import TreeItem
from tests.builder.sources import reference_ignore

_atoms = st.sampled_from(
    [*"ab.x", "*", "?", "**", "/", "**/", "/**", "[ab]", "[^a]", "\\*", "\\a", "ä"]
)
_patterns = st.lists(_atoms, min_size=1, max_size=6).map("".join)
_lines = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "", "", "!", "! ", "# ", " ", "/", "./", "!/"]),
    _patterns,
    st.sampled_from(["", "", "/", "/.", "/../b"]),
    st.sampled_from(["", "", " ", "\t", "\r"]),
)
_files = st.builds(
    "{}{}".format,
    st.sampled_from(["", "\ufeff"]),
    st.lists(_lines, max_size=5).map("\n".join),
)
_names = st.text("abx.*ä", min_size=1, max_size=3).filter(
    lambda n: n not in (".", "..")
)
_paths = st.lists(_names, min_size=1, max_size=4).map("/".join)


@settings(max_examples=600)
@given(text=_files, paths=st.lists(_paths, min_size=1, max_size=6))
@example(text="**foo", paths=["xfoo", "a/foo"])
@example(text="a\n!a/b\na/b/x", paths=["a", "a/b", "a/b/x", "a/b/y"])
@example(text="\ufeff# no comment\n#a\n !b ", paths=["a", "b", "no comment"])
@example(text="*\n!**/x\n", paths=["a/x", "x", "b/a"])
def test_verdicts_are_those_of_the_reference(text: str, paths: list[str]) -> None:
    ignore = parse_ignore(text, ".dockerignore")
    patterns = reference_ignore.read(text)
    for path in paths:
        assert ignore.excludes(path) == reference_ignore.excluded(patterns, path), path


@settings(max_examples=150, deadline=None)
@given(text=_files, paths=st.sets(_paths, max_size=8))
@example(text="a\n!a/b/x", paths={"a/b/x", "a/y", "b"})
@example(text="**\n!*/x\n", paths={"a/x", "a/b/x", "x"})
def test_a_walk_finds_what_the_reference_leaves(text: str, paths: set[str]) -> None:
    """Whole directories are skipped only where nothing in them can count."""
    patterns = reference_ignore.read(text)
    with tempfile.TemporaryDirectory() as folder:
        files = {path for path in paths if _make(Path(folder), path)}
        expected = {p for p in files if not reference_ignore.excluded(patterns, p)}
        with open_context(folder, os.fsencode(text)) as context:
            (item,) = context.select(Choice((".",))).items
            assert isinstance(item, TreeItem)
            found = {e.path for listing in item.listings for e in listing.entries()}
            assert found == expected
            assert not context.tree.walk("", NOTHING_IGNORED)[0].path


def _make(folder: Path, path: str) -> bool:
    """A file, unless a directory or a file is in its way."""
    try:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch(exist_ok=False)
    except (FileExistsError, NotADirectoryError):
        return False
    return True
