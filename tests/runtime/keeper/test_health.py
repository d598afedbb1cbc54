"""When a container is healthy: Docker's rules."""

from __future__ import annotations

from lamina.runtime.keeper.health import KEPT, Check, Health, Result

SECOND = 10**9
CHECK = Check(("true",), retries=3, start_period=60 * SECOND)


def probed(health: Health, code: int, at: int = 100, check: Check = CHECK) -> Health:
    """`health` after a probe that ended with `code`, `at` seconds after the start."""
    result = Result(at * SECOND, at * SECOND + 1, code, "said")
    return health.after(result, check, 0)


def test_one_success_is_healthy() -> None:
    assert probed(Health(), 0).status == "healthy"
    unhealthy = Health("unhealthy", 7)
    assert probed(unhealthy, 0) == Health("healthy", 0, probed(unhealthy, 0).results)


def test_as_many_failures_in_a_row_as_retries_are_unhealthy() -> None:
    health = Health("healthy")
    for status in ("healthy", "healthy", "unhealthy", "unhealthy"):
        health = probed(health, 1)
        assert health.status == status
    assert health.failing_streak == 4


def test_failures_of_the_start_period_do_not_count() -> None:
    health = Health()
    for _ in range(9):
        health = probed(health, 1, at=30)
    assert (health.status, health.failing_streak) == ("starting", 0)
    # Once it has been healthy they do, though the period is not over.
    health = probed(health, 0, at=31)
    assert probed(health, 1, at=32).failing_streak == 1


def test_the_last_results_are_kept() -> None:
    health = Health()
    for code in range(9):
        health = probed(health, code)
    assert [r.exit_code for r in health.results] == [*range(9)][-KEPT:]


def test_probes_come_faster_while_it_starts() -> None:
    check = Check(("true",), 30, start_period=100, start_interval=5)
    assert Health().pause(check, 50, 0) == 5
    assert Health().pause(check, 150, 0) == 30
    assert Health("healthy").pause(check, 50, 0) == 30
