"""builder.sharing.times: the part of a time that no tar of ours has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.builder.sharing.times import fractions_of, set_fractions
from lamina.oci.errors import InvalidArchive

SECOND = 10**9


def make(place: Path, times: dict[str, int]) -> str:
    place.mkdir()
    for name in times:
        path = place / name
        if name.endswith("/"):
            path.mkdir()
        else:
            path.write_text(name)
    for name, time in times.items():
        os.utime(place / name, ns=(time, time))
    return str(place)


def test_what_is_taken_away_comes_back(tmp_path: Path) -> None:
    times = {"b/": 3 * SECOND + 7, "b/c": SECOND - 1, "a": 5 * SECOND, "é": 12}
    data = fractions_of(make(tmp_path / "one", times))
    whole = {name: time // SECOND * SECOND for name, time in times.items()}
    other = make(tmp_path / "other", whole)
    set_fractions(other, data)
    found = {name: os.stat(f"{other}/{name}").st_mtime_ns for name in times}
    assert found == times


def test_in_the_order_of_the_tar_without_zeros_at_the_end(tmp_path: Path) -> None:
    place = make(tmp_path / "one", {"a": SECOND, "b": 2 * SECOND + 1, "c": SECOND})
    assert fractions_of(place) == bytes([0, 0, 0, 0, 1, 0, 0, 0])
    assert fractions_of(make(tmp_path / "two", {"a": SECOND})) == b""


def test_a_time_before_1970(tmp_path: Path) -> None:
    data = fractions_of(make(tmp_path / "one", {"a": -1}))
    other = make(tmp_path / "other", {"a": -SECOND})
    set_fractions(other, data)
    assert os.stat(f"{other}/a").st_mtime_ns == -1


@pytest.mark.root
def test_a_whiteout_has_none(tmp_path: Path) -> None:
    place = make(tmp_path / "one", {"b": 1})
    os.mknod(f"{place}/a", 0o020600, 0)
    assert fractions_of(place) == bytes([1, 0, 0, 0])
    set_fractions(place, bytes([9, 0, 0, 0]))
    assert os.stat(f"{place}/b").st_mtime_ns == 9


@pytest.mark.parametrize(
    "data", [b"\0", bytes(8) + b"\1\0\0\0", b"\xff\xff\xff\xff"], ids=len
)
def test_times_of_something_else(tmp_path: Path, data: bytes) -> None:
    place = make(tmp_path / "one", {"a": 0, "b": 0})
    with pytest.raises(InvalidArchive):
        set_fractions(place, data)
