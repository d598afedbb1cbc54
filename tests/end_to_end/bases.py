"""The `lamina` command on a store of the test's own, and recipes to give it.

What a test leaves behind counts as a failure of what it tests: `Lamina.left_behind`
looks for processes, mounts, locks, workspaces and cgroups that outlived it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lamina.runtime.cgroups.hierarchy import PARENT, hierarchies
from lamina.runtime.isolation.userns import subordinate
from tests.busybox import make_base

DOCKER = "/usr/bin/docker"
COMMAND = (sys.executable, "-m", "lamina")
PROJECT = str(Path(__file__).parents[2])
# How long what was killed may take to be gone, on a loaded machine.
PATIENCE = 20.0
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "PYTHONPATH": PROJECT,
    # No test asks a registry that it did not start itself.
    "XDG_CONFIG_HOME": f"{PROJECT}/tests/end_to_end/config",
    "LC_ALL": "C.UTF-8",
}


class Done(NamedTuple):
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def steps(self) -> dict[str, str]:
        """What the plain progress says of each step, by its instruction."""
        names: dict[str, str] = {}
        states: dict[str, str] = {}
        for line in self.err.splitlines():
            number, _, rest = line.partition(" ")
            if rest.startswith("["):
                names[number] = rest.partition("] ")[2]
            elif rest.startswith(("CACHED", "DONE", "FAILED")):
                states[names[number]] = rest.split()[0]
        return states

    @property
    def ran(self) -> list[str]:
        """The steps that were carried out, sorted."""
        return sorted(name for name, state in self.steps.items() if state == "DONE")


class Lamina:
    """The command as a user calls it, with its store in `place`."""

    def __init__(self, place: Path, store: Path | None = None) -> None:
        self.place = place
        self.store = store or place / "store"
        self._started: list[subprocess.Popen[bytes]] = []

    def with_base(self) -> Lamina:
        """Put the image `busybox` into the store."""
        make_base(self.store.parent, busybox={})
        return self

    def run(
        self,
        *args: str | Path,
        code: int | None = 0,
        env: Mapping[str, str] | None = None,
        given: bytes | str = b"",
        cwd: Path | None = None,
        wrapper: Sequence[str] = (),
    ) -> Done:
        """Run a command to its end; it has to end with `code` (None: with any)."""
        process = self.start(*args, env=env, cwd=cwd, wrapper=wrapper)
        data = given.encode() if isinstance(given, str) else given
        out, err = process.communicate(data, timeout=240)
        done = Done(process.returncode, out.decode(), err.decode(errors="replace"))
        if code is not None:
            assert done.code == code, done.err or done.out
        assert "Traceback" not in done.err, done.err
        return done

    def start(
        self,
        *args: str | Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        wrapper: Sequence[str] = (),
    ) -> subprocess.Popen[bytes]:
        """Start a command in a session of its own, with pipes for all streams."""
        process = subprocess.Popen(
            [*wrapper, *COMMAND, *map(str, args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**ENVIRONMENT, "LAMINA_ROOT": str(self.store), **(env or {})},
            cwd=cwd or self.place,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def build(self, folder: Path, *args: str | Path, **options: Any) -> str:
        """Build `folder`; the image's ID."""
        return self.run("build", *args, folder, **options).out.strip()

    def inspect(self, image: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(self.run("inspect", image).out)
        return found[0]

    def config(self, image: str) -> dict[str, Any]:
        config: dict[str, Any] = self.inspect(image)["Config"]
        return config

    def files(self, folder: Path, *args: str | Path, **options: Any) -> Path:
        """Build `folder`, and unpack the image's files."""
        out = self.place / f"files-{len(os.listdir(self.place))}"
        output = f"type=local,dest={out},owners=keep"
        self.run("build", "-o", output, *args, folder, **options)
        return out

    def check(self) -> None:
        """The store is sound."""
        self.run("system", "check")

    def end(self) -> None:
        """Kill what a test that failed did not wait for."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def left_behind(self) -> list[str]:
        """What outlived the test, once it had time to end."""
        deadline = time.monotonic() + PATIENCE
        while (found := self._left()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return found

    def _left(self) -> list[str]:
        found = [f"process {text}" for text in processes_of(str(self.store))]
        tmp = self.store / "tmp"
        found += [f"workspace {path}" for path in tmp.glob("*")]
        found += [f"lock {path}" for path in _held_locks(self.store / "locks")]
        for process in self._started:
            found += [f"cgroup {place}" for place in _cgroups_of(process.pid)]
        return found


def processes_of(store: str) -> list[str]:
    """The processes that run for a store, have its files open or mounted."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdecimal() and int(name) != os.getpid():
            # What ends while it is looked at is not left behind.
            with contextlib.suppress(OSError):
                reason = _reason(f"/proc/{name}", store)
                if reason:
                    found.append(f"{name} ({reason}: {_text(f'/proc/{name}/cmdline')})")
    return found


def _reason(process: str, store: str) -> str:
    for part in ("cmdline", "environ", "mountinfo"):
        if store in _text(f"{process}/{part}"):
            return part
    for folder in ("fd", "root", "cwd"):
        path = f"{process}/{folder}"
        links = [f"{path}/{n}" for n in os.listdir(path)] if folder == "fd" else [path]
        for link in links:
            with contextlib.suppress(OSError):
                if os.readlink(link).startswith(store):
                    return folder
    return ""


def _text(path: str) -> str:
    with open(path, "rb") as file:
        return file.read().replace(b"\0", b" ").decode(errors="replace")


def _held_locks(folder: Path) -> list[str]:
    """The files of `folder` that somebody has locked (proc(5), /proc/locks)."""
    inodes = {path.stat().st_ino: str(path) for path in folder.glob("*")}
    held = [line.split() for line in _text("/proc/locks").splitlines()]
    found = {int(words[5].rpartition(":")[2]) for words in held if "->" not in words}
    return [path for inode, path in inodes.items() if inode in found]


def _cgroups_of(pid: int) -> list[str]:
    """Cgroups of Lamina's that belong to process `pid`, in every hierarchy."""
    found = []
    for hierarchy in hierarchies():
        place = f"{hierarchy.base}/{PARENT}"
        with contextlib.suppress(OSError):
            found += [f"{place}/{n}" for n in os.listdir(place) if f".{pid}-" in n]
    return found


def build(lamina: Lamina, folder: Path, *args: str | Path) -> Done:
    """Build a folder; how that ended, and what was written."""
    return lamina.run("build", *args, folder)


def project(place: Path, recipe: str, /, **files: str | bytes) -> Path:
    """A folder with `recipe` as its Recipe, and other files; `__` in a name is `/`."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "Recipe").write_text(recipe)
    for name, content in files.items():
        path = place / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return place


def owner(status: os.stat_result) -> tuple[int, int]:
    """Whose a file is for Lamina: as an ordinary user it knows other ids, of which 0 is
    the user and the further ones are those that /etc/subuid and /etc/subgid have."""
    if os.geteuid() == 0:
        return status.st_uid, status.st_gid
    return (
        _inside(status.st_uid, os.getuid(), "/etc/subuid"),
        _inside(status.st_gid, os.getgid(), "/etc/subgid"),
    )


def _inside(outside: int, own: int, table: str) -> int:
    if outside == own:
        return 0
    first, count = subordinate(table, os.getuid())[0]
    assert first <= outside < first + count
    return outside - first + 1


def interrupt(process: subprocess.Popen[bytes], number: int = signal.SIGINT) -> Done:
    """Send a signal, as a terminal would to its foreground group; how it ended."""
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=60)
    return Done(process.returncode, out.decode(), err.decode(errors="replace"))


def wait_for_line(process: subprocess.Popen[bytes], text: str) -> str:
    """Read stderr until a line has `text`; what was read."""
    assert process.stderr is not None
    seen = ""
    for line in process.stderr:
        seen += line.decode(errors="replace")
        if text in seen.splitlines()[-1]:
            return seen
    raise AssertionError(f"{text!r} was never written:\n{seen}")


@contextlib.contextmanager
def known_to_docker(place: Path, base: str) -> Iterator[Lamina]:
    """The command on the store in `place`, whose image `base` Docker has too."""
    command = Lamina(place)
    command.run("save", "-o", "base.tar", base)
    subprocess.run([DOCKER, "load", "-qi", place / "base.tar"], check=True)
    yield command
    command.end()
    subprocess.run([DOCKER, "rmi", "-f", base], capture_output=True, check=False)


def tagged(lamina: Lamina, address: str, name: str) -> str:
    lamina.run("tag", "busybox", f"{address}/{name}:1")
    return f"{address}/{name}:1"
