"""builder.bases.unknown: what would provide a base that is nowhere."""

from __future__ import annotations

import pytest

from lamina.builder.bases.unknown import suite_of


@pytest.mark.parametrize(
    ("name", "suite"),
    [
        ("debian", "debian/stable"),
        ("debian:latest", "debian/stable"),
        ("debian:bookworm", "debian/bookworm"),
        ("debian:bookworm-slim", "debian/bookworm"),
        ("debian:bookworm-20260713-slim", "debian/bookworm"),
        ("debian:12", "debian/bookworm"),
        ("debian:12.5-slim", "debian/bookworm"),
        ("docker.io/library/debian:sid", "debian/sid"),
        ("ubuntu:24.04", "ubuntu/noble"),
        ("ubuntu:jammy-20240101", "ubuntu/jammy"),
        # Nobody knows what these would be made of.
        ("debian:99", ""),
        ("ubuntu:99.10", ""),
        ("python:3.12", ""),
        ("registry.example/debian:12", ""),
        ("me/debian", ""),
        ("Bad Name", ""),
    ],
)
def test_dockers_own_bases_have_a_suite(name: str, suite: str) -> None:
    assert suite_of(name) == suite
