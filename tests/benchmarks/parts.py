"""Where the milliseconds go: a RUN step by part, and a build that is all cached.

    python -m tests.benchmarks.parts

Parts of a step are medians over 50 trivial steps, told by timers around the functions
that the executor calls, and by the marks that a container's start leaves.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.benchmarks.engines import lamina, shell
from tests.benchmarks.workloads import make_bases

STEPS = 50


class Timers:
    """Milliseconds by name, of functions that were wrapped."""

    def __init__(self) -> None:
        self.taken: dict[str, list[float]] = {}

    def wrap(self, owner: Any, name: str, label: str) -> None:
        inner: Callable[..., Any] = getattr(owner, name)

        def timed(*args: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return inner(*args, **named)
            finally:
                self.note(label, time.perf_counter() - began)

        setattr(owner, name, timed)

    def note(self, label: str, seconds: float) -> None:
        self.taken.setdefault(label, []).append(seconds * 1000)


def profile_steps(root: str, project: Path) -> None:
    """Build in this process with timers, and print the table."""
    from lamina.builder import commit, executor
    from lamina.builder.caching import cache
    from lamina.builder.ops import run_step
    from lamina.builder.solving import solver
    from lamina.oci.layers import pack
    from lamina.oci.store.store import Store
    from lamina.runtime.isolation import sandbox, zygote

    timers = Timers()
    timers.wrap(executor.Executor, "execute", "step, all")
    timers.wrap(solver, "cache_key", "cache key")
    timers.wrap(cache, "lookup", "look-up")
    timers.wrap(run_step.Runner, "run", "run, all")
    timers.wrap(zygote.Zygote, "launch", "launch, until execve")
    timers.wrap(run_step.Runner, "_pass_on", "output")
    timers.wrap(sandbox.Sandbox, "wait", "wait for the end")
    timers.wrap(pack, "pack", "digests of what changed")
    timers.wrap(Store, "publish_layer", "publish the layer")
    timers.wrap(commit, "record", "record the key")
    marks: list[tuple[tuple[str, int], ...]] = []
    inner = run_step.Runner._note

    def note(self: Any, sandbox: Any) -> None:
        marks.append(sandbox.marks)
        inner(self, sandbox)

    run_step.Runner._note = note  # type: ignore[method-assign]
    from lamina.cli.main import main

    main(["--root", root, "build", "-q", "--no-cache", str(project)])
    print(f"\nA trivial RUN step, medians of {STEPS}:\n\n| part | ms |\n|---|---|")
    for label, taken in timers.taken.items():
        print(f"| {label} | {statistics.median(taken):.2f} |")
    print("\nThe start of a container, by part:\n\n| part | ms |\n|---|---|")
    for label, taken in _parts(marks).items():
        print(f"| {label} | {statistics.median(taken):.2f} |")


def _parts(marks: list[tuple[tuple[str, int], ...]]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for steps in marks:
        for (_, began), (label, ended) in pairwise(steps):
            found.setdefault(label, []).append((ended - began) / 1e6)
    return found


def profile_cached(command: list[str]) -> None:
    """A cached build: the whole process, a bare interpreter, and what it imports."""
    environment = {
        k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"
    }

    def median(args: list[str]) -> float:
        taken = []
        for _ in range(15):
            began = time.perf_counter()
            subprocess.run(args, env=environment, check=True, capture_output=True)
            taken.append((time.perf_counter() - began) * 1000)
        return statistics.median(taken)

    whole, bare = median(command), median([sys.executable, "-c", "pass"])
    print("\nThe same build, all cached:\n\n| part | ms |\n|---|---|")
    print(f"| the whole process | {whole:.1f} |\n| of it, bare Python | {bare:.1f} |")
    traced = [sys.executable, "-X", "importtime", *command]
    done = subprocess.run(
        traced, env=environment, check=True, capture_output=True, text=True
    )
    own: dict[str, float] = {}
    for line in done.stderr.splitlines():
        fields = line.removeprefix("import time:").split("|")
        if len(fields) == 3 and fields[0].strip().isdigit():
            name = fields[2].strip()
            group = name.split(".")[0]
            own[group] = own.get(group, 0) + int(fields[0]) / 1000
    for group, spent in sorted(own.items(), key=lambda item: -item[1])[:12]:
        print(f"| import {group} | {spent:.1f} |")


def main() -> int:
    folder = Path(tempfile.mkdtemp(prefix="lamina-profile.", dir="/var/tmp"))
    try:
        engine = lamina(str(folder / "store"))
        make_bases((engine,), folder, _any_tar(folder))
        project = folder / "project"
        project.mkdir()
        lines = "".join(f"RUN echo {n} > /f{n}\n" for n in range(STEPS))
        (project / "Dockerfile").write_text(f"FROM localhost/bench/busybox\n{lines}")
        profile_steps(str(folder / "store"), project)
        program = os.path.join(os.path.dirname(sys.executable), "lamina")
        store = str(folder / "store")
        profile_cached([program, "--root", store, "build", "-q", str(project)])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _any_tar(folder: Path) -> Path:
    """A tar to stand for the Debian root, which is not used here."""
    target = folder / "empty.tar"
    shell(f"tar c -f {target} -C {folder} --files-from /dev/null")
    return target


if __name__ == "__main__":
    sys.exit(main())
