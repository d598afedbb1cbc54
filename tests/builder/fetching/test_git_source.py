"""What addresses of repositories say."""

from __future__ import annotations

import pytest

from lamina.builder.errors import DownloadFailed
from lamina.builder.fetching.git_source import (
    GitSource,
    is_git,
    parse_git,
    shown,
    with_flags,
)

COMMIT = "0123456789" * 4


@pytest.mark.parametrize(
    "address",
    [
        "git://h/x",
        "ssh://git@h/x",
        "git@h:x/y.git",
        "https://h/x.git#main",
        "http://h/x.git/?ref=main",
        "file:///srv/x",
    ],
)
def test_addresses_of_repositories(address: str) -> None:
    assert is_git(address)


@pytest.mark.parametrize(
    "address", ["https://h/x.tgz", "https://h/x?f=y.git", "src/a@b", "a:b", "@h:x", "."]
)
def test_other_addresses_and_paths(address: str) -> None:
    assert not is_git(address)


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("git://h/x#main:a/b/", GitSource("git://h/x", "main", "a/b")),
        ("git://h/x#:a", GitSource("git://h/x", "", "a")),
        ("git://h/x?tag=1&subdir=a", GitSource("git://h/x", "refs/tags/1", "a")),
        (
            "git://h/x?branch=b&commit=0123456&keep-git-dir&submodules=0",
            GitSource("git://h/x", "refs/heads/b", "", "0123456", True, False),
        ),
    ],
)
def test_both_spellings(address: str, source: GitSource) -> None:
    assert parse_git(address) == source


@pytest.mark.parametrize(
    "address",
    [
        "git://h/x#--upload-pack=touch",
        "git://-oProxyCommand=x/y",
        "ssh://a@-x/y",
        "git://h/x#main:../..",
        "git://h/x#a..b",
        "git://h/x#a\nb",
        "git://h/x?ref=a#b",
        "git://h/x?ref=a&tag=b",
        "git://h/x?depth=3",
        "git://h/x?checksum=latest",
        "git://h/x?mtime=checkout",
        "file://host/x",
    ],
)
def test_what_git_could_misunderstand_is_refused(address: str) -> None:
    """CVE-2019-13139."""
    with pytest.raises(DownloadFailed):
        parse_git(address)


def test_flags_of_add_join_the_address() -> None:
    source = with_flags(parse_git("git://h/x#main"), f"sha1:{COMMIT}", True)
    assert (source.checksum, source.keep_git_dir) == (COMMIT, True)
    assert not source.is_pinned
    assert parse_git(f"git://h/x#{COMMIT}").is_pinned


def test_a_commit_alone_is_the_one_that_is_wanted() -> None:
    wanted = parse_git(f"git://h/x?commit={COMMIT}&mtime=commit&fetch-by-commit=true")
    assert wanted.is_pinned and wanted.ref == COMMIT
    assert parse_git(f"git://h/x?ref=main&commit={COMMIT}").ref == "main"


def test_passwords_are_not_shown() -> None:
    """CVE-2023-26054, CVE-2019-13509."""
    assert shown("https://me:secret@h/x.git") == "https://me:***@h/x.git"
    assert "secret" not in str(parse_git("https://me:secret@h/x.git#main"))
