"""The unit that `lamina system unit` prints, under a systemd that runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.cli.system.booting import unit
from tests.runtime.bundles.running import until
from tests.systems.booted import Machine, booted, layouts

pytestmark = [
    pytest.mark.root("it starts a systemd in namespaces"),
    pytest.mark.skipif(not layouts(), reason="no hierarchy of version 2"),
]
LAMINA = str(Path(sys.executable).with_name("lamina"))
UNITS = "/run/units"
SLEEP = ("localhost/box", "/bin/busybox", "sleep", "1000")
RUN = ("run", "-d", "--network", "none", "--restart", "always")


class Booted:
    """`lamina` on a machine of which its unit is a service."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._root = machine.place / "store"

    def __call__(self, *words: str) -> str:
        """What it prints; what goes on afterwards has no pipe of ours."""
        out = self._machine.place / "out"
        command = [LAMINA, "--root", str(self._root), *words]
        with open(out, "wb") as file:
            done = subprocess.run(
                self._machine.command(*command),
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        assert done.returncode == 0, out.read_text()
        return out.read_text().strip()

    def systemctl(self, *words: str) -> str:
        return self._machine.run("systemctl", *words)

    def install(self) -> None:
        place = self._machine.place
        text = unit(LAMINA, str(self._root), user=False)
        (place / "lamina.service").write_text(text)
        # What a service stands on, of which that machine has nothing.
        for name in ("sysinit", "basic", "shutdown", "network-online"):
            (place / f"{name}.target").write_text("[Unit]\nDefaultDependencies=no\n")
        self._machine.run("sh", "-c", f"cp {place}/*.service {place}/*.target {UNITS}")
        self.systemctl("daemon-reload")

    def states(self) -> dict[str, str]:
        shown = self("ps", "-a", "--format", "{{.Names}} {{.State}}").splitlines()
        return dict(line.split(" ") for line in shown)


@pytest.fixture(params=layouts())
def lamina(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Booted]:
    archive = tmp_path / "box.tar"
    subprocess.run(["tar", "-C", "/", "-cf", archive, "bin/busybox"], check=True)
    with booted(tmp_path, request.param) as machine:
        found = Booted(machine)
        found("import", str(archive), "localhost/box")
        found.install()
        yield found


def test_containers_are_the_unit_s(lamina: Booted) -> None:
    lamina(*RUN, "--name", "one", *SLEEP)
    lamina(*RUN, "--name", "halted", *SLEEP)
    lamina("stop", "-t", "0", "halted")
    lamina("system", "stop")
    assert lamina.states() == {"one": "exited", "halted": "exited"}
    lamina.systemctl("start", "lamina")
    assert lamina.states() == {"one": "running", "halted": "running"}
    lamina("stop", "-t", "0", "halted")
    # The second time it is the unit's because of the reload.
    for _ in range(2):
        lamina.systemctl("kill", "--signal=KILL", "lamina")
        until(lambda: lamina.states()["one"] == "exited")
        lamina.systemctl("reload", "lamina")
        # The machine is up: what was stopped stays so.
        assert lamina.states() == {"one": "running", "halted": "exited"}
    lamina.systemctl("stop", "lamina")
    assert set(lamina.states().values()) == {"exited"}
