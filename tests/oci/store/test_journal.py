"""The journal of events: lines whole, whoever writes; a new file when one is large."""

from __future__ import annotations

import json
import os
from multiprocessing import get_context
from pathlib import Path

from lamina.oci.store import journal

FORK = get_context("fork")


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_an_event_has_the_form_of_docker_s_api(tmp_path: Path) -> None:
    journal.note(str(tmp_path), "container", "start", "1a2b", {"name": 'w"eb'})
    (found,) = lines(tmp_path / "events")
    assert list(found) == ["Type", "Action", "Actor", "scope", "time", "timeNano"]
    assert found["Actor"] == {"ID": "1a2b", "Attributes": {"name": 'w"eb'}}
    assert found["time"] == int(str(found["timeNano"])) // 10**9
    assert (tmp_path / "events").stat().st_mode & 0o777 == 0o600


def test_an_image_without_a_name_is_called_by_its_id(tmp_path: Path) -> None:
    journal.note_image(str(tmp_path), "delete", "sha256:1a")
    (found,) = lines(tmp_path / "events")
    assert found["Actor"] == {"ID": "sha256:1a", "Attributes": {"name": "sha256:1a"}}


def test_a_store_that_cannot_be_written_loses_the_event_alone(tmp_path: Path) -> None:
    journal.note(str(tmp_path / "gone"), "container", "start", "1a2b", {})
    (tmp_path / "events").symlink_to(tmp_path / "elsewhere")
    journal.note(str(tmp_path), "container", "start", "1a2b", {})
    assert not (tmp_path / "elsewhere").exists()


def test_what_several_write_at_once_rotates_and_is_whole(tmp_path: Path) -> None:
    writers, each = 4, 700
    workers = [FORK.Process(target=_write, args=(tmp_path, n, each)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    found = lines(tmp_path / "events.1") + lines(tmp_path / "events")
    # 14 MB were written, of which one rotation takes eight away: nothing is lost.
    names = {(event["Type"], event["Action"]) for event in found}
    assert len(found) == writers * each == len(names)
    assert sorted(os.listdir(tmp_path)) == ["events", "events.1"]


def _write(root: Path, writer: int, count: int) -> None:
    for number in range(count):
        journal.note(str(root), f"{writer}", f"{number}", "1a", {"label": "x" * 5000})
