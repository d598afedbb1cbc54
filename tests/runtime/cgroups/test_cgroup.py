"""Cgroups on this machine's hierarchies; where it is hybrid, also as if it had only
the unified one, which is how cgroup v2 is seen."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.runtime.cgroups import cgroup, device_filter, owned
from lamina.runtime.cgroups.cgroup import Cgroup
from lamina.runtime.cgroups.hierarchy import MOUNT, hierarchies
from lamina.runtime.cgroups.limits import (
    Setting,
    v1_settings,
    v2_settings,
    weight,
)
from lamina.runtime.errors import ContainerError, LimitError
from lamina.runtime.spec import DeviceRule, Resources
from tests.runtime.cgroups.delegation import NOBODY, delegated, run_inside
from tests.runtime.people import public_package, run_as

pytestmark = pytest.mark.root

MOUNTS = [MOUNT]
if os.path.exists(f"{MOUNT}/unified/cgroup.controllers"):
    MOUNTS.append(f"{MOUNT}/unified")
PYTHON = os.path.realpath(sys.executable)
MIB = 1 << 20

Maker = Callable[..., Cgroup]


@pytest.fixture(params=MOUNTS)
def mount(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def create(mount: str) -> Iterator[Maker]:
    """Cgroups that are gone after the test, whatever it did with them."""
    made: list[Cgroup] = []

    def maker(resources: Resources | None = None, ceiling: int = 0) -> Cgroup:
        label = f"test{len(made)}"
        group = owned.create(label, resources or Resources(), ceiling, mount)
        made.append(group)
        return group

    yield maker
    for group in made:
        group.kill()
        group.delete()


def inside(group: Cgroup, *command: str, wait: bool = False) -> subprocess.Popen[bytes]:
    """Start a command in the cgroup: its process enters by itself before it execs."""
    doors = [os.open(_entrance(place), os.O_WRONLY) for place in group.directories]
    enter = "import os, sys\nfor d in sys.argv[1].split(): os.write(int(d), b'0')\n"
    program = [PYTHON, "-I", "-S", "-c", enter + "os.execv(sys.argv[2], sys.argv[2:])"]
    process = subprocess.Popen(
        [*program, " ".join(map(str, doors)), *command],
        pass_fds=doors,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    for door in doors:
        os.close(door)
    if wait:
        process.communicate()
    return process


def _entrance(place: str) -> str:
    tasks = f"{place}/tasks"
    return tasks if os.path.exists(tasks) else f"{place}/cgroup.procs"


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def is_inside(group: Cgroup, process: subprocess.Popen[bytes]) -> bool:
    """Whether it has entered the cgroup in each hierarchy, one after the other."""
    entered = (Path(place, "cgroup.procs") for place in group.directories)
    return all(str(process.pid) in path.read_text().split() for path in entered)


def close(process: subprocess.Popen[bytes]) -> int:
    process.communicate()
    return process.returncode


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


ORPHAN = """
import os, subprocess, sys
from lamina.runtime.cgroups import owned
from lamina.runtime.spec import Resources
group = owned.create("orphan", Resources(), mount=sys.argv[1])
quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
child = subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True, **quiet)
group.add(child.pid)
print(group.path, child.pid, flush=True)
sys.stdin.read()
"""


def test_what_the_dead_left_is_collected(mount: str) -> None:
    owner = subprocess.Popen(
        [PYTHON, "-c", ORPHAN, mount],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout and owner.stdin
    path, pid = owner.stdout.readline().split()
    assert path not in owned.collect(mount)
    assert Cgroup(path, mount).procs() == (int(pid),)
    owner.kill()
    owner.communicate()
    # Another test that collects at the same time may be the one that finds it.
    owned.collect(mount)
    until(lambda: not Cgroup(path, mount).exists)
    until(lambda: not _running(int(pid)))


INTERRUPTED = """
import sys
from lamina.runtime.cgroups import owned
from lamina.runtime.cgroups.cgroup import Cgroup
from lamina.runtime.spec import Resources
path = owned.create("interrupted", Resources(), mount=sys.argv[1]).path
owned.clear(sys.argv[1])
print(path, Cgroup(path, sys.argv[1]).exists)
"""


def test_an_interrupted_process_removes_its_own(mount: str, create: Maker) -> None:
    anothers = create()
    said = subprocess.check_output([PYTHON, "-c", INTERRUPTED, mount], text=True)
    assert said.endswith(" False\n")
    assert anothers.exists


def _running(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    return False


def test_what_is_not_ours_is_left_alone(mount: str) -> None:
    (place, *_) = [h.base for h in hierarchies(mount) if "freezer" in h.controllers]
    names = [f"other.1-1-{os.getpid()}", f"no-owner-{os.getpid()}"]
    for name in names:
        os.makedirs(f"{place}/lamina/{name}")
    try:
        assert not {f"lamina/{name}" for name in names} & {*owned.collect(mount)}
    finally:
        for name in names:
            os.rmdir(f"{place}/lamina/{name}")


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


TRY_DEVICES = """
import os, stat, sys
for major, minor in ((1, 3), (1, 7), (5, 0), (1, 1), (1, 11), (10, 229)):
    path = f"{sys.argv[1]}/{major}-{minor}"
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(major, minor))
    try:
        os.close(os.open(path, os.O_RDWR))
        print("opened", end=" ")
    except OSError as error:
        print(error.strerror.split()[-1], end=" ")
