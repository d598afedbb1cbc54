"""A container that was made before is started, by a keeper that it is given."""

from __future__ import annotations

from lamina.runtime.containers.keepers import start_keeper
from lamina.runtime.containers.starting import Start
from lamina.runtime.isolation.userns import require_namespaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.oci.store.store import Store
    from lamina.runtime.containers.attached import Attached
    from lamina.runtime.containers.console import Console
    from lamina.runtime.containers.state import Container


def started(
    store: Store, container: Container, console: Console | None = None
) -> tuple[Attached, str]:
    """The container, which lives on when this process ends, watched by `console`; and
    what could not be limited, or "".

    Raises ContainerError, AlreadyStarted when it runs.
    """
    require_namespaces()
    options = container.options
    zygote = start_keeper(store.root, options.network, options.pid, options.runtime)
    try:
        start = Start(store, zygote, container)
        start.claim()
        attached = start.run(console)
    except BaseException:
        zygote.close()
        raise
    return attached, start.warning
