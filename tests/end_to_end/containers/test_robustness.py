"""Many containers, full disks, processes killed at any moment: nothing is left, and
nothing is said that is not so.

LAMINA_CONTAINERS=1000 starts as many; a small number says the same faster.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.busybox import make_image, open_store
from tests.end_to_end.bases import processes_of
from tests.end_to_end.containers.machine import Machine, Terminal, until

_COUNT = int(os.environ.get("LAMINA_CONTAINERS", "16"))
_CGROUPS = Path("/sys/fs/cgroup")


def lived(lamina: Machine, number: int) -> str:
    """One container's life, of one of four kinds, from its creation to its removal."""
    kind = number % 4
    if kind == 0:
        name = f"lived-{number}"
        lamina("run", "--rm", "--name", name, "busybox", "true")
        return ""
    if kind == 1:
        lamina("run", "--rm", "-p", "80", "busybox", "true")
        return ""
    words = ("sleep", "1000") if kind == 2 else ("true",)
    identity = lamina.out("run", "-d", "-v", "/data", "busybox", *words)
    if kind == 3:
        lamina("wait", identity)
    lamina("rm", "-f", "-v", identity)
    return identity


def cgroups() -> set[str]:
    return {str(path) for path in _CGROUPS.rglob("*") if path.is_dir()}


def mounts() -> str:
    return Path("/proc/self/mountinfo").read_text()


def test_what_comes_and_goes_leaves_nothing(lamina: Machine) -> None:
    before = set(lamina.left())
    with ThreadPoolExecutor(4) as threads:
        identities = list(threads.map(lambda n: lived(lamina, n), range(_COUNT)))
    assert set(lamina.left()) == before
    assert lamina.out("ps", "-aq") == ""
    assert lamina.out("volume", "ls", "-q") == ""
    assert str(lamina.store) not in mounts()
    until(lambda: processes_of(str(lamina.store)) == [])
    made = [identity for identity in identities if identity]
    assert made
    assert not [c for c in cgroups() if any(one in c for one in made)]
    # Whoever has an address or a port is noted there by its container.
    for path in Path("/run/lamina").rglob("*"):
        if path.is_file() and os.access(path, os.R_OK):
            text = path.read_text(errors="replace")
            assert not [one for one in made if one in text], path


def test_fifty_at_once(lamina: Machine) -> None:
    names = [f"at-once-{number}" for number in range(50)]

    def begin(name: str) -> None:
        lamina("run", "-d", "--name", name, "busybox", "sleep", "1000")

    with ThreadPoolExecutor(50) as threads:
        list(threads.map(begin, names))
    shown = lamina.out("ps", "--format", "{{.Names}} {{.State}}").split("\n")
    assert sorted(shown) == sorted(f"{name} running" for name in names)
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    addresses = lamina.out("inspect", "--format", form, *names).split("\n")
    # An ordinary user's containers are alone, each on its own network.
    assert len(set(addresses)) == (50 if os.geteuid() == 0 else 1)
    lamina("rm", "-f", *names)
    assert lamina.out("ps", "-aq") == ""


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_killed_whenever(lamina: Machine, seed: int) -> None:
    """Clients and keepers, by chance, while containers start, run and end."""
    chance = random.Random(seed)
    clients = []
    for number in range(6):
        words = ("run", "-d", "--name", f"victim-{seed}-{number}", "-p", "80")
        clients.append(lamina.begin(*words, "busybox", "sleep", "1000"))
        time.sleep(chance.uniform(0, 0.2))
        for client in chance.sample(clients, chance.randint(0, 1)):
            client.kill()
        if chance.random() < 0.5:
            kill_a_keeper(lamina, chance)
    for client in clients:
        client.communicate(timeout=120)
    for line in lamina.out("ps", "-a", "--format", "{{.Names}} {{.State}}").split("\n"):
        name, _, state = line.partition(" ")
        if state == "running":
            assert lamina.out("exec", name, "echo", "so") == "so"
        elif name:
            assert state in ("created", "exited")
            lamina("start", name)
            assert lamina.out("exec", name, "echo", "so") == "so"
    left = lamina.out("ps", "-aq").split()
    if left:
        lamina("rm", "-f", *left)
    assert lamina.left() == []
    until(lambda: processes_of(str(lamina.store)) == [])


