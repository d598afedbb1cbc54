"""Results: what rounds made, of which only the newest are kept.

Whoever saves two thousand times has two thousand images. The last ones stay, so that
what is undone is found again; of those before go the image and the layers of steps that
are made again in a moment. What took longer is left to the usual collection.
"""

from __future__ import annotations

import contextlib
import os

from lamina.builder.events import StepDone, StepStarted
from lamina.builder.traces.trace import LOGS, builds_folder
from lamina.oci.garbage.superseded import drop_superseded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.builder.events import Event
    from lamina.oci.digest import Digest
    from lamina.oci.store.store import Store

# So many images stay, and when so many more are there those go.
_KEPT = 32
_MORE = 16
# What took longer (s) to make is worth keeping.
_CHEAP = 1.0


class Results:
    """Listens to builds; `add` what one gave, and `trim` at leisure."""

    def __init__(self, store: Store, kept: int = _KEPT, more: int = _MORE) -> None:
        self._store = store
        self._kept = kept
        self._more = more
        # Each image with the keys of the cheap steps that ran for it, oldest first.
        self._images: dict[Digest, tuple[str, ...]] = {}
        self._keys: dict[int, str] = {}
        self._cheap: list[str] = []

    def hear(self, event: Event) -> None:
        """Take notice of an event of the build that goes on."""
        if isinstance(event, StepStarted):
            self._keys[event.step] = event.key
        elif isinstance(event, StepDone) and event.seconds < _CHEAP:
            self._cheap.append(self._keys.get(event.step, ""))

    def add(self, image: Digest) -> None:
        """The build gave this image."""
        before = self._images.pop(image, ())
        self._images[image] = (*before, *filter(None, self._cheap))
        self._keys.clear()
        self._cheap.clear()

    def trim(self) -> None:
        """Drop the oldest when there are too many; next time, if others build now."""
        number = len(self._images) - self._kept
        if number < self._more:
            return
        gone = dict([*self._images.items()][:number])
        keys = [key for image in gone.values() for key in image]
        if not drop_superseded(self._store, gone, keys):
            return
        for image in gone:
            del self._images[image]
        logs = f"{builds_folder(self._store.root)}/{LOGS}"
        for key in keys:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{logs}/{key.removeprefix('sha256:')}")
