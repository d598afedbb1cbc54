"""`lamina` on a store with busybox in it, as a user types it; on a terminal, too."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[3]
LAMINA = (sys.executable, "-m", "lamina")
PATIENCE = 60


class Machine:
    """`lamina` with a store that has busybox in it."""

    def __init__(self, place: Path) -> None:
        self.store = place / "store"
        self.env = {
            "PATH": os.environ["PATH"],
            "LAMINA_ROOT": str(self.store),
            "PYTHONPATH": str(ROOT),
        }

    def __call__(
        self, *words: str, stdin: bytes = b"", code: int | None = 0
    ) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            (*LAMINA, *words),
            input=stdin,
            env=self.env,
            cwd=ROOT,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        if code is not None:
            assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done

    def out(self, *words: str, stdin: bytes = b"", code: int | None = 0) -> str:
        return self(*words, stdin=stdin, code=code).stdout.decode().rstrip("\n")

    def quiet(self, *words: str, stdin: bytes = b"", code: int | None = 0) -> str:
        """`run --rm` without a network: what most tests want."""
        run = ("run", "--rm", "--network", "none")
        return self.out(*run, *words, stdin=stdin, code=code)

    def begin(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            (*LAMINA, *words),
            env=self.env,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def keeper(self, name: str) -> int:
        identity = self.out("inspect", "--format", "{{.Id}}", name)
        state = json.loads(
            (self.store / f"containers/{identity}/state.json").read_text()
        )
        return int(state["keeper"]["pid"])

    def left(self) -> list[str]:
        """What containers left in the store."""
        return [
            f"{folder}/{name}"
            for folder in ("containers", "live", "names", "volumes", "trash", "tmp")
            if (self.store / folder).is_dir()
            for name in sorted(os.listdir(self.store / folder))
        ]


def until(true: Callable[[], bool]) -> None:
    """Wait for something that is about to be."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


class Terminal:
    """`lamina` on a terminal of its own."""

    def __init__(self, machine: Machine, *words: str) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            os.execve(LAMINA[0], [*LAMINA, *words], machine.env)
        self.seen = b""

    def resize(self, rows: int, columns: int) -> None:
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, size)

    def wait_for(self, text: bytes) -> bytes:
        """What came up to `text`, which is taken."""
        end = time.monotonic() + PATIENCE
        while text not in self.seen:
            assert time.monotonic() < end, self.seen
            self._read()
        before, _, self.seen = self.seen.partition(text)
        return before

    def _read(self) -> None:
        if select.select([self.fd], [], [], 0.1)[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                data = b""
            assert data, self.seen
            self.seen += data

    def type(self, text: bytes) -> None:
        os.write(self.fd, text)

    def exit_code(self) -> int:
        while True:
            with contextlib.suppress(OSError):
                if select.select([self.fd], [], [], 0.1)[0]:
                    self.seen += os.read(self.fd, 65536)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)


def run_by_user(user: int, program: str) -> subprocess.CompletedProcess[str]:
    """A Python program as an ordinary user, who has these tests and a folder: its
    argument."""
    from tests.runtime.people import public_package, run_as

    with public_package() as package:
        subprocess.run(["cp", "-r", ROOT / "tests", f"{package}/tests"], check=True)
        subprocess.run(["chmod", "-R", "a+rX", package], check=True)
        place = Path(package) / "place"
        place.mkdir()
        os.chown(place, user, user)
        return run_as(user, package, program, str(place))
