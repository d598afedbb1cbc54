"""`lamina log`: the builds that were made here, and all that their steps wrote."""

from __future__ import annotations

import json
import os
import sys
import time

from lamina.cli.formats.tables import ago, print_table
from lamina.errors import LaminaError
from lamina.oci.files.writing import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from lamina.builder.traces.trace import StepTrace, Trace
    from lamina.cli.settings import Settings

_INTERVAL = 0.1
_LAST = "last"


class LogUsage(LaminaError):
    """Arguments that do not go together."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `log`."""
    parser = commands.add_parser(
        "log",
        help="Show builds, and what their steps wrote",
        description="Without arguments, list the builds that are kept. With a build "
        "(its ID, some of it, or `last`), show what its steps wrote, whole; with a "
        "step (its number, or a part of its name), that of one.",
    )
    flag = parser.add_argument
    flag("build", nargs="?", default="", metavar="BUILD")
    flag("step", nargs="?", default="", metavar="STEP")
    flag("-f", "--follow", action="store_true", help="go on until the build has ended")
    flag("--json", action="store_true", help="one object for each build or step")
    parser.set_defaults(call=run)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the list, or the logs, as they were written, to stdout."""
    from lamina.builder.traces.trace import find_step, read_trace, traces

    if not arguments.build and not arguments.follow:
        _list(traces(settings.root), as_json=arguments.json)
        return 0
    wanted = "" if arguments.build == _LAST else arguments.build
    trace = read_trace(settings.root, wanted)
    if arguments.follow:
        if arguments.json:
            raise LogUsage("--follow and --json do not go together.")
        _follow(settings.root, trace, arguments.step)
        return 0
    steps = tuple(step for step in trace.steps if step.outcome != "base")
    if arguments.step:
        steps = (find_step(trace, arguments.step),)
    if arguments.json:
        for step in steps:
            print(json.dumps(_object(step)))
    elif arguments.step:
        _copy(steps[0].log)
    else:
        for step in steps:
            _write(f"{_heading(step)}\n".encode())
            _copy(step.log, newline=True)
        _write(f"{_ending(trace)}\n".encode())
    return 0


def _list(found: tuple[Trace, ...], *, as_json: bool) -> None:
    if as_json:
        for trace in found:
            fields = {**trace.__dict__, "steps": len(trace.steps)}
            del fields["ignore"]
            print(json.dumps(fields))
        return
    rows = [
        (
            trace.id,
            ago(trace.started),
            trace.recipe,
            trace.target,
            trace.outcome,
            _took(trace),
        )
        for trace in found
    ]
    print_table(("BUILD", "STARTED", "RECIPE", "TARGET", "OUTCOME", "SECONDS"), rows)


def _object(step: StepTrace) -> dict[str, Any]:
    text = b""
    if step.log:
        with open(step.log, "rb") as file:
            text = file.read()
    fields = {k: v for k, v in step.__dict__.items() if k != "run"}
    return {**fields, "log": text.decode(errors="replace")}


def _heading(step: StepTrace) -> str:
    outcome = step.outcome or "not reached"
    took = f", {step.seconds:.1f} s" if step.seconds else ""
    return f"#{step.index} {step.name} ({outcome}{took})"


def _ending(trace: Trace) -> str:
    return f"build {trace.id}: {trace.outcome} after {_took(trace)} s"


def _took(trace: Trace) -> str:
    """The seconds; one that was killed could not write down its last ones."""
    more = " or more" if trace.outcome == "killed" else ""
    return f"{trace.seconds:.1f}{more}"


def _copy(path: str, start: int = 0, *, newline: bool = False) -> int:
    """What a log has from there on, to stdout; where it ended."""
    if not path:
        return start
    try:
        file = open(path, "rb")  # noqa: SIM115 (closed below)
    except FileNotFoundError:
        return start
    with file:
        file.seek(start)
        last = b"\n"
        while data := file.read(1 << 16):
            _write(data)
            last = data[-1:]
            start += len(data)
    if newline and last != b"\n":
        _write(b"\n")
    return start


def _write(data: bytes) -> None:
    """As it is: a log is bytes. Raises BrokenPipeError when the pager has gone."""
    sys.stdout.flush()
    write_all(1, data)


def _follow(root: str, trace: Trace, wanted: str) -> None:
    """What steps write as they do, each under its name when another one speaks."""
    from lamina.builder.traces.trace import find_step, read_trace

    only = find_step(trace, wanted).index if wanted else -1
    shown: dict[int, int] = {}
    speaker = -1
    while True:
        trace = read_trace(root, trace.id)
        for step in trace.steps:
            if step.outcome in ("", "base", "cached") or only not in (-1, step.index):
                continue
            before = shown.get(step.index, 0)
            if only < 0 and step.log and speaker != step.index:
                if os.path.getsize(step.log) == before:
                    continue
                _write(f"#{step.index} {step.name}\n".encode())
                speaker = step.index
            shown[step.index] = _copy(step.log, before)
        if trace.outcome != "running":
            break
        time.sleep(_INTERVAL)
    if only < 0:
        _write(f"{_ending(trace)}\n".encode())
