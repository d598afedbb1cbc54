"""oci.registry.connection.challenge: WWW-Authenticate, as it is and as it is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.oci.registry.connection.challenge import parse_challenges


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", []),
        ("Basic", [("basic", {})]),
        ('Basic realm="a, b=\\"c\\""', [("basic", {"realm": 'a, b="c"'})]),
        (
            'Bearer realm="https://auth.example/token",service="r",scope="a b"',
            [
                (
                    "bearer",
                    {
                        "realm": "https://auth.example/token",
                        "service": "r",
                        "scope": "a b",
                    },
                )
            ],
        ),
        (
            'Basic realm="x", BEARER Realm=y , service="z"',
            [("basic", {"realm": "x"}), ("bearer", {"realm": "y", "service": "z"})],
        ),
        ('Bearer realm="one",realm="two"', [("bearer", {"realm": "one"})]),
        ('Bearer realm="open', [("bearer", {})]),
    ],
)
def test_challenges(header: str, found: list[tuple[str, dict[str, str]]]) -> None:
    parsed = [(c.scheme, dict(c.parameters)) for c in parse_challenges(header)]
    assert parsed == found


@given(st.text(alphabet='aB=", \\\t(', max_size=200))
def test_any_text_ends(header: str) -> None:
    for challenge in parse_challenges(header):
        assert challenge.scheme == challenge.scheme.lower()
