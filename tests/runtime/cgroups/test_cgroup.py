"""Cgroups on this machine's hierarchies; where it is hybrid, also as if it had only
the unified one, which is how cgroup v2 is seen."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest

from lamina.runtime.cgroups import cgroup
from lamina.runtime.cgroups.cgroup import Cgroup
from lamina.runtime.cgroups.hierarchy import MOUNT, hierarchies
from lamina.runtime.errors import ContainerError, LimitError
from lamina.runtime.spec import Resources
from tests.runtime.cgroups.delegation import NOBODY, delegated, run_inside
from tests.runtime.cgroups.inside import (
    MIB,
    MOUNTS,
    PYTHON,
    Maker,
    close,
    inside,
    is_inside,
    until,
)
from tests.runtime.people import public_package, run_as

pytestmark = pytest.mark.root


class TestTheLifeOfACgroup:
    def test_holds_who_enters(self, create: Maker) -> None:
        group = create()
        process = inside(group, "/bin/sleep", "1000")
        until(lambda: is_inside(group, process))
        group.kill()
        assert close(process) == -signal.SIGKILL
        group.delete()
        assert not group.exists

    def test_takes_a_process_in_from_outside(self, create: Maker) -> None:
        group = create()
        process = subprocess.Popen(["/bin/sleep", "1000"])
        group.add(process.pid)
        assert group.procs() == (process.pid,)
        group.kill()
        assert process.wait() == -signal.SIGKILL

    def test_kills_those_who_fork_all_the_time(self, create: Maker) -> None:
        group = create()
        process = inside(group, "/bin/sh", "-c", "while :; do sleep 9 & done")
        until(lambda: len(group.procs()) > 50)
        group.kill()
        group.delete()
        # 2: the shell ended by itself, where the machine let it fork no more.
        assert close(process) in (-signal.SIGKILL, 2)
        assert group.procs() == ()

    def test_kills_those_who_stand_still(self, create: Maker) -> None:
        group = create()
        process = inside(group, "/bin/sleep", "1000")
        until(lambda: is_inside(group, process))
        group.freeze()
        group.kill()
        group.delete()
        assert close(process) == -signal.SIGKILL

    def test_stops_and_goes_on(self, create: Maker) -> None:
        group = create()
        process = inside(group, "/bin/cat")
        assert process.stdin and process.stdout
        process.stdin.write(b"before\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"before\n"
        group.freeze()
        process.stdin.write(b"after\n")
        process.stdin.flush()
        os.set_blocking(process.stdout.fileno(), False)
        time.sleep(0.05)
        assert not process.stdout.read()
        group.thaw()
        os.set_blocking(process.stdout.fileno(), True)
        assert process.stdout.readline() == b"after\n"
        group.kill()
        assert close(process) == -signal.SIGKILL

    def test_cgroups_made_inside_go_with_it(self, create: Maker, mount: str) -> None:
        group = create()
        (place, *_) = [h.base for h in hierarchies(mount) if "freezer" in h.controllers]
        os.mkdir(f"{place}/{group.path}/inner")
        process = subprocess.Popen(["/bin/sleep", "1000"])
        Path(f"{place}/{group.path}/inner/cgroup.procs").write_text(str(process.pid))
        assert group.procs() == (process.pid,)
        group.kill()
        group.delete()
        assert process.wait() == -signal.SIGKILL
        assert not os.path.exists(f"{place}/{group.path}")

    def test_the_living_are_not_left_behind(self, create: Maker) -> None:
        group = create()
        process = inside(group, "/bin/sleep", "1000")
        until(lambda: is_inside(group, process))
        with pytest.raises(ContainerError, match=str(process.pid)):
            group.delete(patience=0.02)
        assert group.exists
        group.kill()
        close(process)

    def test_is_found_again_by_its_path(self, create: Maker, mount: str) -> None:
        group = create()
        process = inside(group, "/bin/sleep", "1000")
        until(lambda: is_inside(group, process))
        assert Cgroup(group.path, mount).procs() == (process.pid,)
        cgroup.remove(group.path, mount)
        assert close(process) == -signal.SIGKILL
        cgroup.remove(group.path, mount)
        assert not Cgroup(group.path, mount).exists


def has(controller: str) -> bool:
    return any(controller in h.controllers for h in hierarchies())


class TestLimits:
    @pytest.fixture
    def mount(self) -> str:
        return MOUNT

    def test_a_fork_bomb_starves(self, create: Maker) -> None:
        group = create(ceiling=20)
        bomb = "while :; do sleep 100 & done"
        process = inside(group, "/bin/sh", "-c", bomb)
        until(lambda: len(group.procs()) == 20 or process.poll() is not None)
        assert len(group.procs()) <= 20
        group.kill()
        group.delete()
        close(process)

    def test_a_limit_that_was_asked_for_counts_more_than_the_ceiling(
        self, create: Maker
    ) -> None:
        group = create(Resources(pids=7), ceiling=20)
        assert self.read(group, "pids", "pids.max") == "7"

    def test_memory_that_is_not_there_ends_the_process(self, create: Maker) -> None:
        group = create(Resources(memory=40 * MIB))
        small = inside(group, PYTHON, "-I", "-S", "-c", "pass", wait=True)
        assert (small.returncode, group.oom_killed) == (0, False)
        greedy = "x = bytearray(200 << 20)\nfor i in range(0, len(x), 4096): x[i] = 1"
        process = inside(group, PYTHON, "-I", "-S", "-c", greedy, wait=True)
        assert process.returncode == -signal.SIGKILL
        assert group.oom_killed

    def test_limits_can_change_in_both_directions(self, create: Maker) -> None:
        group = create(Resources(memory=64 * MIB))
        assert self.read_memory(group) == 64 * MIB
        for memory in (32 * MIB, 256 * MIB):
            group.limit(Resources(memory=memory, memory_swap=memory))
            assert self.read_memory(group) == memory

    def test_a_new_limit_takes_those_inside_along(self, create: Maker) -> None:
        group = create()
        process = inside(group, "/bin/sleep", "1000")
        until(lambda: is_inside(group, process))
        group.limit(Resources(cpu_quota=50_000, cpu_period=100_000))
        for h in hierarchies():
            if "cpu" in h.controllers:
                procs = Path(f"{h.base}/{group.path}/cgroup.procs").read_text()
                assert str(process.pid) in procs.split()
        group.kill()
        close(process)

    def test_a_cpuset_takes_processes(self, create: Maker) -> None:
        group = create(Resources(cpuset_cpus="0"))
        program = "import os; os._exit(len(os.sched_getaffinity(0)))"
        process = inside(group, PYTHON, "-I", "-S", "-c", program, wait=True)
        assert process.returncode == 1

    def test_a_limit_without_controller_says_so(self, create: Maker) -> None:
        with pytest.raises(LimitError, match="no cgroup controller for nothing"):
            create(Resources(unified={"nothing.max": "1"}))

    def test_a_limit_out_of_range_says_so(self, create: Maker) -> None:
        with pytest.raises(LimitError, match="cpu"):
            create(Resources(cpu_period=7, cpu_quota=7))

    def read(self, group: Cgroup, controller: str, file: str) -> str:
        (place,) = (h.base for h in hierarchies() if controller in h.controllers)
        return Path(f"{place}/{group.path}/{file}").read_text().strip()

    def read_memory(self, group: Cgroup) -> int:
        (h,) = (h for h in hierarchies() if "memory" in h.controllers)
        file = "memory.limit_in_bytes" if h.version == 1 else "memory.max"
        return int(self.read(group, "memory", file))


NO_PAGES = "dict(unified={'hugetlb.x': '1'})"
AS_USER = """
from lamina.runtime.cgroups import owned
from lamina.runtime.spec import Resources
asked = Resources(**eval(sys.argv[2]))
group = owned.create("user", asked, 100, sys.argv[1])
import os
group.add(os.getpid())
print(group.warning, "|", group.path, group.procs() == (os.getpid(),), group.exists)
"""


def test_a_user_is_told_what_is_not_limited(mount: str) -> None:
    with public_package() as package:
        done = run_as(NOBODY, package, AS_USER, mount, NO_PAGES)
        assert "no limit of hugetlb: this user may not write cgroups" in done.stdout
        assert "False False" in done.stdout
        done = run_as(NOBODY, package, AS_USER, mount, "dict()")
        assert done.stdout.startswith(" |"), done.stderr


@pytest.mark.skipif(MOUNTS[-1] == MOUNT, reason="a hierarchy of v2 that systemd owns")
def test_a_user_limits_in_a_cgroup_that_was_delegated() -> None:
    mount = MOUNTS[-1]
    controls = Path(f"{mount}/cgroup.subtree_control")
    before = controls.read_text().split()
    controls.write_text("+hugetlb")
    asked = "dict(unified={'hugetlb.2MB.max': '2097152'})"
    try:
        with delegated(mount) as place:
            done = run_inside(place, AS_USER, mount, asked)
            assert done.stdout.startswith(" |"), done.stderr
            assert done.stdout.endswith("True True\n"), done.stderr
            path = done.stdout.split()[1]
            limit = Path(f"{place}/{path}/hugetlb.2MB.max").read_text()
            assert limit == "2097152\n"
    finally:
        if "hugetlb" not in before:
            with contextlib.suppress(OSError):
                controls.write_text("-hugetlb")


def test_hierarchies_of_this_machine_are_all_found() -> None:
    found = hierarchies()
    assert {"pids", "memory", "cpu", "devices", "freezer"} <= frozenset().union(
        *(h.controllers for h in found)
    )
    for h in found:
        assert stat.S_ISDIR(os.stat(h.base).st_mode)
