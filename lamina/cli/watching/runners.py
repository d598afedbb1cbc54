"""What becomes of each new image: it serves, is tried, or has our terminal."""

from __future__ import annotations

from lamina.runtime.swap.foreground import Foreground
from lamina.runtime.swap.replica import Listener
from lamina.runtime.swap.serving import Serving
from lamina.runtime.swap.trial import Trials

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.cli.watching.wanted import Wanted
    from lamina.errors import LaminaError
    from lamina.oci.store.store import Store
    from lamina.runtime.containers.state import Container
    from lamina.runtime.swap.replica import Replica

Runner = Serving | Trials | Foreground


def open_runner(
    store: Store,
    wanted: Wanted,
    heard: tuple[
        Callable[[Replica, str, bytes], None],
        Callable[[Replica, int], None],
        Callable[[Replica], None],
    ],
    told: tuple[Callable[[Container, int], None], Callable[[LaminaError], None]],
) -> Runner | None:
    """Who is to run images, None for nobody. `heard` is what a Listener takes, `told`
    what a Foreground does."""
    if wanted.service is None:
        return None
    if wanted.console is not None:
        return Foreground(store, wanted.console, *told)
    service = wanted.service()
    listener = Listener(*heard)
    if wanted.command:
        return Trials(store, service, wanted.command, listener)
    return Serving(store, service, listener)
