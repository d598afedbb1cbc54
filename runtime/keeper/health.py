"""Whether a container is healthy: what its probes say, as a value.

Docker's rules (moby, daemon/health.go): a failure counts once the start period is
over, or once a probe has passed in it; `retries` failures in a row are "unhealthy",
one success is "healthy" again.
"""

from __future__ import annotations

from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STARTING, HEALTHY, UNHEALTHY = "starting", "healthy", "unhealthy"
# So many results are kept, with so many bytes of what the probe wrote.
KEPT = 5
MOST_OUTPUT = 4096


@value
class Check:
    """What to do: a command's arguments, and times in ns.

    `start_interval` is that between probes during the start period.
    """

    args: tuple[str, ...]
    interval: int = 30 * 10**9
    timeout: int = 30 * 10**9
    start_period: int = 0
    start_interval: int = 5 * 10**9
    retries: int = 3


@value
class Result:
    """One probe: Unix times in ns, its exit code (-1: it took too long), its output."""

    start: int
    end: int
    exit_code: int
    output: str


@value
class Health:
    """What the probes of one run of a container have said so far."""

    status: str = STARTING
    failing_streak: int = 0
    results: tuple[Result, ...] = ()

    def described(self) -> dict[str, Any]:
        """As a container's state has it."""
        results = tuple(result.__dict__ for result in self.results)
        return {**self.__dict__, "results": results}

    def after(self, result: Result, check: Check, started: int) -> Health:
        """What it is once `result` is in; `started` is when the container was."""
        results = (*self.results, result)[-KEPT:]
        if result.exit_code == 0:
            return Health(HEALTHY, 0, results)
        early = result.start < started + check.start_period
        if self.status == STARTING and early:
            return replace(self, results=results)
        streak = self.failing_streak + 1
        status = UNHEALTHY if streak >= check.retries else self.status
        return Health(status, streak, results)

    def pause(self, check: Check, now: int, started: int) -> int:
        """How long to wait for the next probe, in ns."""
        starting = self.status == STARTING and now < started + check.start_period
        return check.start_interval if starting else check.interval
