"""What happens during a build, told through one `emit` callable.

Data goes down the walk; only these go sideways. Whoever listens (console, JSON, a
test's list) may be called from several threads.
"""

from __future__ import annotations

from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.lang.source import Span


@value
class Planned:
    """The graph is known: how many steps of the recipe the target needs."""

    steps: int


@value
class StepPlanned:
    """A vertex of the graph: the steps it waits for, its place in the recipe, and
    whether it is a base, of which nothing else will be told."""

    step: int
    name: str
    inputs: tuple[int, ...]
    span: Span | None = None
    base: bool = False


@value
class Note:
    """Something worth a line: the epoch, a warning, what a base is made of."""

    text: str

    @property
    def warns(self) -> bool:
        """Whether it is a `warning`."""
        return self.text.startswith(_WARNING)


def warning(text: str) -> Note:
    """A note of what may not be as it was meant."""
    return Note(_WARNING + text)


_WARNING = "warning: "


@value
class StepStarted:
    """`key` is the step's cache key."""

    step: int
    name: str
    key: str = ""


@value
class StepOutput:
    """Bytes that a step wrote to its stdout or stderr, as they came."""

    step: int
    data: bytes


@value
class StepCached:
    """`key` is the step's cache key, `layers` what it added (contents); `source` the
    cache of another machine that knew it, "" for this one's.

    After StepStarted: another build made it meanwhile.
    """

    step: int
    name: str
    key: str = ""
    layers: tuple[str, ...] = ()
    source: str = ""


@value
class StepMissed:
    """The cache has no result for a step: what differs from the nearest earlier key.

    Told before StepStarted, and only where the build explains itself; without reasons
    nothing like this step ran before.
    """

    step: int
    name: str
    reasons: tuple[str, ...]


@value
class StepDone:
    """`changed` is false when the result was byte for byte what was there before;
    `layers` is what the step added (contents)."""

    step: int
    name: str
    seconds: float
    changed: bool
    layers: tuple[str, ...] = ()


@value
class StepFailed:
    step: int
    name: str
    seconds: float


@value
class StepCancelled:
    """A step that was stopped, for another one failed or the user had enough."""

    step: int
    name: str
    seconds: float


@value
class Transfer:
    """Bytes on their way: a context, a download, an archive that is written.

    `what` is what people read, and names the transfer; `total` is 0 while nobody
    knows it. It ends with an event in which `done` is `total`, and which does not say
    that it `waits` for its first byte.
    """

    what: str
    done: int
    total: int
    waits: bool = False

    @property
    def is_over(self) -> bool:
        """Whether that was all of it."""
        if self.waits or (self.done and not self.total):
            return False
        return self.done >= self.total


@value
class ImageBuilt:
    """An image is in the store: its stage, its ID, the bytes of its layers."""

    name: str
    id: str
    bytes: int


@value
class CacheWritten:
    """A cache for other machines was written: where, how many steps and layers it has,
    and how many bytes were new there."""

    place: str
    steps: int
    layers: int
    sent: int


Event = (
    Planned
    | Note
    | StepPlanned
    | StepMissed
    | StepStarted
    | StepOutput
    | StepCached
    | StepDone
    | StepFailed
    | StepCancelled
    | Transfer
    | ImageBuilt
    | CacheWritten
)

if TYPE_CHECKING:
    Emit = Callable[[Event], None]


def silent(_event: Event) -> None:
    """Listen to nothing."""
