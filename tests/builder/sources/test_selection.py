"""Which files a COPY means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.builder.errors import InvalidPattern, MissingSource, OutsideContext
from lamina.builder.sources.choice import Choice
from lamina.builder.sources.context import Context, open_context, open_root
from lamina.builder.sources.items import Selection, TreeItem
from lamina.builder.sources.selection import describe, size_of
from lamina.oci.digest import Digest


def make(root: Path, *names: str) -> Path:
    """Files that contain their own names; `a -> b` is a link."""
    for given in names:
        name, _, target = given.partition(" -> ")
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if target:
            path.symlink_to(target)
        else:
            path.write_text(name)
    return root


def digest(context: Context, *sources: str) -> Digest:
    return context.select(Choice(sources)).digest


def paths(selection: Selection) -> list[str]:
    return sorted(path for path, _ in describe(selection))


def chosen(root: Path, *sources: str, ignore: str = "") -> list[str]:
    with open_context(str(root), ignore.encode()) as context:
        return paths(context.select(Choice(sources)))


def kept(root: Path, *sources: str, exclude: tuple[str, ...] = ()) -> list[str]:
    with open_context(str(root)) as context:
        return paths(context.select(Choice(sources, exclude, True)))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make(
        tmp_path / "context",
        *("foo", "a/one", "a/two.txt", "a/b/three.txt", "sub/dir1/dir2/foo"),
        *("link -> a", "a/up -> ../foo", "evil -> /etc/shadow", "loop -> loop"),
        "out -> ../../../etc/hostname",
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("foo", ["foo"]),
        ("/foo", ["foo"]),
        ("./foo", ["foo"]),
        ("foo/", ["foo"]),
        ("a/../foo", ["foo"]),
        ("a", ["b/three.txt", "one", "two.txt", "up"]),
        ("a/.", ["b/three.txt", "one", "two.txt", "up"]),
        ("a/b/", ["three.txt"]),
        ("link", ["b/three.txt", "one", "two.txt", "up"]),
        ("link/b", ["three.txt"]),
        ("a/up", ["up"]),
        ("a/*.txt", ["two.txt"]),
        ("*/*.txt", ["two.txt"]),
        ("link/*.txt", ["two.txt"]),
        ("sub/*", ["dir2/foo"]),
        ("sub/**/dir2", ["foo"]),
        ("fo[o]", ["foo"]),
        ("fo?", ["foo"]),
        ("nothing*", []),
        ("nowhere/*", []),
    ],
)
def test_what_a_source_means(tree: Path, source: str, expected: list[str]) -> None:
    assert chosen(tree, source) == expected


def test_the_whole_context_keeps_links_as_links(tree: Path) -> None:
    everything = chosen(tree, ".")
    assert {"foo", "evil", "link", "a/up", "sub/dir1/dir2/foo"} <= set(everything)
    assert "link/one" not in everything


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        ("fooo", "fooo is not in the build context.", "There is foo."),
        ("FOO", "FOO is not in", "There is foo."),
        ("a/thre.txt", "a/thre.txt is not in", ""),
        ("a/b/thre.txt", "a/b/thre.txt is not in", "There is a/b/three.txt."),
        ("a/b/zzzzz", "a/b/zzzzz is not in", "In a/b: three.txt."),
        ("no/such", "no/such is not in", "no directory no"),
        ("foo/below", "foo/below is not in", ""),
        ("evil", "evil is a link to /etc/shadow, which is not in", ""),
        ("out", "out is a link to ../../../etc/hostname", ""),
        ("loop", "loop is a link to loop", ""),
    ],
)
def test_a_source_that_is_not_there(
    tree: Path, source: str, message: str, hint: str
) -> None:
    with pytest.raises(MissingSource) as caught:
        chosen(tree, source)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_an_ignored_source_says_by_what(tree: Path) -> None:
    with pytest.raises(MissingSource) as caught:
        chosen(tree, "a/b/three.txt", ignore="foo\n**/b\n")
    assert caught.value.message.endswith("by .dockerignore: **/b")
    with pytest.raises(MissingSource, match="left out"):
        chosen(tree, "foo", ignore="foo")
    with pytest.raises(MissingSource):
        chosen(tree, "a/up", ignore="foo")
    assert chosen(tree, "a/*", ignore="**/b\n**/up") == ["one", "two.txt"]
    assert chosen(tree, "*", ignore="*\n!a/b") == ["b/three.txt"]


@pytest.mark.parametrize("source", ["..", "../x", "/../x", "a/../../x", "./../x"])
def test_a_source_outside_the_context(tree: Path, source: str) -> None:
    with pytest.raises(OutsideContext) as caught:
        chosen(tree, source)
    assert "-f" in caught.value.hint


def test_a_stage_has_no_outside(tree: Path) -> None:
    with _root(tree) as root:
        assert paths(root.select(Choice(("../../foo",)))) == ["foo"]
        assert paths(root.select(Choice(("/link/b/",)))) == ["three.txt"]


def test_malformed_wildcards(tree: Path) -> None:
    with pytest.raises(InvalidPattern):
        chosen(tree, "a/[b")
    with open_context(str(tree)) as context, pytest.raises(InvalidPattern):
        context.select(Choice((".",), ("[",)))


def test_a_wildcard_without_a_match_is_a_warning(tree: Path) -> None:
    with open_context(str(tree)) as context:
        selection = context.select(Choice(("foo", "nothing*")))
    assert paths(selection) == ["foo"]
    assert "nothing*" in selection.warnings[0]


def test_exclude_is_relative_to_each_source_directory(tree: Path) -> None:
    def without(*patterns: str) -> list[str]:
        with open_context(str(tree)) as context:
            return paths(context.select(Choice(("a",), patterns)))

    assert without("*.txt") == ["b/three.txt", "one", "up"]
    assert without("**/*.txt") == ["one", "up"]
    assert without("a/one") == without()
    assert without("*", "!b/three.txt") == ["b/three.txt"]
    with open_context(str(tree)) as context:
        # The documentation's own example, which BuildKit does not do.
        assert paths(context.select(Choice(("a/*",), ("*.txt",)))) == ["one", "up"]
        assert paths(context.select(Choice(("foo",), ("foo",)))) == ["foo"]


def test_excluded_files_are_not_read(tree: Path) -> None:
    with open_context(str(tree)) as context:
        context.select(Choice(("a",), ("**",)))
        assert context.tree.reader.count == 0


def test_parents_are_kept(tmp_path: Path) -> None:
    root = make(
        tmp_path,
        *("x/a.txt", "y/a.txt", "y/b.txt", "foo1/foo2/bar", "foo1/foo2/baz"),
        *("test/a/b/c/d", "test/a/b2/c/x/e", "test/a/b2/c/e"),
    )
    assert kept(root, "foo1/foo2/ba*") == ["foo1/foo2/bar", "foo1/foo2/baz"]
    assert kept(root, "./x/a.txt", "y/a.txt") == ["x/a.txt", "y/a.txt"]
    assert kept(root, "test/a/./b/./c") == ["b/c/d"]
    assert kept(root, "/test/a/b*/./c/**/e") == ["c/e", "c/x/e"]
    assert kept(root, "test/**/e") == ["test/a/b2/c/e", "test/a/b2/c/x/e"]
    assert kept(root, "y", exclude=("**/b.txt",)) == ["y/a.txt"]
    assert kept(root, "nothing/*") == []
    with pytest.raises(MissingSource):
        kept(root, "y/c.txt")


def test_the_name_of_the_source_directory_does_not_count(tree: Path) -> None:
    with open_context(str(tree)) as context:
        before = digest(context, "a")
        linked = digest(context, "link")
    assert before == linked
    (tree / "a").rename(tree / "renamed")
    (tree / "renamed").chmod(0o700)
    with open_context(str(tree)) as context:
        assert digest(context, "renamed") == before
        assert digest(context, "renamed/b") != before


def test_the_name_of_a_file_counts_since_it_arrives_with_it(tmp_path: Path) -> None:
    make(tmp_path, "f", "d/f")
    (tmp_path / "g").write_text("f")
    (tmp_path / "d/f").write_text("f")
    with open_context(str(tmp_path)) as context:
        assert digest(context, "f") == digest(context, "d/f")
        assert digest(context, "f") != digest(context, "g")
        assert digest(context, "f", "g") != digest(context, "g", "f")
        assert digest(context, "d") != digest(context, "d/f")


def test_the_size_of_a_selection(tree: Path) -> None:
    with open_context(str(tree)) as context:
        items = context.select(Choice(("foo", "a"))).items
    assert isinstance(items[1], TreeItem)
    contents = ("a/one", "a/two.txt", "a/b/three.txt")
    assert [size_of(item) for item in items] == [3, sum(map(len, contents))]


def _root(path: Path) -> Context:
    fd = os.open(path, os.O_PATH)
    try:
        return open_root(fd, "the stage")
    finally:
        os.close(fd)
