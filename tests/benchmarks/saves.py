"""Saving a file of a small server until the new container answers."""

from __future__ import annotations

import shlex
import signal
import socket
import statistics
import subprocess
import time
from pathlib import Path

from tests.benchmarks.engines import BUSYBOX, Engine
from tests.benchmarks.workloads import Workload

_SAVES = 10
_PATIENCE = 60.0
# Without a fork from the save until the answer. Microseconds, one save a line.
_SCRIPT = r"""
ask() {
  { exec 3<>/dev/tcp/127.0.0.1/PORT; } 2>/dev/null || return 1
  printf 'GET /index.html HTTP/1.0\r\n\r\n' >&3
  found=1
  while IFS= read -r line <&3; do [ "$line" != "$1" ] || found=0; done
  exec 3>&-
  return $found
}
for number in $(seq SAVES); do
  page="turn TURN, save $number"
  began=${EPOCHREALTIME/./}
  echo "$page" > FILE
  FOLLOW
  until ask "$page"; do sleep 0.001; done
  echo $((${EPOCHREALTIME/./} - began)) >> TIMES
done
"""
_NAME = "bench-save"


class Saves(Workload):
    title = f"{_SAVES} saves, each until the new container answers"
    goal = "1/8"
    engines = ("lamina", "docker")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._watch: subprocess.Popen[bytes] | None = None
        self._ports: dict[str, int] = {}

    def make(self) -> None:
        self.recipe(
            f"FROM {BUSYBOX}\nRUN mkdir /srv\nCOPY www /srv\nEXPOSE 8000\n"
            'CMD ["httpd", "-f", "-p", "8000", "-h", "/srv"]\n'
        )
        (self.folder / "www").mkdir()
        (self.folder / "www/index.html").write_text("nothing\n")

    def before(self, engine: Engine, turn: int) -> None:
        port = self._ports.setdefault(engine.name, _free_port())
        if engine.name == "lamina" and self._watch is None:
            # On a folder of its own: Docker's saves are not its affair.
            watched = self._folder(engine)
            command = f"{engine.program} watch -p {port}:8000 {watched}"
            self._watch = subprocess.Popen(
                shlex.split(command),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            _wait_for(port)

    def command(self, engine: Engine, turn: int) -> str:
        port, folder = self._ports[engine.name], self._folder(engine)
        follow = ":"
        if engine.name != "lamina":
            build = engine.build.format(context=folder, tag=_NAME, fresh="")
            flags = f"--name {_NAME} -p {port}:8000"
            start = engine.start.format(flags=flags, image=_NAME)
            remove = f"{engine.program} rm -f {_NAME}"
            follow = f"{{ {build}; {remove}; {start}; }} >/dev/null 2>&1"
        script = _SCRIPT
        for word, text in (
            ("PORT", str(port)),
            ("SAVES", str(_SAVES)),
            ("TURN", str(turn)),
            ("FILE", str(folder / "www/index.html")),
            ("FOLLOW", follow),
            # The first turn warms up.
            ("TIMES", str(self._times(engine)) if turn else "/dev/null"),
        ):
            script = script.replace(word, text)
        return f"bash -c {shlex.quote(script)}"

    def after(self, engine: Engine) -> None:
        if engine.name == "lamina" and self._watch is not None:
            self._watch.send_signal(signal.SIGINT)
            self._watch.wait(_PATIENCE)
        elif engine.name != "lamina":
            command = (engine.program, "rm", "-f", _NAME)
            subprocess.run(command, check=False, capture_output=True)
        times = self._times(engine)
        if times.exists():
            taken = sorted(int(line) / 1000 for line in times.read_text().split())
            p50, p90 = statistics.median(taken), taken[int(0.9 * (len(taken) - 1))]
            said = f"{engine.name} p50 {p50:.0f} ms p90 {p90:.0f} ms"
            self.note = f"{self.note}, {said}" if self.note else said

    def _folder(self, engine: Engine) -> Path:
        """Each engine's own copy."""
        place = self.folder / engine.name
        if not place.exists():
            (place / "www").mkdir(parents=True)
            for name in ("Dockerfile", "www/index.html"):
                (place / name).write_text((self.folder / name).read_text())
        return place

    def _times(self, engine: Engine) -> Path:
        return self.folder / f"times-{engine.name}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as connection:
                connection.sendall(b"GET /index.html HTTP/1.0\r\n\r\n")
                if connection.recv(1):
                    return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("the watched server did not answer")
