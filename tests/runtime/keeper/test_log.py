"""The log that a container leaves: records, lines in pieces, files that follow."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from lamina.runtime.keeper.log import LogWriter


def records(path: Path) -> list[tuple[str, str]]:
    lines = path.read_text().splitlines()
    return [(r["stream"], r["log"]) for r in map(json.loads, lines)]


def test_lines_in_pieces_are_one_record(tmp_path: Path) -> None:
    log = LogWriter(f"{tmp_path}/log")
    log.write("stdout", b"a li")
    log.write("stderr", b"another\n")
    log.write("stdout", b"ne\nlast")
    log.close()
    assert records(tmp_path / "log") == [
        ("stderr", "another\n"),
        ("stdout", "a line\n"),
        ("stdout", "last"),
    ]


def test_bytes_that_are_no_text_are_kept(tmp_path: Path) -> None:
    log = LogWriter(f"{tmp_path}/log")
    log.write("stdout", b"\xff\0\x1b[1m\n")
    log.close()
    ((_, text),) = records(tmp_path / "log")
    assert text.encode("utf-8", "surrogateescape") == b"\xff\0\x1b[1m\n"


def test_a_large_log_goes_on_in_another_file(tmp_path: Path) -> None:
    log = LogWriter(f"{tmp_path}/log", 1000, 3)
    for number in range(50):
        log.write("stdout", f"{number:>80}\n".encode())
    log.close()
    names = sorted(os.listdir(tmp_path))
    assert names == ["log", "log.1", "log.2"]
    assert all((tmp_path / name).stat().st_size <= 1000 for name in names)
    kept = [int(t) for n in reversed(names) for _, t in records(tmp_path / n)]
    assert kept == [*range(50)][-len(kept) :]
    # It goes on where it was.
    log = LogWriter(f"{tmp_path}/log", 1000, 1)
    for number in range(50):
        log.write("stdout", f"{number:>80}\n".encode())
    log.close()
    assert (tmp_path / "log").stat().st_size <= 1000


def test_what_came_at_once_is_rotated_as_well(tmp_path: Path) -> None:
    log = LogWriter(f"{tmp_path}/log", 1000, 4)
    log.write("stdout", b"".join(b"%80d\n" % number for number in range(20)))
    log.close()
    names = sorted(os.listdir(tmp_path), reverse=True)
    assert names == ["log.3", "log.2", "log.1", "log"]
    assert all((tmp_path / name).stat().st_size <= 1000 for name in names)
    assert [int(t) for n in names for _, t in records(tmp_path / n)] == [*range(20)]


def test_a_record_larger_than_a_file_has_one_to_itself(tmp_path: Path) -> None:
    log = LogWriter(f"{tmp_path}/log", 100, 3)
    log.write("stdout", b"a\n" + b"b" * 200 + b"\nc\n")
    log.close()
    found = [records(tmp_path / name) for name in ("log.2", "log.1", "log")]
    assert [len(rows) for rows in found] == [1, 1, 1]


@pytest.mark.root
def test_a_full_disk_loses_lines_whole_and_says_how_many(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=64k", "t", disk), check=True)
    try:
        log = LogWriter(f"{disk}/log")
        (disk / "other").write_bytes(b"x" * 40_000)
        for number in range(400):
            log.write("stdout", b"%80d\n" % number)
        (disk / "other").unlink()
        log.write("stdout", b"after\n")
        log.close()
        lines = [json.loads(line) for line in (disk / "log").read_text().splitlines()]
    finally:
        subprocess.run(("umount", "-l", disk), check=True)
    kept = [int(line["log"]) for line in lines[:-1] if "log" in line]
    assert kept == [*range(len(kept))]
    assert 0 < len(kept) < 400
    assert sum(line.get("lost", 0) for line in lines) == 400 - len(kept)
    assert lines[-1]["log"] == "after\n"


def test_a_disk_that_takes_nothing_any_more_ends_nobody(tmp_path: Path) -> None:
    """It failed, and the kernel has mounted it read-only: neither written nor cut."""
    log = LogWriter(f"{tmp_path}/log")
    log.write("stdout", b"one\n")
    os.close(log._file)
    log._file = os.open(tmp_path / "log", os.O_RDONLY)
    log.write("stdout", b"two\nthree\n")
    log.close()
    assert records(tmp_path / "log") == [("stdout", "one\n")]
