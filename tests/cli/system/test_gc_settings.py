"""cli.gc_settings: `[gc]` in lamina.toml, and what is wrong in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.cli.system.gc_settings import GcSettings, InvalidConfiguration, read_gc
from lamina.errors import LaminaError
from lamina.oci.garbage.policy import Space

GB = 1 << 30
DAY = 86400


def read(place: Path, *texts: str, disk: int = 1000 * GB) -> GcSettings:
    files = []
    for number, text in enumerate(texts):
        path = place / f"{number}.toml"
        path.write_text(text)
        files.append(str(path))
    return read_gc(tuple(files), disk)


def test_what_holds_when_nothing_is_said(tmp_path: Path) -> None:
    space = Space(100 * GB, 200 * GB, 10 * GB)
    usual = GcSettings(True, 3600, 60 * DAY, space)
    assert read_gc((str(tmp_path / "none"),), 1000 * GB) == usual
    assert read(tmp_path, "", "[gc]\n") == usual
    # Of a small disk it is a share.
    small = read(tmp_path, "", disk=50 * GB).space
    assert small == Space(40 * GB, 10 * GB, 5 * GB)


def test_what_is_said(tmp_path: Path) -> None:
    text = """
[gc]
enabled = false
interval = "12h"
max-age = "7d"
max-used-space = "20%"
min-free-space = 1024
reserved-space = "0"
"""
    wanted = GcSettings(False, 12 * 3600, 7 * DAY, Space(200 * GB, 1024, 0))
    assert read(tmp_path, text) == wanted


def test_the_users_file_counts_key_by_key(tmp_path: Path) -> None:
    found = read(
        tmp_path, '[gc]\nmax-age = "1d"\ninterval = "2h"\n', '[gc]\nmax-age = "0"\n'
    )
    assert (found.max_age, found.interval) == (0, 7200)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[gc]\n\nmaxUsedSpace = 1\n", 3, "called max-used-space"),
        ("[gc]\nsize = 1\n", 2, "It may have enabled"),
        ("\n[build]\njobs = 2\n", 2, "[gc]"),
        ("gc = 1\n", 1, "line of its own"),
        ("[gc]\nenabled = 'no'\n", 2, "true or false"),
        ("[gc]\nmax-age = '7 days'\n", 2, "60d"),
        ("[gc]\nmax-used-space = 'much'\n", 2, "10GB"),
        ("[gc]\nmin-free-space = [1]\n", 2, "10GB"),
        ("[gc]\n'max-used' = 1\n", 2, "It may have"),
    ],
)
def test_what_is_wrong_has_a_place(
    tmp_path: Path, text: str, line: int, said: str
) -> None:
    with pytest.raises(LaminaError) as caught:
        read(tmp_path, text)
    assert caught.value.place == f"{tmp_path}/0.toml:{line}"
    assert said in caught.value.hint


@pytest.mark.parametrize("text", ["[gc", "[gc]\nenabled\n", "\xff"])
def test_what_is_no_toml(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lamina.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InvalidConfiguration) as caught:
        read_gc((str(path),), GB)
    assert str(path) in caught.value.message
