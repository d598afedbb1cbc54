"""Owner: which process something on disk belongs to, so that the dead leave nothing.

A process is its pid and start time (proc_pid_stat(5), field 22) in one boot of the
machine: a number that was given out again does not pass for the process before.
"""

from __future__ import annotations

import os

from lamina.values import value


@value
class Owner:
    """A process, and the name of the container or build that it works for."""

    name: str
    pid: int
    start: int
    boot: str

    @classmethod
    def of(cls, name: str, pid: int = 0) -> Owner:
        """The process `pid` (this one by default) on behalf of `name`."""
        pid = pid or os.getpid()
        return cls(name, pid, _start_time(pid), _boot_id())

    @classmethod
    def parse(cls, line: str) -> Owner | None:
        """What `str()` gave; None for a line that was cut short."""
        words = line.rstrip("\n").split(" ", 3)
        if len(words) < 4 or not line.endswith("\n"):
            return None
        try:
            return cls(words[3], int(words[0]), int(words[1]), words[2])
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{self.pid} {self.start} {self.boot} {self.name}\n"

    @property
    def alive(self) -> bool:
        started = _start_time(self.pid)
        return started != 0 and started == self.start and self.boot == _boot_id()


def _start_time(pid: int) -> int:
    """Ticks since boot; 0 when there is no such process, or only its remains."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as stat:
            fields = stat.read(4096).rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if fields[0] in (b"Z", b"X") else int(fields[19])


def _boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id", "rb", buffering=0) as boot:
        return boot.read(64).decode().strip()
