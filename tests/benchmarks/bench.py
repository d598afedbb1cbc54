"""`make bench`: Lamina beside its peers, on the same work, in turn.

    make bench ARGS="--rounds 5 --only run50,cached50 --write docs/benchmarks.md"

Every workload goes round the engines (A B C A B C ...), so that a change of the
machine's speed meets all alike. The figure is the median; a ratio is the median of
the rounds' ratios. Where a peer can't run here, that is said and Lamina runs alone.
"""

from __future__ import annotations

import argparse
import compileall
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lamina.values import replace, value
from tests.benchmarks.containers import CONTAINERS
from tests.benchmarks.engines import (
    CRUN,
    SKOPEO,
    Engine,
    lamina,
    peers,
    shell,
    timed,
)
from tests.benchmarks.saves import Saves
from tests.benchmarks.transfers import CopyIn, CopyOut, Load, Pull, PullOne, Push
from tests.benchmarks.workloads import WORKLOADS, Workload, make_bases

ALL: dict[str, type[Workload]] = {
    **WORKLOADS,
    **CONTAINERS,
    "load": Load,
    "saves": Saves,
    "pull": Pull,
    "pull-one": PullOne,
    "push": Push,
    "copy-in": CopyIn,
    "copy-out": CopyOut,
}


PROJECT = Path(__file__).parents[2]


@value
class Row:
    """A workload's seconds by engine, a number a round; or why one has none. `memory`
    is the most (KiB) that a process of Lamina's had."""

    name: str
    title: str
    goal: str
    seconds: dict[str, list[float]]
    failures: dict[str, str]
    memory: list[int]


def main() -> int:
    arguments = _arguments()
    _compile()
    there, reasons = peers()
    folder = Path(tempfile.mkdtemp(prefix="lamina-bench.", dir=arguments.folder))
    try:
        engines = (lamina(str(folder / "store")), *there)
        for reason in reasons:
            print(f"not measured: {reason}", flush=True)
        make_bases(engines, folder, _debian(arguments.debian, folder))
        if shutil.which("skopeo"):
            engines = (*engines, SKOPEO)
        if shutil.which("crun"):
            engines = (*engines, CRUN)
        chosen = arguments.only.split(",") if arguments.only else list(ALL)
        rows = []
        for name in chosen:
            rows.append(measure(name, engines, folder, arguments.rounds))
            print(table(rows[-1:], engines, head=len(rows) == 1), flush=True)
        if arguments.write:
            write(Path(arguments.write), rows, engines, arguments.rounds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _compile() -> None:
    """What is installed is compiled; a checkout need not be."""
    for name in ("lang", "oci", "runtime", "builder", "lamina"):
        compileall.compile_dir(str(PROJECT / name), quiet=2)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help=f"some of {', '.join(ALL)}")
    parser.add_argument("--write", metavar="FILE", help="keep the table in FILE")
    parser.add_argument("--folder", default="/var/tmp", help="where to work")
    parser.add_argument("--debian", help="a Debian root as a tar (default: made)")
    return parser.parse_args()


def _debian(given: str | None, folder: Path) -> Path:
    if given:
        return Path(given)
    target = folder / "debian-root.tar"
    shell(
        "SOURCE_DATE_EPOCH=1 mmdebstrap -q --variant=minbase "
        f"--include=ca-certificates bookworm {target}"
    )
    return target


def measure(name: str, engines: tuple[Engine, ...], folder: Path, rounds: int) -> Row:
    """Run one workload in turn on every engine, once to warm up and `rounds` times."""
    place = folder / name
    place.mkdir()
    work = ALL[name](place)
    row = Row(name, work.title, work.goal, {e.name: [] for e in engines}, {}, [])
    engines = tuple(engine for engine in engines if engine.name in work.engines)
    work.make()
    for turn in range(rounds + 1):
        for engine in engines:
            if engine.name not in row.failures:
                _round(work, engine, turn, row)
    for engine in engines:
        work.after(engine)
    # Its folder stays until all is measured: see docs/benchmarks.md.
    return replace(row, title=f"{row.title}, {work.note}") if work.note else row


def _round(work: Workload, engine: Engine, turn: int, row: Row) -> None:
    try:
        work.before(engine, turn)
        # What was made for it, or by the one before, is on its way to the disk.
        if work.syncs:
            os.sync()
        command = work.command(engine, turn)
        took, memory = timed(command)
    except RuntimeError as error:
        row.failures[engine.name] = str(error).strip().splitlines()[-1][:100]
        return
    if engine.name == "lamina":
        row.memory.append(memory)
    if turn:
        row.seconds[engine.name].append(took)


def table(rows: list[Row], engines: tuple[Engine, ...], *, head: bool = True) -> str:
    """The rows as Markdown."""
    names = [engine.name for engine in engines]
    ratios = [f"lamina/{name}" for name in names if name != "lamina"]
    lines = []
    if head:
        titles = ["work", *names, *ratios, "goal", "memory"]
        lines += [_line(titles), _line(["---"] * len(titles))]
    for row in rows:
        cells = [row.title]
        cells += [_seconds(row, name) for name in names]
        cells += [_ratio(row, name) for name in names if name != "lamina"]
        memory = f"{max(row.memory) / 1024:.0f} MB" if row.memory else "-"
        lines.append(_line([*cells, row.goal, memory]))
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _seconds(row: Row, name: str) -> str:
    if name in row.failures:
        return "failed"
    taken = row.seconds[name]
    return f"{statistics.median(taken):.3f} s" if taken else "-"


def _ratio(row: Row, name: str) -> str:
    ours, theirs = row.seconds["lamina"], row.seconds[name]
    if not ours or len(ours) != len(theirs):
        return "-"
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    return f"{ratio:.3f}" + (f" (1/{1 / ratio:.1f})" if ratio < 1 else "")


def write(
    path: Path, rows: list[Row], engines: tuple[Engine, ...], rounds: int
) -> None:
    """Keep the table, with the day and the machine, below the mark in `path`."""
    mark = "<!-- measured -->"
    old = path.read_text() if path.exists() else f"# Benchmarks\n\n{mark}\n"
    failed = [f"- {r.title}: {n}: {x}" for r in rows for n, x in r.failures.items()]
    text = "\n".join(
        [
            old.partition(mark)[0] + mark,
            "",
            f"{time.strftime('%Y-%m-%d', time.gmtime())}, {_machine()}; "
            f"medians of {rounds} rounds.",
            "",
            table(rows, engines),
            "",
            *failed,
            *([""] if failed else []),
        ]
    )
    path.write_text(text)


def _machine() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [
            line.partition(":")[2].strip()
            for line in file
            if line.startswith("model name")
        ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    versions = [f"Python {platform.python_version()}"]
    for command in (("/usr/bin/docker", "--version"), ("buildah", "--version")):
        if shutil.which(command[0]):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            versions.append(done.stdout.strip())
    cores = f"{len(models)} x {models[0] if models else platform.machine()}"
    return f"{cores}, {memory + 1} GiB, Linux {platform.release()}; " + ", ".join(
        versions
    )


if __name__ == "__main__":
    sys.exit(main())
