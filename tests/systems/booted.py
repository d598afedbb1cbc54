"""A machine that systemd has started, in namespaces of its own: systemd as their PID 1.

It sees this machine's files, read-only but for one folder, and has its own /run, its
own network and its own cgroups: of version 2 alone, or of version 1 with the `unified`
hierarchy (hybrid), where this machine has that.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.systems import units

V2, HYBRID = "v2", "hybrid"
_CGROUPS = "/sys/fs/cgroup"
_PATIENCE = 30.0

_ENTER = """
set -eu
place=$1 layout=$2 path=$3; shift 3
for own; do echo 0 >"$own/cgroup.procs"; done
exec unshare --cgroup sh -euc "$path" boot "$place" "$layout" "$@"
"""
_MOUNTS = """
place=$1 layout=$2; shift 2
umount -R /sys/fs/cgroup
if [ "$layout" = v2 ]; then
  mount -t cgroup2 none /sys/fs/cgroup
else
  mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
  for own; do
    name=$(basename "$(dirname "$own")")
    mkdir "/sys/fs/cgroup/$name"
    case $name in
      unified) mount -t cgroup2 none "/sys/fs/cgroup/$name" ;;
      systemd) mount -t cgroup -o none,name=systemd none "/sys/fs/cgroup/$name" ;;
      *) mount -t cgroup -o "$name" none "/sys/fs/cgroup/$name" ;;
    esac
  done
fi
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /run
mount --bind "$place" "$place"
mount -o remount,bind,ro /
# What programs write to without being asked.
for folder in /var/tmp /var/cache; do mount -t tmpfs tmpfs $folder; done
"""
_BOOT = _MOUNTS + units.writing() + units.START
_INSIDE = """
enter() { echo 0 >"$1/cgroup.procs"; }
for place in /sys/fs/cgroup /sys/fs/cgroup/*; do
  # systemd takes it from a controller's hierarchy when nobody needs it there any more.
  if [ ! -d "$place/init.scope" ] || ! enter "$place/init.scope" 2>/dev/null; then
    [ ! -e "$place/tasks" ] || enter "$place"
  fi
done
exec "$@"
"""


def layouts() -> tuple[str, ...]:
    """Those that this machine can lend."""
    if os.path.exists(f"{_CGROUPS}/cgroup.controllers"):
        return (V2,)
    hybrid = os.path.exists(f"{_CGROUPS}/unified/cgroup.controllers")
    return (V2, HYBRID) if hybrid else ()


class Machine:
    """One that runs. `pid` is its systemd's; `place` is a folder that it can write."""

    def __init__(self, pid: int, place: Path) -> None:
        self.pid = pid
        self.place = place

    def command(self, *words: str | Path) -> list[str]:
        """A command line for here, which runs there as a child of its PID 1 would."""
        enter = ("nsenter", "-t", str(self.pid), "-a", "sh", "-euc", _INSIDE, "inside")
        return [*enter, *map(str, words)]

    def attempt(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def run(self, *words: str | Path) -> str:
        """What a command prints there; it has to succeed."""
        done = self.attempt(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def shown(self, unit: str, *names: str) -> dict[str, str]:
        """Properties of a unit, as systemd says them."""
        asked = [word for name in names for word in ("-p", name)]
        lines = self.run("systemctl", "show", unit, *asked).splitlines()
        return dict(line.split("=", 1) for line in lines)


@contextlib.contextmanager
def booted(place: Path, layout: str) -> Iterator[Machine]:
    """A machine that runs for the block; `place` can be written there."""
    owns = _make_cgroups(layout)
    kinds = ("--pid", "--fork", "--kill-child", "--mount", "--net", "--uts", "--ipc")
    words = (*kinds, "--propagation", "private", "sh", "-euc", _ENTER, "enter")
    log = open(place / "systemd.log", "w+b")  # noqa: SIM115
    process = subprocess.Popen(
        ["unshare", *words, str(place), layout, _BOOT, *owns],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )
    try:
        with log:
            yield _wait(process, place)
    finally:
        process.kill()
        process.wait()
        _remove_cgroups(owns)


def _wait(process: subprocess.Popen[bytes], place: Path) -> Machine:
    deadline = time.monotonic() + _PATIENCE
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while time.monotonic() < deadline and process.poll() is None:
        found = children.read_text().split()
        if found and Path(f"/proc/{found[0]}/comm").read_text() == "systemd\n":
            machine = Machine(int(found[0]), place)
            done = machine.attempt("systemctl", "is-system-running")
            if done.stdout.strip() in ("running", "degraded"):
                return machine
        time.sleep(0.02)
    log = (place / "systemd.log").read_text()
    raise AssertionError(f"systemd has not started: {log}")


def _make_cgroups(layout: str) -> list[str]:
    """A cgroup for the machine in each hierarchy that it is to see."""
    name = f"booted-{os.getpid()}-{time.monotonic_ns()}"
    if os.path.exists(f"{_CGROUPS}/cgroup.controllers"):
        mounts = [_CGROUPS]
    elif layout == V2:
        mounts = [f"{_CGROUPS}/unified"]
    else:
        mounts = [entry.path for entry in os.scandir(_CGROUPS) if entry.is_dir()]
    owns = [f"{mount}/{name}" for mount in mounts]
    for own, mount in zip(owns, mounts, strict=True):
        os.mkdir(own)
        for file in ("cpuset.cpus", "cpuset.mems"):
            if layout == HYBRID and os.path.exists(f"{own}/{file}"):
                Path(f"{own}/{file}").write_text(Path(f"{mount}/{file}").read_text())
    return owns


def _remove_cgroups(owns: list[str]) -> None:
    deadline = time.monotonic() + _PATIENCE
    for own in owns:
        for folder, _, _ in os.walk(own, topdown=False):
            while True:
                try:
                    os.rmdir(folder)
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.01)
