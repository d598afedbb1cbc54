"""Watching a container to its end, as `run` and `start -a` do."""

from __future__ import annotations

from lamina.runtime.containers.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.oci.store.store import Store
    from lamina.runtime.containers.attached import Attached
    from lamina.runtime.containers.console import Console
    from lamina.runtime.containers.state import Container


def watch(
    store: Store, container: Container, attached: Attached, console: Console
) -> int | None:
    """Move bytes until the container has ended and its keeper has put all in order;
    its exit code, or None once the keys were typed that let it go. Raises
    ContainerError when the keeper was killed."""
    try:
        status = Session(attached, attached.ends, console).run()
    except BaseException:
        from lamina.runtime.containers.container import collect

        collect(store)
        raise
    if status is None:
        return None
    if container.options.remove:
        # The keeper has removed the rest, and has no SQLite.
        store.unpin(f"container:{container.id}")
    return status.code
