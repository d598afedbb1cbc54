"""Where systemd runs: podman has it manage its cgroups, as it does by default, and
`lamina-runtime` run its containers; Lamina asks it for a scope below a slice."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from tests.busybox import make_base
from tests.end_to_end.bases import COMMAND
from tests.runtime.oci import PROGRAM
from tests.systems.booted import HYBRID, Machine, booted, layouts

pytestmark = [
    pytest.mark.root("it starts a systemd in namespaces"),
    pytest.mark.skipif(not layouts(), reason="no hierarchy of version 2"),
]
LIMITS = ("--ulimit", "nofile=20000:20000", "--ulimit", "nproc=30000:30000")
BUSYBOX = "/bin/busybox"


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Podman:
    """podman on a machine."""

    def __init__(self, machine: Machine, layout: str) -> None:
        self.machine = machine
        self.layout = layout
        # Version 2 has no controllers where version 1 has them.
        wanted = ("-m", "64m") if layout == HYBRID else ("--pids-limit", "0")
        self.run = ("run", "--network", "none", *LIMITS, *wanted)

    def command(self, *words: str) -> list[str]:
        place = self.machine.place
        return self.machine.command(
            *("podman", "--root", place / "store", "--runroot", "/run/podman"),
            *("--storage-driver", "vfs", "--cgroup-manager", "systemd"),
            *("--events-backend", "file", "--runtime", PROGRAM, *words),
        )

    def __call__(self, *words: str) -> str:
        """What it prints; what goes on afterwards has no pipe of ours."""
        with open(self.machine.place / "out", "w+b") as out:
            done = subprocess.run(
                self.command(*words),
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.DEVNULL,
            )
            out.seek(0)
            text = out.read().decode()
        assert done.returncode == 0, text
        return text


@pytest.fixture(scope="module", params=layouts())
def podman(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Podman]:
    place = tmp_path_factory.mktemp(request.param)
    archive = place / "box.tar"
    subprocess.run(["tar", "-C", "/", "-cf", archive, "bin/busybox"], check=True)
    with booted(place, request.param) as machine:
        machine.run("systemctl", "start", "dbus.socket")
        podman = Podman(machine, request.param)
        podman("import", str(archive), "localhost/box")
        yield podman


def test_a_container_is_a_scope(podman: Podman) -> None:
    identity = podman(*podman.run, "-d", "localhost/box", BUSYBOX, "sleep", "1000")
    scope = f"libpod-{identity.strip()}.scope"
    shown = podman.machine.shown(scope, "ControlGroup", "MemoryMax")
    assert shown["ControlGroup"] == f"/machine.slice/{scope}"
    assert podman("exec", identity.strip(), BUSYBOX, "echo", "said") == "said\n"
    podman("pause", identity.strip())
    podman("unpause", identity.strip())
    if podman.layout == HYBRID:
        assert shown["MemoryMax"] == str(64 << 20)
        podman("update", "-m", "32m", identity.strip())
        shown = podman.machine.shown(scope, "MemoryMax")
        assert shown == {"MemoryMax": str(32 << 20)}
    podman("rm", "-f", "-t", "0", identity.strip())
    assert scope not in podman.machine.run("systemctl", "list-units", "--all")


def test_containers_come_and_go(podman: Podman) -> None:
    for number in range(3):
        words = ("localhost/box", BUSYBOX, "echo", f"said {number}")
        assert podman(*podman.run, "--rm", *words) == f"said {number}\n"
    assert "libpod" not in podman.machine.run("systemctl", "list-units", "*.scope")


@pytest.mark.parametrize("runtime", ["lamina", "runc"])
def test_a_slice_is_the_parent(podman: Podman, runtime: str) -> None:
    """Below one that has limits for all in it; whichever runtime has launched it."""
    machine, place = podman.machine, podman.machine.place
    if not (place / "lamina").exists():
        make_base(place / "lamina", busybox={})

    def lamina(*words: str) -> str:
        store = f"LAMINA_ROOT={place}/lamina/store"
        return machine.run("env", store, *COMMAND, *words)

    limits = ("-m", "64m") if podman.layout == HYBRID else ()
    start = ("run", "-d", "--network", "none", "--runtime", runtime, *limits)
    identity = lamina(
        *start, "--cgroup-parent", "shop-web.slice", "busybox", "sleep", "1000"
    ).strip()
    scope = f"lamina-{identity}.scope"
    shown = machine.shown(scope, "ControlGroup", "Slice", "Delegate")
    path = f"/shop.slice/shop-web.slice/{scope}"
    assert shown == {
        "ControlGroup": path,
        "Slice": "shop-web.slice",
        "Delegate": "yes",
    }
    if podman.layout == HYBRID:
        limit = f"/sys/fs/cgroup/memory{path}/container/memory.limit_in_bytes"
        assert machine.run("cat", limit).strip() == str(64 << 20)
    lamina("pause", identity)
    assert "(Paused)" in lamina("ps")
    lamina("unpause", identity)
    lamina("restart", "-t", "0", identity)
    assert lamina("exec", identity, "echo", "said") == "said\n"
    lamina("rm", "-f", identity)
    units = machine.command("systemctl", "list-units", "--all")
    until(lambda: scope not in subprocess.check_output(units, text=True))
    assert machine.run("find", "/sys/fs/cgroup/", "-name", scope) == ""
