"""Reading the journal of events: what is there, what comes, across a rotation."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from lamina.oci.store import journal
from lamina.runtime.containers.inotify import Changes
from lamina.runtime.containers.journal import events


def note(root: Path, action: str) -> None:
    journal.note(str(root), "container", action, "1a2b", {"name": "web"})


def actions(root: Path, since: int | None, until: int | None) -> Iterator[str]:
    return (event["Action"] for event in events(str(root), since, until))


def test_what_is_there_between_two_moments(tmp_path: Path) -> None:
    note(tmp_path, "before")
    begin = time.time_ns()
    note(tmp_path, "create")
    note(tmp_path, "start")
    end = time.time_ns()
    note(tmp_path, "after")
    assert list(actions(tmp_path, begin, end)) == ["create", "start"]
    assert list(actions(tmp_path, 0, end)) == ["before", "create", "start"]


def test_the_older_file_comes_first(tmp_path: Path) -> None:
    note(tmp_path, "old")
    os.rename(tmp_path / "events", tmp_path / "events.1")
    note(tmp_path, "new")
    assert list(actions(tmp_path, 0, time.time_ns())) == ["old", "new"]


def test_no_event_yet_is_no_error(tmp_path: Path) -> None:
    assert list(actions(tmp_path, 0, time.time_ns())) == []


@pytest.mark.parametrize("cut", [b"", b'{"Type":"container","Acti'])
def test_what_a_full_disk_cut_short_hides_nothing(tmp_path: Path, cut: bytes) -> None:
    note(tmp_path, "create")
    with open(tmp_path / "events", "ab") as file:
        file.write(cut)
    note(tmp_path, "start")
    assert list(actions(tmp_path, 0, time.time_ns())) == ["create", "start"]


def test_what_comes_is_seen_across_rotations(tmp_path: Path) -> None:
    note(tmp_path, "before")
    found: list[str] = []
    reading = threading.Event()

    def read() -> None:
        for action in actions(tmp_path, None, None):
            if action == "last":
                return
            found.append(action)
            reading.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    while not reading.wait(0.05):
        note(tmp_path, "ready")
    for number in range(5):
        if number % 2:
            os.rename(tmp_path / "events", tmp_path / "events.1")
        note(tmp_path, f"{number}")
        _until(partial(found.__contains__, f"{number}"))
    note(tmp_path, "last")
    reader.join(60)
    assert not reader.is_alive()
    assert [action for action in found if action != "ready"] == list("01234")


def test_changes_are_seen_without_inotify_too(tmp_path: Path) -> None:
    changes = Changes()
    changes.watch(str(tmp_path / "missing"))  # as where the kernel gives no more
    changes.wait(0.01)
    changes.close()


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)
