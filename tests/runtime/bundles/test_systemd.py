"""`lamina-runtime --systemd-cgroup`, by a systemd that runs: on version 2, which has
few controllers on a machine of version 1, and on that."""

from __future__ import annotations

import copy
import itertools
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.launches import make_root
from tests.runtime.oci import PROGRAM, base_config
from tests.systems.booted import HYBRID, V2, Machine, booted, layouts

pytestmark = [
    pytest.mark.root("it starts a systemd in namespaces"),
    pytest.mark.skipif(not layouts(), reason="no hierarchy of version 2"),
]

_numbers = itertools.count()
FLAGS = ("--root", "/run/lamina-runtime", "--systemd-cgroup")


@pytest.fixture(scope="module", params=layouts())
def layout(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def machine(layout: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    place = tmp_path_factory.mktemp(layout)
    make_root(place / "rootfs")
    with booted(place, layout) as found:
        yield found


class Container:
    """A container that was created there; its scope is `unit`."""

    def __init__(self, machine: Machine, config: dict[str, Any]) -> None:
        self.machine = machine
        self.id = f"c{next(_numbers)}"
        self.unit = f"docker-{self.id}.scope"
        self.bundle = machine.place / self.id
        self.bundle.mkdir()
        config = copy.deepcopy(config)
        config["root"] = {"path": str(machine.place / "rootfs")}
        config["linux"].setdefault("cgroupsPath", f"system.slice:docker:{self.id}")
        (self.bundle / "config.json").write_text(json.dumps(config))

    def __call__(self, command: str, *words: str) -> str:
        return self.machine.run(PROGRAM, *FLAGS, command, *words, self.id)

    def attempt(
        self, command: str, *words: str, flags: tuple[str, ...] = FLAGS
    ) -> subprocess.CompletedProcess[str]:
        log = f"{self.bundle}/log"
        before = (PROGRAM, "--log", log, *flags)
        return self.machine.attempt(*before, command, *words, self.id)

    @property
    def said(self) -> str:
        return (self.bundle / "log").read_text()

    def create(self) -> None:
        """What goes on has no pipe of ours."""
        words = (PROGRAM, *FLAGS, "create", "--bundle", self.bundle, self.id)
        with open(self.bundle / "out", "wb") as out:
            done = subprocess.run(
                self.machine.command(*words),
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        assert done.returncode == 0, self.printed

    @property
    def printed(self) -> str:
        return (self.bundle / "out").read_text()

    def read(self, controller: str, file: str, slice_: str = "system.slice") -> str:
        place = f"/sys/fs/cgroup/{controller}/{slice_}/{self.unit}/{file}"
        return self.machine.run("cat", place).strip()


Make = Callable[..., Container]


@pytest.fixture
def make(machine: Machine) -> Iterator[Make]:
    """Containers that sleep, unless their config.json says otherwise."""
    made: list[Container] = []

    def maker(**linux: Any) -> Container:
        config = base_config("sleep", "1000")
        config["annotations"] = linux.pop("annotations", {})
        config["process"]["args"] = linux.pop("args", config["process"]["args"])
        config["linux"] |= linux
        made.append(Container(machine, config))
        return made[-1]

    yield maker
    for container in made:
        container.attempt("delete", "--force")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def units(machine: Machine) -> str:
    return machine.run("systemctl", "list-units", "--all", "--plain", "*.scope")


def cgroups(machine: Machine, unit: str) -> list[str]:
    return machine.run("find", "/sys/fs/cgroup/", "-name", unit).split()


def test_the_scope_is_systemd_s_and_goes_with_the_container(
    machine: Machine, make: Make
) -> None:
    container = make()
    container.create()
    names = ("ActiveState", "Description", "Slice", "Delegate", "ControlGroup")
    assert machine.shown(container.unit, *names) == {
        "ActiveState": "active",
        "Description": f"lamina-runtime container {container.id}",
        "Slice": "system.slice",
        "Delegate": "yes",
        "ControlGroup": f"/system.slice/{container.unit}",
    }
    container("start")
    assert "sleep 1000" in machine.run("systemctl", "status", container.unit)
    assert f"─{container.unit}" in machine.run("systemd-cgls", "--no-pager")
    container("kill", "--all")
    container("delete", "--force")
    assert container.unit not in units(machine)
    assert cgroups(machine, container.unit) == []


def test_the_container_works_as_in_any_cgroup(make: Make, layout: str) -> None:
    container = make()
    container.create()
    container("start")
    state = json.loads(container("state"))
    (hierarchy, *_) = ("",) if layout == V2 else ("unified", "systemd", "memory")
    assert container.read(hierarchy, "cgroup.procs") == str(state["pid"])
    words = ("sh", "-c", "grep -v :/$ /proc/self/cgroup || echo all")
    done = container.machine.run(PROGRAM, *FLAGS, "exec", container.id, *words)
    # In a namespace of its own, the scope is the root of each hierarchy it is in.
    assert done == "all\n" or layout == V2
    container("pause")
    assert json.loads(container("state"))["status"] == "paused"
    container("resume")
    assert json.loads(container("ps", "--format", "json")) == [state["pid"]]
    assert json.loads(container("events", "--stats"))["type"] == "stats"


def test_limits_are_the_unit_s_too(machine: Machine, make: Make, layout: str) -> None:
    """So that systemd does not undo them when it writes its cgroups anew."""
    if layout == V2:
        pytest.skip("version 2 has no controllers to limit by: see end_to_end")
    resources = {
        "memory": {"limit": 64 << 20},
        "cpu": {"quota": 12500, "period": 50000, "shares": 512, "cpus": "0"},
        "pids": {"limit": 50},
        "devices": [{"allow": False, "access": "rwm"}],
    }
    container = make(resources=resources)
    container.create()
    machine.run("systemctl", "daemon-reload")
    names = ("MemoryMax", "CPUQuotaPerSecUSec", "CPUShares", "AllowedCPUs", "TasksMax")
    values = (str(64 << 20), "250ms", "512", "0", "50")
    assert machine.shown(container.unit, *names) == dict(
        zip(names, values, strict=True)
    )
    assert container.read("memory", "memory.limit_in_bytes") == str(64 << 20)
    assert container.read("cpu", "cpu.cfs_quota_us") == "12500"
    assert container.read("cpu", "cpu.cfs_period_us") == "50000"
    assert container.read("cpu", "cpu.shares") == "512"
    assert container.read("cpuset", "cpuset.cpus") == "0"
    assert container.read("pids", "pids.max") == "50"
    devices = container.read("devices", "devices.list").splitlines()
    assert "c 1:3 rwm" in devices
    assert "a *:* rwm" not in devices
    container("update", "--memory", "32m", "--pids-limit", "20")
    machine.run("systemctl", "daemon-reload")
    shown = machine.shown(container.unit, "MemoryMax", "TasksMax")
    assert shown == {"MemoryMax": str(32 << 20), "TasksMax": "20"}
    assert container.read("memory", "memory.limit_in_bytes") == str(32 << 20)


def test_what_systemd_does_not_know_is_limited_all_the_same(
    machine: Machine, make: Make, layout: str
) -> None:
    if layout == HYBRID:
        pytest.skip("there systemd leaves no controller out that limits in bytes")
    root = machine.run("cat", "/sys/fs/cgroup/cgroup.controllers")
    if "hugetlb" not in root:
        pytest.skip("no hugetlb")
    container = make(resources={"unified": {"hugetlb.2MB.max": str(4 << 20)}})
    container.create()
    assert container.read("", "hugetlb.2MB.max") == str(4 << 20)


def test_slices_within_slices(machine: Machine, make: Make) -> None:
    container = make(cgroupsPath="shop-web.slice:crio:shop")
    container.create()
    container.unit = "crio-shop.scope"
    shown = machine.shown(container.unit, "ControlGroup")["ControlGroup"]
    assert shown == "/shop.slice/shop-web.slice/crio-shop.scope"


def test_without_a_path_the_unit_is_called_as_the_container(
    machine: Machine, make: Make
) -> None:
    container = make(cgroupsPath="")
    container.create()
    assert f"lamina-{container.id}.scope" in units(machine)


def test_annotations_are_properties(machine: Machine, make: Make) -> None:
    container = make(
        annotations={
            "org.systemd.property.TimeoutStopUSec": "uint64 7000000",
            "org.systemd.property.Description": "'a shop'",
        }
    )
    container.create()
    names = ("TimeoutStopUSec", "Description")
    assert machine.shown(container.unit, *names) == {
        "TimeoutStopUSec": "7s",
        "Description": "a shop",
    }


def test_without_a_cgroup_namespace_its_own_is_shown(
    machine: Machine, make: Make
) -> None:
    kinds = ("pid", "ipc", "uts", "mount", "network")
    script = (
        "find /sys/fs/cgroup -name cgroup.procs | head -n 1 | grep -q . && echo yes"
    )
    container = make(
        args=["sh", "-c", script], namespaces=[{"type": kind} for kind in kinds]
    )
    bundle = ("--bundle", str(container.bundle))
    assert container("run", *bundle) == "yes\n"
    assert container.unit not in units(machine)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/docker/id", "not of systemd's form"),
        ("a:b:c:d", "not of systemd's form"),
        ("shop:docker:id", "not the name of a slice"),
        ("system.slice:docker:i/d", "cannot be the name of a unit"),
    ],
)
def test_what_is_no_name(make: Make, path: str, said: str) -> None:
    container = make(cgroupsPath=path)
    done = container.attempt("create", "--bundle", str(container.bundle))
    assert done.returncode == 1
    assert said in container.said


def test_a_property_that_systemd_refuses_leaves_nothing(
    machine: Machine, make: Make
) -> None:
    container = make(annotations={"org.systemd.property.NoSuchThing": "true"})
    done = container.attempt("create", "--bundle", str(container.bundle))
    assert done.returncode == 1
    assert "NoSuchThing" in container.said
    assert container.unit not in units(machine)
    assert container.attempt("state").returncode == 1


def test_a_name_that_is_taken(machine: Machine, make: Make) -> None:
    first, second = make(), make(cgroupsPath="system.slice:docker:taken")
    first.create()
    third = make(cgroupsPath="system.slice:docker:taken")
    second.create()
    done = third.attempt("create", "--bundle", str(third.bundle))
    assert done.returncode == 1
    assert "docker-taken.scope" in third.said
    # The other one's is left alone.
    assert "docker-taken.scope" in units(machine)
    assert json.loads(second("state"))["status"] == "created"


def test_a_container_that_was_killed_while_it_was_created(
    machine: Machine, make: Make
) -> None:
    """What the record has is ended by `delete --force`."""
    container = make()
    container.create()
    state = Path(
        f"/proc/{machine.pid}/root/run/lamina-runtime/{container.id}/state.json"
    )
    known = json.loads(state.read_text())
    assert known["unit"] == container.unit
    state.write_text(json.dumps({**known, "process": None}))
    container("delete", "--force")
    assert container.unit not in units(machine)


def test_who_creates_may_be_killed(machine: Machine, make: Make) -> None:
    """The process that waits in the scope ends then, and so does the scope."""
    container = make()
    words = (PROGRAM, *FLAGS, "create", "--bundle", container.bundle, container.id)
    hold = f"{container.bundle}/hold"
    config = json.loads((container.bundle / "config.json").read_text())
    script = f"touch {hold}; exec sleep 1000"
    config["hooks"] = {
        "createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]
    }
    (container.bundle / "config.json").write_text(json.dumps(config))
    creating = subprocess.Popen(machine.command(*words), stderr=subprocess.DEVNULL)
    until(lambda: Path(hold).exists())
    assert container.unit in units(machine)
    # The oldest: the container's process is a copy of it.
    pid = machine.run("pgrep", "-o", "-f", f"create --bundle {container.bundle}")
    machine.run("kill", "-KILL", pid.strip())
    creating.wait()
    until(lambda: container.unit not in units(machine))
    container("delete", "--force")
    assert cgroups(machine, container.unit) == []


def test_by_the_message_bus_where_there_is_no_socket_of_its_own(
    machine: Machine, make: Make
) -> None:
    machine.run("systemctl", "start", "dbus.socket")
    machine.run("busctl", "--system", "list", "--no-pager")
    machine.run("mv", "/run/systemd/private", "/run/systemd/aside")
    try:
        container = make()
        container.create()
        container("delete", "--force")
        assert cgroups(machine, container.unit) == []
    finally:
        machine.run("mv", "/run/systemd/aside", "/run/systemd/private")


def test_no_systemd_that_answers(machine: Machine, make: Make) -> None:
    machine.run("mv", "/run/systemd/private", "/run/systemd/aside")
    bus = "/run/dbus/system_bus_socket"
    machine.attempt("mv", bus, f"{bus}.aside")
    try:
        container = make()
        done = container.attempt("create", "--bundle", str(container.bundle))
        assert done.returncode == 1
        assert "systemd does not answer" in container.said
    finally:
        machine.run("mv", "/run/systemd/aside", "/run/systemd/private")
        machine.attempt("mv", f"{bus}.aside", bus)


def test_a_machine_without_systemd(tmp_path: Path) -> None:
    """The cgroup is the one that systemd would have made, and it is said."""
    if Path("/run/systemd/system").is_dir():
        pytest.skip("systemd runs here")
    make_root(tmp_path / "rootfs")
    config = base_config("true")
    config["linux"]["cgroupsPath"] = f"shop-{tmp_path.name}.slice:docker:none"
    (tmp_path / "config.json").write_text(json.dumps(config))
    words = ("--root", tmp_path / "state", "--systemd-cgroup", "run", "none")
    done = subprocess.run(
        (PROGRAM, *words), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "systemd does not run here" in done.stderr
