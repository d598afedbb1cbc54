"""What a launch costs, part by part: `python tests/benchmarks/launch_profile.py`.

    launch_profile.py [--layers N] [--runs N] [--cold] [--pause SECONDS]

Median and minimum in milliseconds over launches of busybox `true` with Docker's
default isolation. `--cold`: no child is waiting; `--pause`: the time between two,
as a builder that commits has it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from lamina.runtime.isolation.sandbox import Sandbox
from lamina.runtime.isolation.seccomp import compile_profile, default_profile
from lamina.runtime.isolation.snapshot import Snapshot
from lamina.runtime.isolation.zygote import Options, Zygote
from lamina.runtime.spec import DEFAULT_CAPABILITIES, Process, Spec
from tests.runtime.launches import Bench, make_root

# The parts that a child which waits has behind it when the request comes.
_AHEAD = ("names", "proc, dev, sys", "bounding set")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--pause", type=float, default=0.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        place = Path(name)
        lowers = [str(make_root(place / "root"))]
        for number in range(arguments.layers - 1):
            (place / f"layer{number}").mkdir()
            lowers.insert(0, str(place / f"layer{number}"))
        begin = time.monotonic()
        options = Options(keep=(name,), warm=not arguments.cold)
        with Zygote.start(options) as zygote:
            bench = Bench(place, Path(lowers[-1]), zygote)
            measure(bench, tuple(lowers), arguments, begin)


def measure(
    bench: Bench,
    lowers: tuple[str, ...],
    arguments: argparse.Namespace,
    begin: float,
) -> None:
    bpf = compile_profile(default_profile(), DEFAULT_CAPABILITIES)
    spec = Spec(Process(("true",), env=("PATH=/bin",)), hostname="build")
    parts: dict[str, list[float]] = {}
    for number in range(arguments.runs + 1):
        empty = bench.snapshot()
        snapshot = Snapshot(lowers, empty.upper, empty.work)
        asked = time.monotonic_ns()
        with bench.zygote.launch(spec, snapshot, bpf=bpf) as sandbox:
            started = time.monotonic_ns()
            assert sandbox.wait().code == 0
            ended = time.monotonic_ns()
            if number:
                note(parts, sandbox, asked, started, ended)
            else:
                print(
                    f"zygote and first launch  {1000 * (time.monotonic() - begin):6.1f}"
                )
        time.sleep(arguments.pause)
    print(f"{'':24} median    min")
    for name, times in parts.items():
        print(f"{name:24} {statistics.median(times):6.2f} {min(times):6.2f}")


def note(
    parts: dict[str, list[float]], sandbox: Sandbox, asked: int, *times: int
) -> None:
    last = asked
    for name, at in sandbox.marks:
        if name not in _AHEAD or at > asked:
            parts.setdefault(name, []).append(max(0, at - last) / 1e6)
            last = max(at, last)
    for name, at in zip(("execve, answer", "run, end, answer"), times, strict=True):
        parts.setdefault(name, []).append((at - last) / 1e6)
        last = at
    parts.setdefault("total", []).append((last - asked) / 1e6)


if __name__ == "__main__":
    main()
