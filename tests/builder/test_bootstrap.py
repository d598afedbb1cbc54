"""builder.bootstrap and apt_sources: what is asked of which mirror."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.builder.apt_sources import AptSource, host_mirrors, parse_release
from lamina.builder.bootstrap import Bootstrap, memo_key, parse_bootstrap
from lamina.builder.errors import BootstrapFailed

RELEASE = """-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

Origin: Debian
Codename: bookworm
Date: Sat, 11 Jul 2026 10:00:00 UTC
SHA256:
 0123 456 main/Release
"""


def test_a_base_is_a_distribution_and_a_suite() -> None:
    wanted = parse_bootstrap("debian/bookworm", {"include": "b,a,,a"})
    assert wanted == Bootstrap("debian", "bookworm", include=("a", "b"))
    assert memo_key(wanted) == memo_key(
        parse_bootstrap("debian/bookworm", {"include": "a,b"})
    )
    assert memo_key(wanted) != memo_key(parse_bootstrap("debian/bookworm", {}))


@pytest.mark.parametrize(
    ("text", "flags", "message"),
    [
        ("bookworm", {}, "names no suite"),
        ("alpine/edge", {}, "names no suite"),
        ("debian/../x", {}, "names no suite"),
        ("debian/bookworm", {"include": "a;b"}, "not the name of a package"),
        ("debian/bookworm", {"include": "--x y"}, "not the name of a package"),
        ("debian/bookworm", {"variant": "huge"}, "no variant"),
        ("debian/bookworm", {"snapshot": "yesterday"}, "name of a snapshot"),
    ],
)
def test_wrong_wishes_are_errors(
    text: str, flags: dict[str, str], message: str
) -> None:
    with pytest.raises(BootstrapFailed, match=message):
        parse_bootstrap(text, flags)


def test_both_forms_of_sources_are_read(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(
        "# a comment\ndeb [signed-by=/k] http://one.example/debian/ bookworm main\n"
    )
    folder = tmp_path / "sources.list.d"
    folder.mkdir()
    (folder / "security.sources").write_text(
        "Types: deb\nURIs: http://one.example/debian-security\nSuites: x\n"
    )
    (folder / "other.sources.disabled").write_text("URIs: http://two.example/debian\n")
    assert host_mirrors("debian", str(tmp_path)) == (
        "http://one.example/debian",
        "http://one.example/debian-security",
    )
    with pytest.raises(BootstrapFailed, match="no mirror of ubuntu"):
        host_mirrors("ubuntu", str(tmp_path))


def test_a_release_says_what_the_key_needs() -> None:
    release = parse_release(RELEASE)
    assert (release.origin, release.codename) == ("Debian", "bookworm")
    assert release.date == 1783764000
    source = AptSource("http://m/debian", "bookworm", "main", "", RELEASE)
    assert source.line == "deb http://m/debian bookworm main"
    with pytest.raises(BootstrapFailed, match="no Date"):
        parse_release("Origin: Debian\n")
