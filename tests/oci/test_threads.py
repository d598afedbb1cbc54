"""oci.threads: work side by side, and its ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from lamina.oci.threads import Stop, Stopped, side_by_side


@pytest.mark.parametrize("jobs", [1, 2, 9])
def test_each_item_once(jobs: int) -> None:
    done: list[int] = []
    side_by_side(done.append, range(5), jobs)
    assert sorted(done) == [0, 1, 2, 3, 4]


def test_nothing_to_do() -> None:
    side_by_side(print, [], 2)


def test_the_first_error_stops_the_others_and_is_told() -> None:
    stop = Stop()
    begun = threading.Barrier(2)

    def work(number: int) -> None:
        begun.wait()
        if number == 0:
            raise ValueError("zero")
        stop.wait()
        raise Stopped

    with pytest.raises(ValueError, match="zero"):
        side_by_side(work, range(10), 2, stop)


def test_who_is_stopped_by_others_has_not_done_all() -> None:
    stop = Stop()
    with pytest.raises(Stopped):
        side_by_side(lambda number: stop.set(), range(3), 1, stop)


def test_work_that_ends_well_stops_nobody() -> None:
    stop, done = Stop(), [0]
    for _ in range(2):
        side_by_side(done.append, [1], 1, stop)
    assert done == [0, 1, 1]
    assert not stop.is_set()


def test_a_stop_ends_what_waits() -> None:
    stop, ended = Stop(), list[str]()

    def end() -> None:
        ended.append("now")

    def over() -> None:
        ended.append("never")

    stop.add(end)
    stop.add(over)
    stop.discard(over)
    stop.set()
    stop.set()
    assert ended == ["now"]
    assert stop.wait()
    with pytest.raises(Stopped):
        stop.add(end)
    with pytest.raises(Stopped):
        stop.check()


def test_an_index_error_of_the_work_is_an_error() -> None:
    with pytest.raises(IndexError):
        side_by_side([].__getitem__, [0], 2)


def test_ctrl_c_waits_for_every_thread() -> None:
    program = """
import os, signal, time
from lamina.oci.threads import Stop, side_by_side
stop, ended = Stop(), []
# Whoever runs the tests in the background may have it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
def work(number):
    os.write(1, b"begun\\n")
    stop.wait()
    time.sleep(0.2)
    ended.append(number)
try:
    side_by_side(work, range(2), 2, stop)
except KeyboardInterrupt:
    print("ended", len(ended))
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for _ in range(2):
            assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "ended 2\n"
