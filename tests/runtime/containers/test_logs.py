"""Logs: Docker's json-file records, written, read back, tailed and followed."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from lamina.runtime.containers.logs import Record, follow, read
from lamina.runtime.keeper.log import LogWriter, rfc3339


def written(path: Path, *parts: tuple[str, bytes]) -> str:
    log = LogWriter(str(path))
    for stream, data in parts:
        log.write(stream, data)
    log.close()
    return str(path)


def test_a_record_is_a_line_of_docker_s_json(tmp_path: Path) -> None:
    path = written(tmp_path / "log", ("stdout", b"hello\n"))
    record = json.loads(Path(path).read_text())
    assert list(record) == ["log", "stream", "time"]
    assert record["log"] == "hello\n"
    assert record["stream"] == "stdout"
    assert record["time"].endswith("Z")


def test_lines_are_put_together_and_the_last_needs_no_newline(tmp_path: Path) -> None:
    parts = (b"one\ntw", b"o\n", b"three")
    path = written(tmp_path / "log", *(("stdout", part) for part in parts))
    assert [record.log for record in read(path)] == [b"one\n", b"two\n", b"three"]


def test_streams_keep_their_halves_apart(tmp_path: Path) -> None:
    path = written(
        tmp_path / "log", ("stdout", b"a"), ("stderr", b"b\n"), ("stdout", b"c\n")
    )
    found = [(record.stream, record.log) for record in read(path)]
    assert found == [("stderr", b"b\n"), ("stdout", b"ac\n")]


def test_bytes_that_are_no_text_come_back(tmp_path: Path) -> None:
    data = bytes(range(256)).replace(b"\n", b"") + b"\n"
    assert b"".join(r.log for r in read(written(tmp_path / "l", ("stdout", data)))) == (
        data
    )


def test_a_long_line_is_several_records_of_16_kib(tmp_path: Path) -> None:
    data = b"x" * 40_000 + b"\n"
    records = [r.log for r in read(written(tmp_path / "log", ("stdout", data)))]
    assert [len(record) for record in records] == [16384, 16384, 40_001 - 32768]
    assert b"".join(records) == data


def test_tail_reads_the_last_lines_of_a_big_log(tmp_path: Path) -> None:
    lines = [b"line %d %s\n" % (n, b"y" * 200) for n in range(5000)]
    path = written(tmp_path / "log", ("stdout", b"".join(lines)))
    assert [record.log for record in read(path, tail=3)] == lines[-3:]
    assert [record.log for record in read(path, tail=1000)] == lines[-1000:]
    assert len(list(read(path, tail=9999))) == 5000
    assert not list(read(path, tail=0))


def test_a_record_that_a_crash_cut_is_left_out(tmp_path: Path) -> None:
    path = written(tmp_path / "log", ("stdout", b"whole\n"))
    with open(path, "a") as file:
        file.write('{"log":"cu')
    assert [record.log for record in read(path)] == [b"whole\n"]


def test_there_may_be_no_log(tmp_path: Path) -> None:
    assert not list(read(str(tmp_path / "none")))


def test_follow_gives_what_is_added_until_the_end(tmp_path: Path) -> None:
    log = LogWriter(str(tmp_path / "log"))
    log.write("stdout", b"before\n")
    answers = iter([(b"during\n", False), (b"last\n", True)])

    def ended() -> bool:
        data, end = next(answers)
        log.write("stdout", data)
        return end

    found = [record.log for record in follow(str(tmp_path / "log"), None, ended)]
    log.close()
    assert found == [b"before\n", b"during\n", b"last\n"]


def rotated(
    place: Path, numbers: range, size: int = 1000, files: int = 3, zipped: bool = False
) -> LogWriter:
    visit = (lambda: None) if zipped else None
    log = LogWriter(str(place / "log"), size, files, visit=visit)
    for number in numbers:
        log.write("stdout", b"%80d\n" % number)
    return log


def numbers(records: Iterable[Record]) -> list[int]:
    return [int(record.log) for record in records]


def test_a_rotated_log_is_read_from_its_oldest_file_on(tmp_path: Path) -> None:
    rotated(tmp_path, range(14)).close()
    path = str(tmp_path / "log")
    assert sorted(os.listdir(tmp_path)) == ["log", "log.1", "log.2"]
    assert numbers(read(path)) == [*range(14)]
    for count in (0, 1, 2, 3, 7, 8, 9, 13, 14, 30):
        assert numbers(read(path, count)) == [*range(14)][14 - min(count, 14) :]


def test_a_compressed_log_is_read_as_any_other(tmp_path: Path) -> None:
    rotated(tmp_path, range(14), zipped=True).close()
    path = str(tmp_path / "log")
    assert sorted(os.listdir(tmp_path)) == ["log", "log.1.gz", "log.2.gz"]
    oldest = gzip.decompress((tmp_path / "log.2.gz").read_bytes()).splitlines()
    assert int(json.loads(oldest[0])["log"]) == 0
    for count in (None, 0, 1, 7, 8, 9, 13, 14, 30):
        tail = 14 if count is None else min(count, 14)
        assert numbers(read(path, count)) == [*range(14)][14 - tail :]


def test_a_damaged_file_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    rotated(tmp_path, range(14), zipped=True).close()
    (older,) = tmp_path.glob("log.2.gz")
    # Other bytes instead could be some text, too.
    older.write_bytes(older.read_bytes()[:-20])
    found = numbers(read(str(tmp_path / "log")))
    assert found[-8:] == [*range(6, 14)]


def test_what_was_compressed_and_what_was_not_go_together(tmp_path: Path) -> None:
    """Whatever is interrupted, and with other options from one start to the next."""
    rotated(tmp_path, range(7), zipped=True).close()
    rotated(tmp_path, range(7, 20), files=5).close()
    rotated(tmp_path, range(20, 33), files=5, zipped=True).close()
    names = sorted(os.listdir(tmp_path))
    assert names == ["log", "log.1.gz", "log.2.gz", "log.3", "log.4"]
    found = numbers(read(str(tmp_path / "log")))
    assert found == [*range(33 - len(found), 33)]
    assert len(found) > 24


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("files", [1, 2, 5])
def test_follow_goes_on_across_rotations(
    tmp_path: Path, files: int, zipped: bool
) -> None:
    log = rotated(tmp_path, range(5), files=files, zipped=zipped)
    rest = iter(range(5, 60))

    def ended() -> bool:
        # At most one rotation between two looks.
        for number in (next(rest, None) for _ in range(3)):
            if number is None:
                return True
            log.write("stdout", b"%80d\n" % number)
        return False

    found = numbers(follow(str(tmp_path / "log"), None, ended))
    log.close()
    assert found == [*range(60)]


def test_what_was_rotated_away_while_nobody_looked_is_lost_alone(
    tmp_path: Path,
) -> None:
    log = rotated(tmp_path, range(5), files=2)

    def ended() -> bool:
        for number in range(5, 60):
            log.write("stdout", b"%80d\n" % number)
        return True

    found = numbers(follow(str(tmp_path / "log"), None, ended))
    log.close()
    # The file that was open, to its end, and what is there now.
    gap = next(n for n, number in enumerate(found) if n != number)
    assert gap >= 5
    assert found[gap:] == [*range(60)][gap - len(found) :]


def test_lines_that_the_disk_had_no_room_for_are_told(tmp_path: Path) -> None:
    (tmp_path / "log").write_text('{"lost":7,"time":"2026-11-30T12:00:00.5Z"}\n')
    assert list(read(str(tmp_path / "log"))) == [
        Record(b"", "", "2026-11-30T12:00:00.5Z", 7)
    ]


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        '{"log":"a"}',
        '{"log":"a","stream":"stdout"}',
        '{"log":"a\\',
        '{"lost":x,"time":"2026"}',
        '{"lost":1}',
        "\xff",
    ],
)
def test_lines_that_are_no_records_are_left_out(tmp_path: Path, line: str) -> None:
    path = written(tmp_path / "log", ("stdout", b"before\n"))
    with open(path, "a", encoding="latin-1") as file:
        file.write(line + "\n")
    written(tmp_path / "log", ("stdout", b"after\n"))
    assert [record.log for record in read(path)] == [b"before\n", b"after\n"]


def test_times_are_go_s() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00Z"
    assert rfc3339(1_700_000_000_120_000_000) == "2023-11-14T22:13:20.12Z"


class TestAttributes:
    """What `--log-opt labels=...` and its kin put into each record."""

    @staticmethod
    def log(path: Path, attrs: dict[str, str], *lines: bytes) -> str:
        text = json.dumps(attrs, separators=(",", ":"))
        log = LogWriter(str(path), 0, 1, text)
        for line in lines:
            log.write("stdout", line)
        log.close()
        return str(path)

    @pytest.mark.parametrize(
        "attrs",
        [
            {"tag": "web"},
            # What a reader could take for the record's own.
            {"a": "x", "time": "y", "z": '","time":"'},
            {"a": '\n","stream":"stderr","time":"', "attrs": '","attrs":'},
            {"b": "\udcff\u20ac"},
        ],
    )
    def test_they_are_read_back(self, tmp_path: Path, attrs: dict[str, str]) -> None:
        path = self.log(tmp_path / "log", attrs, b"one\n", b"two\n", b"three")
        found = list(read(path))
        assert [record.log for record in found] == [b"one\n", b"two\n", b"three"]
        assert {record.stream for record in found} == {"stdout"}
        assert all(record.time.endswith("Z") for record in found)
        assert [json.loads(record.attrs) for record in found] == [attrs] * 3
        (first, *_) = Path(path).read_text().splitlines()
        assert list(json.loads(first)) == ["log", "stream", "attrs", "time"]

    def test_a_tail_knows_where_a_long_record_ends(self, tmp_path: Path) -> None:
        path = self.log(tmp_path / "log", {"a": "x" * 5000}, b"1\n", b"2\n", b"3\n")
        assert [record.log for record in read(path, 2)] == [b"2\n", b"3\n"]
