"""Platforms, spelled as `--platform` of Docker takes them."""

from __future__ import annotations

import pytest

from lamina.oci.errors import InvalidImage
from lamina.oci.platforms import Platform, host_platform, parse_platform, runnable

HOST = Platform("linux", "amd64")


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("linux/amd64", Platform("linux", "amd64")),
        ("linux/x86_64", Platform("linux", "amd64")),
        ("linux/arm64/v8", Platform("linux", "arm64")),
        ("aarch64", Platform("linux", "arm64")),
        ("linux/arm", Platform("linux", "arm", "v7")),
        ("armel", Platform("linux", "arm", "v6")),
        ("linux/arm/6", Platform("linux", "arm", "v6")),
        ("linux", Platform("linux", "amd64")),
        ("windows/amd64", Platform("windows", "amd64")),
        ("linux/amd64/v3", Platform("linux", "amd64", "v3")),
    ],
)
def test_spellings(text: str, platform: Platform) -> None:
    assert parse_platform(text, HOST) == platform
    assert parse_platform(str(platform), HOST) == platform


@pytest.mark.parametrize("text", ["", "/", "linux/", "a/b/c/d", "linux/am d64", "ü"])
def test_what_is_no_platform(text: str) -> None:
    with pytest.raises(InvalidImage):
        parse_platform(text, HOST)


def test_the_host_is_a_linux() -> None:
    assert host_platform().os == "linux"
    assert host_platform().architecture


@pytest.mark.parametrize(
    ("platform", "there"),
    [
        ("linux/amd64", "linux/amd64 linux/386"),
        ("linux/amd64/v3", "linux/amd64/v3 linux/amd64/v2 linux/amd64 linux/386"),
        ("linux/arm/v7", "linux/arm/v7 linux/arm/v6 linux/arm/v5"),
        ("linux/s390x", "linux/s390x"),
    ],
)
def test_what_a_machine_runs_best_first(platform: str, there: str) -> None:
    found = runnable(parse_platform(platform, HOST))
    assert " ".join(map(str, found)) == there
