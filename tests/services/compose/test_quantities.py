"""Times and numbers."""

from __future__ import annotations

import pytest

from lamina.services.compose.quantities import (
    go_duration,
    go_number,
    nanoseconds,
)


@pytest.mark.parametrize(
    ("written", "docker"),
    [
        ("10s", "10s"),
        ("90s", "1m30s"),
        ("1m30s", "1m30s"),
        ("1h", "1h0m0s"),
        ("1d", "24h0m0s"),
        ("2w", "336h0m0s"),
        ("1.5s", "1.5s"),
        ("500ms", "500ms"),
        ("1500us", "1.5ms"),
        ("100µs", "100µs"),
        ("5ns", "5ns"),
        ("0", "0s"),
        ("0s", "0s"),
        ("-1m", "-1m0s"),
    ],
)
def test_times_as_docker_writes_them(written: str, docker: str) -> None:
    length = nanoseconds(written)
    assert length is not None
    assert go_duration(length) == docker


@pytest.mark.parametrize("text", ["", "10", "s", "1x", "1s 2s", "-", "\uff11s", "1e3s"])
def test_what_is_no_time(text: str) -> None:
    assert nanoseconds(text) is None


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (5, "5"),
        (1.0, "1"),
        (1.1, "1.1"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (100000.0, "100000"),
        (1000000.0, "1e+06"),
        (1234567.5, "1.2345675e+06"),
        (-2.5e20, "-2.5e+20"),
    ],
)
def test_numbers_as_docker_hands_them_to_a_container(number: float, shown: str) -> None:
    assert go_number(number) == shown
