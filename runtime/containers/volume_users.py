"""Which containers have which volumes, and what `--volumes-from` takes over."""

from __future__ import annotations

import contextlib
import os

from lamina.runtime import syscalls
from lamina.runtime.containers import state, volumes
from lamina.runtime.errors import ContainerError
from lamina.runtime.volumes import driver, stored
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.oci.store.store import Store
    from lamina.runtime.containers.options import Options
    from lamina.runtime.containers.state import Container
    from lamina.runtime.containers.volumes import Volume
    from lamina.runtime.volumes.stored import StoredVolume


def mounted(root: str, container: Container) -> tuple[Volume, ...]:
    """What a container mounts, its own volumes with the names that they got."""
    own = volumes.own_volumes(state.directory(root, container.id))
    return tuple(
        replace(volume, source=own.get(volume.destination, ""))
        if volume.kind == volumes.VOLUME and not volume.source
        else volume
        for volume in volumes.of_container(container.options, container.config)
    )


def listed(root: str, container: Container) -> tuple[Volume, ...]:
    """The same without those of `--tmpfs`, which docker's lists of mounts lack."""
    memory = {volumes.parse_tmpfs(text).destination for text in container.options.tmpfs}
    return tuple(
        volume
        for volume in mounted(root, container)
        if volume.kind != volumes.TMPFS or volume.destination not in memory
    )


def volume_names(root: str, container: Container) -> set[str]:
    """The volumes that a container has, whether or not it runs."""
    found = mounted(root, container)
    return {v.source for v in found if v.kind == volumes.VOLUME and v.source}


def users(root: str) -> dict[str, list[Container]]:
    """The containers that have each volume, whether or not they run."""
    found: dict[str, list[Container]] = {}
    for container, _ in state.containers(root):
        for name in volume_names(root, container):
            found.setdefault(name, []).append(container)
    return found


def stored_volume(root: str, wanted: Volume) -> StoredVolume:
    """The volume that a mount is of, made when it is not there."""
    try:
        return stored.load(root, wanted.source)
    except stored.NoSuchVolume:
        options = dict(text.partition("=")[::2] for text in wanted.options)
        driver.check(options)
        labels = dict(text.partition("=")[::2] for text in wanted.labels)
        nameless = stored.is_anonymous(wanted.source)
        return stored.create(root, wanted.source, labels, options, nameless)


def open_below(source: int, wanted: Volume) -> int:
    """A directory or file of a volume, through no link that leads out of it."""
    flags = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_MAGICLINKS
    try:
        return syscalls.openat2(wanted.subpath, os.O_PATH, flags, source)
    except OSError as error:
        raise ContainerError(
            f"The volume {wanted.source} has no {wanted.subpath}: {error.strerror}."
        ) from error


def lent(root: str, identity: str, name: str) -> int:
    """The mount of a volume in memory that another running container has; else -1."""
    from lamina.runtime.keeper.lending import VOLUME, borrow

    for container in users(root).get(name, []):
        if container.id != identity and state.see(root, container.id).is_running:
            with contextlib.suppress(ContainerError):
                place = state.directory(root, container.id)
                return borrow(place, (VOLUME + name,))[0]
    return -1


def make_named(root: str, place: str, wanted: tuple[Volume, ...]) -> None:
    """Make the volumes of a new container, whose directory is `place`."""
    for volume in volumes.name_volumes(place, wanted):
        if volume.kind == volumes.VOLUME:
            stored_volume(root, volume)


def remove_volume(store: Store, name: str) -> None:
    """Remove a volume; raises VolumeError when there is none, or a container has it."""
    with state.locked(store.root):
        stored.load(store.root, name)
        having = users(store.root).get(name, [])
        if having:
            who = ", ".join(container.short for container in having)
            raise stored.VolumeError(
                f"The volume {name} is in use by {who}.",
                hint="Remove those containers first: `lamina rm`.",
            )
        stored.remove(store, name)


def inheriting(root: str, options: Options) -> Options:
    """With what `--volumes-from` comes to; raises ContainerError.

    The other's volumes stay when it is removed: this one has them, too.
    """
    found: dict[str, str] = {}
    sources = []
    for text in options.volumes_from:
        name, _, mode = text.partition(":")
        if mode not in ("", "ro", "rw"):
            raise ContainerError(
                f"Invalid mode {mode!r} of `--volumes-from {text}`.", hint="ro or rw."
            )
        other = state.load_container(root, state.find(root, name))
        sources.append(f"{other.id}:{mode}" if mode else other.id)
        own = volumes.own_volumes(state.directory(root, other.id)).values()
        for volume in mounted(root, other):
            if volume.kind == volumes.TMPFS:
                continue
            if volume.source in own:
                stored.share(root, volume.source)
            taken = replace(volume, read_only=volume.read_only or mode == "ro")
            found[volume.destination] = volumes.mount_text(replace(taken, copy=False))
    inherited = tuple(found.values())
    return replace(options, volumes_from=tuple(sources), inherited=inherited)
