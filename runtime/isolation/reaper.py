"""PID 1 for a container that asked for one: passes signals on and reaps orphans."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # `signal` itself costs 3 ms (enum)
import ctypes
import os

from lamina.runtime import syscalls

_SIGCHLD, _SIGTTIN, _SIGTTOU = 17, 21, 22
# What the kernel sends for a fault in this process is not for the command.
_FAULTS = (4, 5, 7, 8, 11, 31)
# Stop signals would stop PID 1 alone; the terminal sends them to the command itself.
_FORWARDED = frozenset(range(1, 65)) - {9, 19, _SIGCHLD, *_FAULTS, 32, 33}


# Where the command line lies, which names places of the host; found by `begin`.
_arguments = (0, 0)


def begin() -> None:
    """In the zygote: find out what is not to be looked for in a container."""
    global _arguments
    _arguments = _arguments_place()


def split_off_command(report: int) -> None:
    """Fork: the child returns to execute the command, this process becomes its init.

    When the command ends, init ends with its code (128 + n for signal n), and with
    init everything else in the container.
    """
    _signal.pthread_sigmask(_signal.SIG_BLOCK, _FORWARDED | {_SIGCHLD})
    command = os.fork()
    if command == 0:
        _lead()
        _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
        return
    os.close(report)
    syscalls.set_name("init")
    _set_arguments(_arguments, b"lamina-init")
    os._exit(_attend(command))


def _lead() -> None:
    """A process group of its own: what the terminal sends then comes only once."""
    os.setpgid(0, 0)
    try:  # noqa: SIM105 (no imports here)
        os.tcsetpgrp(0, os.getpid())
    except OSError:
        pass  # stdin is not this session's terminal


def _attend(command: int) -> int:
    while True:
        number = _signal.sigwait(_FORWARDED | {_SIGCHLD})
        if number != _SIGCHLD:
            if number not in (_SIGTTIN, _SIGTTOU):
                os.kill(command, number)
            continue
        code = _reap(command)
        if code is not None:
            return code


def _reap(command: int) -> int | None:
    """Collect whoever has ended; the exit code once the command has."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid == command:
            ended = os.waitstatus_to_exitcode(status)
            code = ended if ended >= 0 else 128 - ended


def _arguments_place() -> tuple[int, int]:
    """Where this process's command line lies in its memory: address and length.

    From /proc/self/stat (proc_pid_stat(5), fields 48 and 49), to be read while /proc is
    the host's. (0, 0) where that says nothing.
    """
    with open("/proc/self/stat", "rb", buffering=0) as stat:
        fields = stat.read(4096).rpartition(b")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    return start, max(end - start, 0)


def _set_arguments(place: tuple[int, int], name: bytes) -> None:
    """Show `name` as the command line, and nothing of what it was.

    A last byte that is not zero tells the kernel so (setproctitle(3)).
    """
    start, length = place
    if length > len(name) + 1:
        text = name.ljust(length - 1, b"\0") + b"."
        ctypes.memmove(start, text, length)
