"""Removing images: a name, or the image when it has no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.errors import LaminaError
from lamina.oci.errors import InUse
from lamina.oci.reference import Reference, parse_reference
from lamina.oci.store.image_index import delete_index, indexes_of, members

if TYPE_CHECKING:
    from lamina.oci.digest import Digest
    from lamina.oci.store.store import Store


def remove_image(
    store: Store, name: str, identity: Digest, force: bool = False
) -> tuple[list[Reference], Digest | None]:
    """Take names, and the image with its last one; what was taken. Raises InUse."""
    here = store.references()
    names = sorted(text for text, image in here.items() if image == identity)
    inside = {member.id for member in members(store, identity)}
    running, stopped = _users(store, inside or {identity})
    reference = _as_name(name, here)
    if reference is not None:
        if len(names) == 1 and (running or stopped) and not force:
            raise InUse(
                f"The container {(running + stopped)[0][:12]} uses the image of "
                f"{reference.familiar()}.",
                hint="Remove the container first, or use -f to take the name.",
            )
        store.untag(reference)
        # An image that is one of several platforms goes with them.
        if len(names) > 1 or running or indexes_of(store, identity):
            return [reference], None
        _delete(store, identity, inside)
        return [reference], identity
    _refuse_by_id(identity, names, running, stopped, force)
    _refuse_member(store, identity)
    _delete(store, identity, inside)
    return [parse_reference(text) for text in names], identity


def _delete(store: Store, identity: Digest, inside: set[Digest]) -> None:
    if inside:
        delete_index(store, identity)
    else:
        store.delete_image(identity)


def _refuse_member(store: Store, identity: Digest) -> None:
    for index in indexes_of(store, identity):
        raise InUse(
            f"The image {identity.short} is one of {index.short}, an image for "
            "several platforms.",
            hint=f"Remove that: lamina rmi {index.short}",
        )


def _refuse_by_id(
    identity: Digest,
    names: list[str],
    running: list[str],
    stopped: list[str],
    force: bool,
) -> None:
    if running:
        raise InUse(
            f"The running container {running[0][:12]} uses the image {identity.short}.",
            hint=f"Stop and remove it first: lamina rm -f {running[0][:12]}",
        )
    if stopped and not force:
        raise InUse(
            f"The stopped container {stopped[0][:12]} uses the image {identity.short}.",
            hint="Remove the container first, or use -f: it keeps its files.",
        )
    if len(names) > 1 and not force:
        shown = ", ".join(parse_reference(name).familiar() for name in names)
        raise InUse(
            f"The image {identity.short} has several names: {shown}.",
            hint="Remove them one by one, or use -f to remove all.",
        )


def _as_name(name: str, here: dict[str, Digest]) -> Reference | None:
    """`name` as the reference that it is in the store, not as an ID."""
    try:
        reference = parse_reference(name)
    except LaminaError:
        return None
    return reference if str(reference) in here else None


def _users(store: Store, images: set[Digest]) -> tuple[list[str], list[str]]:
    """The running and the stopped containers made from one of `images`."""
    from lamina.runtime.containers.state import containers

    running: list[str] = []
    stopped: list[str] = []
    for container, state in containers(store.root):
        if container.image in images:
            (running if state.is_running else stopped).append(container.id)
    return running, stopped
