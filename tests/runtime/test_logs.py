"""Logs: Docker's json-file records, written, read back, tailed and followed."""

from __future__ import annotations

import json
from pathlib import Path

from lamina.runtime.logs import LogWriter, follow, read, rfc3339


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


def test_times_are_go_s() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00Z"
    assert rfc3339(1_700_000_000_120_000_000) == "2023-11-14T22:13:20.12Z"
