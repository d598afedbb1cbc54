"""Ignore patterns, with the verdicts of moby's patternmatcher."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.builder.errors import InvalidPattern
from lamina.builder.sources.ignore import (
    Ignore,
    component_matcher,
    expression,
    parse_ignore,
    patterns_of,
)


def verdict(text: str, path: str) -> bool:
    return parse_ignore(text, ".dockerignore").excludes(path)


def test_buildkits_example() -> None:
    text = "ba*\nDockerfile\n!bay\n.dockerignore\n"
    files = ["foo", "bar", "baz", "bay", "Dockerfile", ".dockerignore"]
    assert [f for f in files if not verdict(text, f)] == ["foo", "bay"]


@pytest.mark.parametrize(
    ("pattern", "excluded", "kept"),
    [
        ("foo", "foo foo/a foo/a/b", "a/foo xfoo foox"),
        ("/foo/", "foo foo/a", "a/foo"),
        ("a/./b/../c", "a/c a/c/d", "a/b c"),
        ("*", "a a/b .git", ""),
        ("*.pyc", "x.pyc .pyc", "a/x.pyc x.pyc2"),
        ("**/*.pyc", "x.pyc a/x.pyc a/b/x.pyc", "x.py a/pyc"),
        ("**/node_modules", "node_modules a/node_modules/b", "my_node_modules"),
        ("**foo", "foo xfoo a/xfoo", "foox"),
        ("a/**", "a/b a/b/c", "a ab b/a/c"),
        ("a**", "a ab a/b", "b/a"),
        ("a**b", "ab a/b axx/b ax/y/b", "axb"),
        ("a/**/b", "a/b a/x/b a/x/y/b", "ab x/a/b"),
        ("**/a/**", "a/b x/a/b", "a b/c"),
        ("**", "a a/b/c", ""),
        ("*/temp*", "a/temp a/temporary/x", "temp a/b/temp"),
        ("temp?", "tempa temp1", "temp temp12 temp/"),
        ("a?b", "axb", "a/b ab"),
        ("[a-c]x", "ax bx", "dx x"),
        ("[^a-c]x", "dx", "ax"),
        ("[a\\]]x", "ax ]x", "bx"),
        ("[z-a]x", "", "ax zx"),
        (r"\*", "*", "a"),
        (r"a\b", "ab", r"a\b"),
        ("a.b", "a.b", "axb"),
        ("a+(b)|{c}$", "a+(b)|{c}$", "aab"),
        ("Foo", "Foo", "foo"),
        (".", "", "a"),
        ("..", "", "a"),
        ("../a", "", "a"),
    ],
)
def test_what_a_pattern_excludes(pattern: str, excluded: str, kept: str) -> None:
    for path in excluded.split():
        assert verdict(pattern, path), f"{pattern} must exclude {path}"
    for path in kept.split():
        assert not verdict(pattern, path.rstrip("/")), f"{pattern} must keep {path}"


def test_the_last_pattern_that_matches_decides() -> None:
    assert verdict("a\n!a/b\na/b/c", "a/x")
    assert not verdict("a\n!a/b\na/b/c", "a/b/y")
    assert verdict("a\n!a/b\na/b/c", "a/b/c/d")
    assert verdict("!a\na", "a")
    assert not verdict("*\n!keep", "keep/inner")
    assert not verdict("**/*.md\n!README.md", "README.md")
    assert verdict("**/*.md\n!README.md", "docs/README.md")


def test_the_file_is_read_as_docker_reads_it() -> None:
    text = "\ufeff# a comment\n  \n #not a comment\r\n ! keep \r\n/\nx "
    assert parse_ignore(text, "f").patterns == ("#not a comment", "!keep", "/", "x")


@pytest.mark.parametrize("bad", ["!", "a[", "a[]", "[a", "x\\", "[-a]", "[a-]", "[^]"])
def test_malformed_patterns_are_refused_with_their_line(bad: str) -> None:
    with pytest.raises(InvalidPattern) as caught:
        parse_ignore(f"fine\n{bad}\n", ".dockerignore")
    assert caught.value.place == ".dockerignore:2"
    assert caught.value.hint


def test_an_excluded_directory_is_entered_only_for_an_exception() -> None:
    ignore = parse_ignore("*\n!src/*.py\n!docs/guide", "f")
    assert ignore.may_include_below("src")
    assert ignore.may_include_below("src/deep")
    assert ignore.may_include_below("docs")
    assert not ignore.may_include_below("docs/guide")
    assert not ignore.may_include_below("node_modules")
    assert parse_ignore("*\n!**/x", "f").may_include_below("any/where")
    assert not parse_ignore("*", "f").may_include_below("src")


def test_a_walk_gives_the_verdict_that_a_lone_path_gets() -> None:
    ignore = parse_ignore("a\n!a/b\n**/*.log\n!a/b/keep.log", "f")
    top = ignore.last_match("a")
    inner = ignore.last_match("a/b", top)
    for name in ("x", "x.log", "keep.log"):
        walked = ignore.is_exclusion(ignore.last_match(f"a/b/{name}", inner))
        assert walked == ignore.excludes(f"a/b/{name}")


_names = st.text("ab/.*?x", min_size=1, max_size=6)


@given(pattern=_names, path=st.text("abx./", min_size=1, max_size=8))
def test_shortcuts_agree_with_the_regular_expression(pattern: str, path: str) -> None:
    import re

    (cleaned,) = patterns_of([pattern], "test").patterns
    plain = re.compile(expression(cleaned), re.DOTALL)
    # Leading `**` alone tests the end of a path, trailing `**` its start.
    if cleaned.startswith("**") or cleaned.endswith("**"):
        return
    assert Ignore((cleaned,)).last_match(path) == (0 if plain.fullmatch(path) else -1)


def test_plain_patterns_need_no_regular_expressions() -> None:
    import subprocess

    script = (
        "import sys; from lamina.builder.sources.ignore import parse_ignore\n"
        "had = 're' in sys.modules\n"
        "i = parse_ignore('.git\\n*.pyc\\n**/node_modules\\n**/*.log\\ndist/**', 'f')\n"
        "assert not i.excludes('src/main.py') and i.excludes('a/b.log')\n"
        "print(had or 're' not in sys.modules)"
    )
    command = [sys.executable, "-c", script]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"True\n"


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("*", "a .a", ""),
        ("*.txt", "a.txt .txt", "a.txt2"),
        ("**", "a", ""),
        ("a*b*c", "abc axbxc", "ab acb"),
        ("arr[[]0].txt", "arr[0].txt", "arr0.txt"),
        ("fil[e]", "file", "fil"),
    ],
)
def test_wildcards_in_a_name(pattern: str, matching: str, other: str) -> None:
    matches = component_matcher(pattern)
    assert all(matches(name) for name in matching.split())
    assert not any(matches(name) for name in other.split())
