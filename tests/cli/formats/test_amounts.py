"""Amounts as docker's flags take them."""

from __future__ import annotations

import pytest

from lamina.cli.formats.amounts import (
    RunUsage,
    cpus,
    duration,
    integer,
    restart_policy,
    size,
    swap,
)


def test_sizes_in_docker_s_units() -> None:
    assert [size(text, "-m") for text in ("", "5", "1k", "512m", "1.5g", "2GiB")] == [
        *(0, 5, 1024, 512 << 20, 3 << 29, 2 << 30)
    ]
    for bad in ("x", "-1", "1x", "m", "1e999", "nan"):
        with pytest.raises(RunUsage):
            size(bad, "-m")
    assert swap("-1") == -1


def test_times_as_go_writes_them() -> None:
    assert duration("1m30s", "-x") == 90 * 10**9
    assert duration("1.5h", "-x") == 5400 * 10**9
    assert duration("1ms", "-x") == 10**6
    assert duration("0", "-x") == duration("", "-x") == 0
    for bad in ("5", "s", "1d", "-1s", "1s1", "1us", "9999999h"):
        with pytest.raises(RunUsage):
            duration(bad, "-x")


def test_numbers_fit_in_docker_s_api() -> None:
    assert integer("-1", "-x") == -1
    assert integer(str((1 << 63) - 1), "-x") == (1 << 63) - 1
    for bad in ("", "x", "1.5", "1_000", "NaN", str(1 << 63), "9" * 5000):
        with pytest.raises(RunUsage):
            integer(bad, "-x")


def test_cpus() -> None:
    assert (cpus(""), cpus("1.5")) == (0, 1_500_000_000)
    for bad in ("0.001", "x", "-1", "inf", "1e300"):
        with pytest.raises(RunUsage):
            cpus(bad)


def test_restart_policies() -> None:
    for text in ("no", "always", "unless-stopped", "on-failure", "on-failure:3"):
        assert restart_policy(text) == text
    for bad in (
        "",
        "never",
        "always:3",
        "on-failure:",
        "on-failure:x",
        "on-failure:-1",
        "on-failure:99999999999",
    ):
        with pytest.raises(RunUsage):
            restart_policy(bad)
