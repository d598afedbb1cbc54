"""The flags of `lamina build` that are about how steps are carried out."""

from __future__ import annotations

import os

from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

# The smallest the kernel can start a container in, Docker's.
_LEAST_MEMORY = 6 << 20


class ExecutionUsage(LaminaError):
    """A number that is none, or too small."""


def add_execution_flags(parser: argparse.ArgumentParser) -> None:
    """How many steps run at once, with what, and what follows a failure."""
    flag = parser.add_argument
    flag(
        "--jobs",
        type=int,
        metavar="N",
        help="steps side by side (default: 8, or twice the cores)",
    )
    flag("-m", "--memory", metavar="SIZE", help="what each step may use, as in 512m")
    flag("--cpus", metavar="N", help="processors for each step, as in 1.5")
    going = {"dest": "keep_going", "default": False}
    flag("--fail-fast", action="store_false", help=_FAST, **going)  # type: ignore[arg-type]
    flag("--keep-going", action="store_true", help=_GOING, **going)  # type: ignore[arg-type]
    flag("--on-error", choices=("stop", "shell"), default="stop", help=_SHELL)


_FAST = "the first failure ends the build (default)"
_GOING = "after a failure do all that does not stand on it"
_SHELL = "shell: look around where a step failed"


def execution_inputs(arguments: argparse.Namespace) -> dict[str, Any]:
    """The fields of BuildInputs that these flags are; raises ExecutionUsage."""
    # Steps wait for networks and disks more than for cores.
    found: dict[str, Any] = {"jobs": max(8, 2 * (os.cpu_count() or 1))}
    if arguments.jobs is not None:
        found["jobs"] = _jobs(arguments.jobs)
    if arguments.memory:
        from lamina.cli.building.step_flags import size

        found["memory"] = size("--memory", arguments.memory)
        if found["memory"] < _LEAST_MEMORY:
            raise ExecutionUsage(
                f"--memory {arguments.memory} is too little for any step.",
                hint="6m is the least.",
            )
    if arguments.cpus:
        found["cpus"] = _cpus(arguments.cpus)
    if arguments.keep_going:
        found["keep_going"] = True
    return found


def _jobs(number: int) -> int:
    if number < 1:
        raise ExecutionUsage(
            f"--jobs {number} is no number of steps.",
            hint="1 is the least; without it as many run as there are cores.",
        )
    return number


def _cpus(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0
    # Below it the kernel has no quota (1 ms in 100 ms).
    if not 0.01 <= number < 1e6:
        raise ExecutionUsage(
            f"--cpus {text} is no number of processors.", hint="As in --cpus 1.5."
        )
    return number