"""


class TestDevices:
    def test_only_harmless_ones_can_be_opened(
        self, create: Maker, tmp_path: Path
    ) -> None:
        """null, full, tty (without a terminal); mem, kmsg and fuse are refused."""
        out = self.attempt(create(), tmp_path)
        assert out[:2] == ["opened", "opened"]
        assert out[2] in ("opened", "address")
        assert out[3:] == ["permitted"] * 3

    def test_one_can_be_added(self, create: Maker, tmp_path: Path) -> None:
        extra = (DeviceRule(True, "c", 1, 11), DeviceRule(True, "c", 10, 229, "m"))
        out = self.attempt(create(Resources(devices=extra)), tmp_path)
        assert out[3:] == ["permitted", "opened", "permitted"]

    def test_all_can_be_allowed(self, create: Maker, tmp_path: Path) -> None:
        rules = (DeviceRule(True), DeviceRule(False, "c", 10, 229, "rw"))
        out = self.attempt(create(Resources(devices=rules)), tmp_path)
        assert (out[4], out[5]) == ("opened", "permitted")

    def attempt(self, group: Cgroup, folder: Path) -> list[str]:
        process = inside(
            group, PYTHON, "-I", "-S", "-c", TRY_DEVICES, os.fspath(folder)
        )
        out, err = process.communicate()
        assert not err
        return out.decode().split()


class TestFolding:
    def test_accesses_of_one_node_come_together(self) -> None:
        rules = (
            DeviceRule(True, "c", 1, 3, "r"),
            DeviceRule(True, "c", 1, 3, "w"),
            DeviceRule(False, "c", 1, 3, "r"),
        )
        node = ("c", 1, 3)
        assert device_filter.fold(rules) == device_filter.Access(False, ((node, "w"),))

    def test_a_rule_for_all_begins_anew(self) -> None:
        rules = (DeviceRule(True, "c", 1, 3), DeviceRule(True))
        assert device_filter.fold(rules) == device_filter.Access(True, ())

    def test_v1_takes_one_exception_a_line(self) -> None:
        access = device_filter.fold((DeviceRule(True, "b", 8, None, "rm"),))
        assert device_filter.v1_writes(access) == (
            ("devices.deny", ("a",)),
            ("devices.allow", ("b 8:* mr",)),
        )

    def test_v2_is_whole_instructions(self) -> None:
        program = device_filter.v2_program(device_filter.rules_for(()))
        assert len(program) % 8 == 0


class TestUnits:
    """What is asked for, in the words of each version."""

    asked = Resources(memory=64 * MIB, cpu_quota=150_000, cpu_period=100_000, pids=-1)

    def test_version_1(self) -> None:
        assert v1_settings(self.asked) == (
            Setting("memory", "memory.limit_in_bytes", str(64 * MIB)),
            Setting("memory", "memory.memsw.limit_in_bytes", str(128 * MIB), True),
            Setting("cpu", "cpu.cfs_period_us", "100000"),
            Setting("cpu", "cpu.cfs_quota_us", "150000"),
            Setting("pids", "pids.max", "max"),
        )

    def test_version_2(self) -> None:
        assert v2_settings(self.asked) == (
            Setting("memory", "memory.max", str(64 * MIB)),
            Setting("memory", "memory.swap.max", str(64 * MIB), True),
            Setting("cpu", "cpu.max", "150000 100000"),
            Setting("pids", "pids.max", "max"),
        )

    def test_swap_without_end(self) -> None:
        asked = Resources(memory=64 * MIB, memory_swap=-1)
        assert Setting("memory", "memory.swap.max", "max") in v2_settings(asked)

    @pytest.mark.parametrize(
        ("shares", "expected"), [(2, 1), (1024, 100), (262144, 10000), (512, 59)]
    )
    def test_shares_as_weight(self, shares: int, expected: int) -> None:
        assert weight(shares) == expected


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
