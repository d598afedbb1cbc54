"""When a container that ended is started again."""

from __future__ import annotations

import pytest

from lamina.runtime.keeper.restarts import Policy, Restarts


@pytest.mark.parametrize(
    ("policy", "code", "again"),
    [
        (Policy(), 1, False),
        (Policy("always"), 0, True),
        (Policy("unless-stopped"), 0, True),
        (Policy("on-failure"), 0, False),
        (Policy("on-failure"), 3, True),
    ],
)
def test_policies(policy: Policy, code: int, again: bool) -> None:
    assert (Restarts().after(policy, code, 1) is not None) == again


def test_failures_have_a_limit() -> None:
    policy = Policy("on-failure", 2)
    first = Restarts().after(policy, 1, 0)
    assert first is not None and first.count == 1
    second = first.after(policy, 1, 0)
    assert second is not None and second.after(policy, 1, 0) is None


def test_pauses_double_up_to_a_minute_and_begin_anew_after_a_long_run() -> None:
    policy, found, pauses = Policy("always"), Restarts(), []
    for _ in range(12):
        after = found.after(policy, 1, 0.5)
        assert after is not None
        found = after
        pauses.append(found.pause)
    assert pauses[:4] == [0.1, 0.2, 0.4, 0.8] and pauses[-1] == 60
    after = found.after(policy, 1, 11)
    assert after is not None and after.pause == 0.1 and after.count == 13