def kill_a_keeper(lamina: Machine, chance: random.Random) -> None:
    """As the kernel does for want of memory."""
    found = []
    for text in processes_of(str(lamina.store)):
        if "keeper.program" in text:
            found.append(int(text.split(" ")[0]))
    if found:
        try:
            os.kill(chance.choice(found), signal.SIGKILL)
        except ProcessLookupError:
            return


def test_clients_that_are_killed_take_nothing_along(lamina: Machine) -> None:
    lamina("run", "-d", "--name", "watched", "busybox", "sh", "-c", "sleep 1000")
    for words in (
        ("attach", "watched"),
        ("logs", "-f", "watched"),
        ("exec", "watched", "sleep", "1234"),
        ("wait", "watched"),
        ("events",),
    ):
        client = lamina.begin(*words)
        if words[0] == "exec":
            until(lambda: "1234" in lamina.out("top", "watched"))
        else:
            time.sleep(0.1)
        client.kill()
        client.communicate()
    # The command of `exec` was that client's, and ends with it.
    until(lambda: "1234" not in lamina.out("top", "watched"))
    assert lamina.out("exec", "watched", "echo", "so") == "so"


def test_the_dead_of_a_container_are_buried(lamina: Machine) -> None:
    """Those that its first process does not wait for, where --init was asked for; and
    of the keeper's own children none is left, after commands and health checks."""
    orphans = "for i in 1 2 3 4 5; do (sleep 0.01 & ) ; done; sleep 1000"
    check = ("--health-cmd", "true", "--health-interval", "50ms")
    flags = ("--name", "parent", "--init", *check)
    lamina("run", "-d", *flags, "busybox", "sh", "-c", orphans)
    for _ in range(3):
        lamina("exec", "parent", "true")
    keeper = lamina.keeper("parent")
    until(lambda: "Z" not in states(keeper))
    lamina("exec", "parent", "sh", "-c", "(sleep 0.01 &)")
    until(lambda: "Z" not in lamina.out("exec", "parent", "sh", "-c", "ps -o stat"))


def states(parent: int) -> set[str]:
    """Of a process's children (proc_pid_stat(5))."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found.add(fields[0])
    return found


def test_a_storm_of_resizes_ends_with_the_last(lamina: Machine) -> None:
    terminal = Terminal(lamina, "run", "--rm", "-it", "busybox", "sh")
    terminal.wait_for(b"# ")
    for number in range(300):
        terminal.resize(20 + number % 7, 100 + number)
    terminal.resize(33, 77)
    until(lambda: size(terminal) == b"33 77")
    terminal.type(b"exit\n")
    assert terminal.exit_code() == 0


def size(terminal: Terminal) -> bytes:
    terminal.type(b"stty size; echo en''d\n")
    return terminal.wait_for(b"end").split(b"\r\n")[-2].strip()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Machine]:
    """A machine with a store on a disk of 32 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=32m", "t", disk), check=True)
    store = open_store(disk)
    make_image(store)
    store.close()
    machine = Machine(disk)
    try:
        yield machine
        left = machine.out("ps", "-aq").split()
        if left:
            machine("rm", "-f", *left)
        until(lambda: processes_of(str(machine.store)) == [])
    finally:
        subprocess.run(("umount", "-l", disk), check=True)


@pytest.mark.root("it mounts a small disk")
def test_a_container_that_fills_the_disk_ends_as_it_does(small: Machine) -> None:
    fill = "cat /dev/zero > /big; echo full; exit 5"
    done = small("run", "--name", "filler", "busybox", "sh", "-c", fill, code=5)
    assert done.stdout == b"full\n"
    shown = "{{.State.Status}} {{.State.ExitCode}}"
    assert small.out("inspect", "--format", shown, "filler") == "exited 5"
    assert "Exited (5)" in small.out("ps", "-a")
    # What is there can be removed, and then there is room again.
    small("rm", "filler")
    assert small.quiet("busybox", "echo", "again") == "again"


@pytest.mark.root("it mounts a small disk")
def test_a_log_that_finds_no_room_stops_no_container(small: Machine) -> None:
    script = (
        "cat /dev/zero > /big; i=0; "
        "while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; "
        "rm /big; echo after; sleep 1000"
    )
    small("run", "-d", "--name", "writer", "busybox", "sh", "-c", script)
    until(lambda: "after" in small.out("logs", "--tail", "1", "writer"))
    done = small("logs", "writer")
    assert b"lines were not kept: the disk was full" in done.stderr
    assert small.out("exec", "writer", "echo", "so") == "so"
