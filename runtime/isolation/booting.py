"""Booting: a zygote's process, from before it is known what it is for.

An interpreter takes 10 ms to start, and its program as long to import; both need
nothing of what the command line says. `begin` may so be the first thing that a process
does, and the zygote that it makes later finds it done.
"""

from __future__ import annotations

import _socket
import _thread
import errno
import os

from lamina.runtime import syscalls
from lamina.runtime.isolation import wire
from lamina.runtime.isolation.interpreter import sealed_interpreter, spawn_interpreter

# How many files a zygote has open at once when it starts a container, and some more.
_FILES = 64

# The one that nobody has taken yet.
_begun: Booting | None = None


class Booting:
    """A process that runs `program`'s main and waits for what it is told on `line`.

    It is spawned in a thread. `own_pids`: it is PID 1 of a pid namespace.
    """

    def __init__(self, program: str, own_pids: bool) -> None:
        self.program = program
        self.own_pids = own_pids
        # Requests can queue in it at once.
        self.line, theirs = wire.pair()
        self._pid = -1
        self._failure: OSError | None = None
        self._spawned = _thread.allocate_lock()
        self._spawned.acquire()
        _thread.start_new_thread(self._spawn, (theirs,))

    @property
    def pid(self) -> int:
        """Its process, once that is spawned; -1 when it could not be."""
        with self._spawned:
            return self._pid

    @property
    def failure(self) -> OSError | None:
        """What kept it from being spawned."""
        with self._spawned:
            return self._failure

    def end(self) -> None:
        """Nobody needs it: it ends when its line does. Returns when it has."""
        self.line.close()
        with self._spawned:
            pid, self._pid = self._pid, -1
        if pid > 0:
            try:  # noqa: SIM105 (contextlib is an import)
                os.waitpid(pid, 0)
            except ChildProcessError:
                pass  # the application collects its children itself

    def _spawn(self, theirs: _socket.socket) -> None:
        try:
            if 0 <= os.sysconf("SC_OPEN_MAX") < _FILES:
                raise OSError(errno.EMFILE, f"fewer than {_FILES} files may be open")
            program = sealed_interpreter()
            try:
                if self.own_pids:
                    # For this thread's children: the zygote becomes PID 1, and the
                    # kernel ends all that it started when it ends.
                    syscalls.unshare(syscalls.CLONE_NEWPID)
                self._pid = spawn_interpreter(program, theirs.fileno(), self.program)
            finally:
                os.close(program)
        except OSError as error:
            self._failure = error
        finally:
            theirs.close()
            self._spawned.release()


def begin(program: str) -> None:
    """Start the process for a zygote that is asked for later; it ends with this one.

    What keeps it from that is told when the zygote is asked for.
    """
    global _begun
    try:  # noqa: SIM105 (contextlib is an import)
        _begun = Booting(program, own_pids=True)
    except (OSError, RuntimeError):
        pass


def booting(program: str, own_pids: bool) -> Booting:
    """That which has begun, if it is of this kind; or a new one."""
    global _begun
    found, _begun = _begun, None
    if found is not None:
        if (found.program, found.own_pids) == (program, own_pids):
            return found
        found.line.close()
    return Booting(program, own_pids)
