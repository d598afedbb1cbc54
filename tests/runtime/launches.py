"""Containers for tests: a busybox root, and `run` that gives back what was printed."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lamina.runtime.isolation.sandbox import ExitStatus, Sandbox
from lamina.runtime.isolation.snapshot import Snapshot
from lamina.runtime.isolation.zygote import Zygote
from lamina.runtime.spec import Process, Spec
from lamina.values import replace

BUSYBOX = "/bin/busybox"


def make_root(place: Path) -> Path:
    """A root directory with busybox, users and the directories of any image."""
    for name in ("bin", "etc", "proc", "dev", "sys", "tmp"):
        (place / name).mkdir(parents=True)
    place.chmod(0o755)
    shutil.copy(BUSYBOX, place / "bin/busybox")
    listed = subprocess.run([BUSYBOX, "--list"], capture_output=True, check=True)
    for name in listed.stdout.decode().split():
        if name != "busybox":
            os.symlink("busybox", place / "bin" / name)
    (place / "etc/passwd").write_text(
        "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n"
    )
    (place / "etc/group").write_text(
        "root:x:0:\napp:x:1000:\naudio:x:63:app,other\nwheel:x:10:root\n"
    )
    return place


class Bench:
    """One root, one zygote, and as many containers as a test likes."""

    def __init__(self, place: Path, root: Path, zygote: Zygote) -> None:
        self.place = place
        self.root = root
        self.zygote = zygote
        self.runs = 0
        self.upper = Path()

    def snapshot(self) -> Snapshot:
        """The root with a new upper directory, which `upper` names."""
        self.runs += 1
        self.upper = self.place / f"upper{self.runs}"
        work = self.place / f"work{self.runs}"
        self.upper.mkdir()
        work.mkdir()
        return Snapshot((str(self.root),), str(self.upper), str(work))

    def start(
        self,
        *args: str,
        stdio: tuple[int, int, int] | None = None,
        spec: Spec | None = None,
        process: dict[str, Any] | None = None,
        **launch: Any,
    ) -> Sandbox:
        spec = spec or Spec(Process(()))
        changed = replace(spec.process, args=args, **(process or {}))
        null = os.open(os.devnull, os.O_RDWR)
        snapshot = launch.pop("snapshot", None) or self.snapshot()
        try:
            return self.zygote.launch(
                replace(spec, process=changed),
                snapshot,
                stdio or (null, null, null),
                **launch,
            )
        finally:
            os.close(null)

    def enter(self, container: Sandbox, process: Process) -> Sandbox:
        """One more process in a container that was started here."""
        return self.zygote.launch_exec(container.pidfd, process)

    def run(self, *args: str, **options: Any) -> tuple[ExitStatus, str]:
        """Run to the end: how it ended, and what it wrote to stdout and stderr."""
        reader, writer = os.pipe2(os.O_CLOEXEC)
        null = os.open(os.devnull, os.O_RDONLY)
        try:
            sandbox = self.start(*args, stdio=(null, writer, writer), **options)
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
            os.close(null)
        with sandbox, open(reader, "rb") as pipe:
            text = pipe.read().decode(errors="replace")
            return sandbox.wait(), text

    def sh(self, script: str, **options: Any) -> str:
        """What a shell script prints; it has to succeed."""
        status, text = self.run("sh", "-ec", script, **options)
        assert status == ExitStatus(0), (status, text)
        return text


def eventually(true: Callable[[], bool]) -> bool:
    """Whether it becomes true; the time allowed is for a machine under load."""
    end = time.monotonic() + 20
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def exists(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def terminal_output(fd: int) -> bytes:
    """Everything, until nobody has the other end any more (then it is EIO)."""
    data = b""
    try:
        while more := os.read(fd, 4096):
            data += more
    except OSError:
        pass
    return data
