"""builder.bases.apt_sources: which archives a suite comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.builder.bases.apt_sources import (
    AptSource,
    archives,
    complaints,
    host_mirrors,
    parse_release,
)
from lamina.builder.bases.request import parse_bootstrap
from lamina.builder.errors import BootstrapFailed

RELEASE = """-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

Origin: Debian
Codename: bookworm
Date: Sat, 11 Jul 2026 10:00:00 UTC
SHA256:
 0123 456 main/Release
"""


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


@pytest.mark.parametrize(
    ("base", "flags", "main", "security"),
    [
        (
            "debian/bookworm",
            {"mirror": "http://m/debian/"},
            "debian",
            "debian-security",
        ),
        (
            "debian/bookworm",
            {"mirror": "http://m/debian", "snapshot": "20260131T000000Z"},
            "debian/20260131T000000Z",
            "debian-security/20260131T000000Z",
        ),
        ("ubuntu/noble", {"mirror": "http://m/ubuntu"}, "ubuntu", "ubuntu"),
    ],
)
def test_updates_lie_beside_debian_and_in_ubuntu(
    base: str, flags: dict[str, str], main: str, security: str
) -> None:
    found = archives(parse_bootstrap(base, flags))
    assert found == (f"http://m/{main}", f"http://m/{security}")


def test_each_distribution_has_its_archive_of_snapshots() -> None:
    flags = {"snapshot": "20260131T000000Z"}
    main, security = archives(parse_bootstrap("debian/bookworm", flags))
    assert main == "http://snapshot.debian.org/archive/debian/20260131T000000Z"
    assert "/debian-security/20260131T000000Z" in security
    main, security = archives(parse_bootstrap("ubuntu/noble", flags))
    assert main == security == "https://snapshot.ubuntu.com/ubuntu/20260131T000000Z"


def test_only_what_went_wrong_first_is_told() -> None:
    said = (
        "I: running apt-get update...\nE: Unable to connect\nW: noise\n"
        "E: Unable to connect\nE: setup failed: E: apt-get failed\n"
        "E: mmdebstrap failed to run\n"
    )
    assert complaints(said) == ("Unable to connect",)
