"""Messages with descriptors: more of them than one datagram takes, among others."""

from __future__ import annotations

import errno
import os
import resource
import threading
from _socket import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.runtime.isolation import wire

MANY = 700  # SCM_MAX_FD is 253
Ends = tuple[socket, socket]


@pytest.fixture
def files(tmp_path: Path) -> Iterator[tuple[int, ...]]:
    """Descriptors of files that tell their number."""
    opened = []
    for number in range(MANY):
        path = tmp_path / str(number)
        path.write_text(str(number))
        opened.append(os.open(path, os.O_RDONLY))
    yield tuple(opened)
    for fd in opened:
        os.close(fd)


@pytest.fixture
def ends() -> Iterator[tuple[socket, socket]]:
    ours, theirs = wire.pair()
    theirs.settimeout(20)
    yield ours, theirs
    ours.close()
    theirs.close()


def numbers(fds: list[int]) -> list[int]:
    """What the files say, which are closed."""
    found = [int(os.pread(fd, 8, 0)) for fd in fds]
    for fd in fds:
        os.close(fd)
    return found


@pytest.mark.parametrize("count", [0, 1, 252, 253, 254, 506, 507, MANY])
@pytest.mark.parametrize("size", [0, 100_000])
def test_any_number_of_descriptors_arrives_in_order(
    ends: Ends, files: tuple[int, ...], count: int, size: int
) -> None:
    ours, theirs = ends
    wire.send(ours, {"text": "x" * size}, files[:count])
    data, fds = wire.receive(theirs)
    assert wire.load(data) == {"text": "x" * size}
    assert numbers(fds) == [*range(count)]


def test_messages_of_several_threads_stay_apart(
    ends: Ends, files: tuple[int, ...]
) -> None:
    ours, theirs = ends
    counts = (600, 300, 3, 400) * 5

    def send(count: int) -> None:
        wire.send(ours, {"count": count}, files[:count])

    threads = [threading.Thread(target=send, args=(count,)) for count in counts]
    for thread in threads:
        thread.start()
    seen = []
    for _ in counts:
        data, fds = wire.receive(theirs)
        seen.append(wire.load(data)["count"])
        assert numbers(fds) == [*range(seen[-1])]
    assert sorted(seen) == sorted(counts)
    for thread in threads:
        thread.join()


def test_who_has_no_room_for_them_keeps_none(
    ends: Ends, files: tuple[int, ...]
) -> None:
    ours, theirs = ends
    wire.send(ours, {}, files)
    before = os.listdir("/proc/self/fd")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(files) + 600, hard))
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
            wire.receive(theirs)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert os.listdir("/proc/self/fd") == before


def test_nobody_is_left_to_read(ends: Ends, files: tuple[int, ...]) -> None:
    ours, theirs = ends
    theirs.close()
    with pytest.raises(BrokenPipeError):
        wire.send(ours, {}, files)
    assert not wire.tell(ours, {}, files)
