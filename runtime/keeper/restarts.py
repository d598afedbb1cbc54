"""Whether and when a container that has ended is started again.

Docker's rules (moby, restartmanager): the pause doubles from 100 ms up to a minute,
and begins anew after a run of ten seconds.
"""

from __future__ import annotations

from lamina.values import replace, value

NO, ALWAYS, UNLESS_STOPPED, ON_FAILURE = (
    "no",
    "always",
    "unless-stopped",
    "on-failure",
)
_FIRST, _LONGEST = 0.1, 60.0
_LONG_ENOUGH = 10.0


@value
class Policy:
    """`name` as `--restart` has it; `most` restarts on failure, 0: any number."""

    name: str = NO
    most: int = 0


@value
class Restarts:
    """How often a container was restarted, and the last pause (s)."""

    count: int = 0
    pause: float = 0.0

    def after(self, policy: Policy, code: int, ran: float) -> Restarts | None:
        """The next restart, or None; `code` ended a run of so many seconds."""
        if not _again(policy, code, self.count):
            return None
        fresh = ran >= _LONG_ENOUGH or not self.pause
        pause = _FIRST if fresh else min(2 * self.pause, _LONGEST)
        return replace(self, count=self.count + 1, pause=pause)


def _again(policy: Policy, code: int, count: int) -> bool:
    if policy.name == ON_FAILURE:
        return code != 0 and (not policy.most or count < policy.most)
    return policy.name in (ALWAYS, UNLESS_STOPPED)
