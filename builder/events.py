"""What happens during a build, told through one `emit` callable.

Data goes down the walk; only these go sideways. Whoever listens (console, JSON, a
test's list) may be called from several threads.
"""

from __future__ import annotations

from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


@value
class Planned:
    """The graph is known: how many steps of the recipe the target needs."""

    steps: int


@value
class Note:
    """Something worth a line: the epoch, a warning, what a base is made of."""

    text: str


@value
class StepStarted:
    step: int
    name: str


@value
class StepOutput:
    """Bytes that a step wrote to its stdout or stderr, as they came."""

    step: int
    data: bytes


@value
class StepCached:
    step: int
    name: str


@value
class StepDone:
    """`changed` is false when the result was byte for byte what was there before."""

    step: int
    name: str
    seconds: float
    changed: bool


@value
class StepFailed:
    step: int
    name: str
    seconds: float


Event = Planned | Note | StepStarted | StepOutput | StepCached | StepDone | StepFailed

if TYPE_CHECKING:
    Emit = Callable[[Event], None]


def silent(_event: Event) -> None:
    """Listen to nothing."""
