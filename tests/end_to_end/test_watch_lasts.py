"""`lamina watch` for days: nothing grows with the number of saves."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.end_to_end.bases import Lamina, project
from tests.end_to_end.serving import RECIPE, Served, page
from tests.end_to_end.watching import children_of

# What a test runs by default; WATCH_SAVES=2000 was run as well.
SAVES = int(os.environ.get("WATCH_SAVES", "50"))
WARM = 20
PATIENCE = 60.0


class Counts:
    """What a process and its store hold."""

    def __init__(self, pid: int, store: Path) -> None:
        self.descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        self.threads = len(os.listdir(f"/proc/{pid}/task"))
        self.children = len(children_of(pid))
        self.mounts = _mounts(store)
        self.containers = len(list((store / "containers").iterdir()))
        self.layers = len(list((store / "layers").iterdir()))
        self.locks = len(list((store / "locks").iterdir()))
        self.kilobytes = _resident(pid)

    def fits_in(self, other: Counts) -> bool:
        """Whether this is no more than `other`, but for what is kept on purpose: 32
        results and 16 before they are dropped, and a little of the allocator's."""
        mine, others = self.__dict__, other.__dict__
        spare = {"layers": 40, "kilobytes": 6000, "descriptors": 2}
        return all(mine[name] <= others[name] + spare.get(name, 0) for name in mine)


def _mounts(store: Path) -> int:
    return Path("/proc/self/mountinfo").read_text().count(str(store))


def _resident(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


def test_many_saves_leave_nothing(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "project", RECIPE)
    (folder / "www").mkdir()
    page(folder, "0")
    served = Served(lamina, folder)
    pid = served.seen.process.pid
    before: Counts | None = None
    for number in range(1, SAVES + 1):
        page(folder, str(number))
        served.seen.outcome("swapped")
        served.seen.events.clear()
        if number == WARM:
            before = Counts(pid, lamina.store)
    assert before is not None
    end = time.monotonic() + PATIENCE
    while not (now := Counts(pid, lamina.store)).fits_in(before):
        # The old ones are still finishing.
        assert time.monotonic() < end, (before.__dict__, now.__dict__)
        time.sleep(0.1)
    assert served.ask() == str(SAVES)
    served.seen.end()
    lamina.check()
