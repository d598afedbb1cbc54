"""What happens while one watches, told to whoever shows it, from several threads.

The events of builds (builder/events.py) come in between.
"""

from __future__ import annotations

from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.builder.events import Event as BuildEvent
    from lamina.errors import LaminaError


@value
class Watching:
    """So many folders with all below them, and so many single files, are watched."""

    folders: int
    files: int


@value
class Limited:
    """Not all can be watched: why, and what to do about it."""

    text: str


@value
class Begun:
    """A round begins: its number, the files that were saved (from the context on), and
    whether all is looked at."""

    round: int
    paths: tuple[str, ...]
    everything: bool


@value
class Ended:
    """A round is over.

    `outcome`: "unchanged", "built", "swapped", "passed", "synced", "failed" or
    "cancelled"; `split` are its parts, in ms, in their order: event, hash, layer,
    start, healthy, swap. `image` is what was built, or ""; `code` an exit code.
    """

    round: int
    outcome: str
    image: str = ""
    split: tuple[tuple[str, float], ...] = ()
    code: int = 0

    @property
    def milliseconds(self) -> float:
        return sum(part for _, part in self.split)


@value
class Failed:
    """Why a round failed; whether an earlier container goes on serving."""

    error: LaminaError
    serving: bool


@value
class Synced:
    """So many files were written into the container that serves, in their place."""

    files: int


@value
class Wrote:
    """What a container wrote to "stdout" or "stderr"."""

    stream: str
    data: bytes


@value
class Serves:
    """A container serves: its ID, its name, the published ports."""

    container: str
    name: str
    ports: tuple[str, ...]


@value
class Exited:
    """The container that served has ended by itself."""

    container: str
    code: int


Event = Watching | Limited | Begun | Ended | Failed | Synced | Wrote | Serves | Exited

if TYPE_CHECKING:
    Tell = Callable[[Event | BuildEvent], None]
