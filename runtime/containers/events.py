"""What the store's journal is told of containers by commands; their keepers tell the
rest (runtime/keeper)."""

from __future__ import annotations

from lamina.oci.store import journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.containers.state import Container


def tell(root: str, container: Container, action: str, **more: str) -> None:
    """Note what was done to a container; `more` are attributes beside its own."""
    attributes = {**described(container), **more}
    journal.note(root, "container", action, container.id, attributes)


def described(container: Container) -> dict[str, str]:
    """What an event says of its container: the labels, the image and the name."""
    return {
        **container.config.labels,
        "image": container.image_name,
        "name": container.name,
    }
