"""Processes as ps(1) lists them."""

from __future__ import annotations

import os
import time

from lamina.errors import LaminaError

COLUMNS = ("UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD")


def processes(pids: tuple[int, ...]) -> list[tuple[str, ...]]:
    """A line of `ps -ef` for each that is still there, without ps."""
    found = []
    for pid in pids:
        try:
            found.append(_process(pid))
        except OSError:
            continue  # it ended
    return found


def listed(
    pids: tuple[int, ...], options: list[str]
) -> tuple[list[str], list[list[str]]]:
    """What the host's ps shows of them with these options: headings and lines."""
    import subprocess

    try:
        done = subprocess.run(
            ("ps", *options), capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise LaminaError(
            "There is no `ps` on this machine.",
            hint="`apt-get install procps`; without options none is needed.",
        ) from None
    if done.returncode:
        raise LaminaError(f"ps: {done.stderr.strip() or 'failed'}")
    lines = done.stdout.splitlines()
    headings = lines[0].split() if lines else []
    if "PID" not in headings:
        raise LaminaError(
            "Couldn't find PID field in ps output.",
            hint="It tells a container's processes from others: `-o pid,...`.",
        )
    at, width = headings.index("PID"), len(headings)
    rows = [line.split(None, width - 1) for line in lines[1:]]
    wanted = set(map(str, pids))
    found = [row for row in rows if len(row) > at and row[at] in wanted]
    return headings, [row + [""] * (width - len(row)) for row in found]


def _process(pid: int) -> tuple[str, ...]:
    with open(f"/proc/{pid}/stat", "rb") as file:
        head, _, tail = file.read().rpartition(b")")
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        words = file.read().rstrip(b"\0").replace(b"\0", b" ")
    fields = tail.split()
    ticks = os.sysconf("SC_CLK_TCK")
    used = (int(fields[11]) + int(fields[12])) / ticks
    seconds = int(used)
    boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    began = boot + int(fields[19]) / ticks
    share = 100 * used / max(time.time() - began, 1)
    command = words or b"[" + head.partition(b"(")[2] + b"]"
    return (
        _user(os.stat(f"/proc/{pid}").st_uid),
        str(pid),
        fields[1].decode(),
        str(min(int(share), 99)),
        time.strftime("%H:%M", time.localtime(began)),
        _terminal(int(fields[4])),
        f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}",
        command.decode(errors="replace"),
    )


def _user(uid: int) -> str:
    """The host's name for the user, as ps has it."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _terminal(number: int) -> str:
    """`pts/0` for the terminal's device number (proc_pid_stat(5), tty_nr)."""
    major, minor = number >> 8 & 0xFFF, number & 0xFF | number >> 12 & 0xFFF00
    return f"pts/{minor + (major - 136) * 256}" if 136 <= major < 144 else "?"
