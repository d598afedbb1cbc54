"""Containers: how fast they come and go, many at once, and what each costs."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from tests.benchmarks.engines import BUSYBOX, Engine, shell
from tests.benchmarks.workloads import Workload

# Ports nobody else uses here; each round of each engine has its own.
_FIRST_PORT = {"lamina": 42000, "docker": 42100, "buildah": 42200}
_MANY = 50


class RunTrue(Workload):
    """crun has a bundle with the same root, and no engine around it."""

    title = "run --rm IMAGE true"
    goal = "1/5 (crun 1.5)"
    engines = ("lamina", "docker", "buildah", "crun")

    def make(self) -> None:
        root = self.folder / "bundle/rootfs"
        (root / "bin").mkdir(parents=True)
        shutil.copy("/bin/busybox", root / "bin/busybox")
        os.symlink("busybox", root / "bin/true")
        shell("crun spec", folder=str(root.parent))
        file = root.parent / "config.json"
        config = json.loads(file.read_text())
        config["process"].update(args=["true"], terminal=False)
        # A process may lack what would take more descriptors than crun's own.
        config["process"].pop("rlimits", None)
        file.write_text(json.dumps(config))

    def command(self, engine: Engine, turn: int) -> str:
        bundle = self.folder / "bundle"
        return engine.run.format(image=BUSYBOX, command="true", bundle=bundle)


class Exec(Workload):
    title = "exec CONTAINER true"
    goal = "1/2"

    def before(self, engine: Engine, turn: int) -> None:
        if turn == 0:
            _remove(engine, "bench-exec")
            start = engine.start.format(flags="--name bench-exec", image=BUSYBOX)
            shell(f"{start} sleep 100000")

    def command(self, engine: Engine, turn: int) -> str:
        return f"{engine.program} exec bench-exec true"

    def after(self, engine: Engine) -> None:
        _remove(engine, "bench-exec")


class Detached(Workload):
    title = "run -d with a network and a published port"
    goal = "1/4"

    def before(self, engine: Engine, turn: int) -> None:
        _remove(engine, "bench-port")

    def command(self, engine: Engine, turn: int) -> str:
        flags = f"--name bench-port -p {_FIRST_PORT[engine.name] + turn}:80"
        return f"{engine.start.format(flags=flags, image=BUSYBOX)} sleep 100000"

    def after(self, engine: Engine) -> None:
        _remove(engine, "bench-port")


class Many(Workload):
    title = f"run -d, {_MANY} at once"
    goal = "1"

    def before(self, engine: Engine, turn: int) -> None:
        _remove(engine, *_names())

    def command(self, engine: Engine, turn: int) -> str:
        start = engine.start.format(flags="--name bench-$n", image=BUSYBOX)
        names = " ".join(map(str, range(_MANY)))
        one = f"{start} sleep 100000 >/dev/null || touch {self.folder}/failed"
        return f"for n in {names}; do {one} & done; wait; ! ls {self.folder}/failed"

    def after(self, engine: Engine) -> None:
        if engine.name == "lamina":
            self.note = f"{_memory(engine):.1f} MB of ours a container"
        _remove(engine, *_names())


def _names() -> tuple[str, ...]:
    return tuple(f"bench-{number}" for number in range(_MANY))


def _remove(engine: Engine, *names: str) -> None:
    shell(f"{engine.program} rm -f {' '.join(names)} >/dev/null 2>&1 || true")


def _memory(engine: Engine) -> float:
    """What is resident of Lamina's own processes, in MB for each container."""
    root = engine.program.partition(" --root ")[2]
    pids = []
    for file in Path(root, "containers").glob("*/state.json"):
        keeper = json.loads(file.read_text())["keeper"]
        if keeper is not None:
            pids.append(keeper["pid"])
    sizes = [_resident(pid) for pid in pids]
    return sum(sizes) / max(1, len(sizes)) / 1000


def _resident(pid: int) -> int:
    """VmRSS in kB, all of what it shares with others counted (proc_pid_status(5))."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 // 1000
    return 0


CONTAINERS: dict[str, type[Workload]] = {
    "run-true": RunTrue,
    "exec": Exec,
    "run-port": Detached,
    "run-many": Many,
}
