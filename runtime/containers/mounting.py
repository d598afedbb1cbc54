"""What a container's root is made of, and what is bound into it, as descriptors."""

from __future__ import annotations

import os

from lamina.runtime.containers import state, volumes
from lamina.runtime.containers.joining import shares_memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    import contextlib
    from collections.abc import Iterator

    from lamina.oci.store.store import Store
    from lamina.runtime.containers.state import Container
    from lamina.runtime.isolation.snapshot import Snapshot
    from lamina.runtime.volumes.driver import FileSystem
    from lamina.runtime.volumes.stored import StoredVolume


class Mounting:
    """For one start; `stack` closes what is opened. The files in /etc are those of the
    container in `names_of`."""

    def __init__(
        self,
        store: Store,
        container: Container,
        place: str,
        stack: contextlib.ExitStack,
        names_of: str = "",
    ) -> None:
        self._store = store
        self._container = container
        self._place = place
        self._names_of = names_of or place
        self._stack = stack
        # Volumes in memory, which others may share: mounts by the volumes' names.
        self.lendable: dict[str, int] = {}

    def snapshot(self) -> Snapshot:
        """The container's root: its image, and what it changes."""
        from lamina.runtime.isolation.snapshot import Snapshot

        work = f"{self._place}/work"
        # A container that can be looked at afterwards has to be on the disk by then.
        volatile = self._container.options.remove
        if volatile and os.path.isdir(os.path.join(work, "work", "incompat")):
            # One that was started before: overlayfs takes no such folder twice.
            from lamina.oci.files.removal import remove_tree

            remove_tree(work)
            os.mkdir(work, 0o700)
        return Snapshot(self._lowers(), f"{self._place}/upper", work, volatile)

    def sources(
        self, found: tuple[volumes.Volume, ...], etc: tuple[str, ...], memory: int = -1
    ) -> tuple[int, ...]:
        """What is bound, in the order of the spec: files in /etc, /dev/shm where it is
        shared (`memory` is that of another container), then volumes."""
        flags = os.O_PATH | os.O_CLOEXEC
        sources = [self._kept(os.open(f"{self._names_of}/{n}", flags)) for n in etc]
        if memory >= 0:
            sources.append(memory)
        elif shares_memory(self._container.options):
            sources.append(self._kept(os.open("/dev/shm", flags)))
        for volume in self._named(found):
            if volume.kind == volumes.BIND:
                sources.append(self._kept(volumes.open_bind(volume)))
            elif volume.kind == volumes.VOLUME:
                sources.append(self._open_volume(volume))
        return tuple(sources)

    def _kept(self, fd: int) -> int:
        self._stack.callback(os.close, fd)
        return fd

    def _open_volume(self, wanted: volumes.Volume) -> int:
        """The directory of a volume, or a mount of the file system that it is."""
        from lamina.runtime.containers import volume_users
        from lamina.runtime.volumes import driver, filling

        root = self._store.root
        found = volume_users.stored_volume(root, wanted)
        made = driver.file_system(found.options)
        if made is None:
            source = self._kept(driver.open_directory(found))
        else:
            source = self._kept(self._mounted(found, made))
            if driver.is_memory(found.options):
                self.lendable[found.name] = source
        if wanted.copy and self._is_new():
            filling.fill(found, source, wanted.destination, self._image)
        if wanted.subpath:
            return self._kept(volume_users.open_below(source, wanted))
        return source

    def _mounted(self, found: StoredVolume, made: FileSystem) -> int:
        """What is in memory is shared with the containers that have it already."""
        from lamina.runtime.containers import volume_users
        from lamina.runtime.volumes import driver

        if driver.is_memory(found.options):
            lent = volume_users.lent(self._store.root, self._container.id, found.name)
            if lent >= 0:
                return lent
        return driver.mount(found, made)

    def _is_new(self) -> bool:
        """Whether it was never started: later its volumes are as it left them."""
        return not state.load_state(self._store.root, self._container.id).started

    def _image(self) -> int:
        from lamina.runtime.isolation import snapshot

        return snapshot.mount(self._lowers())

    def attachable(self) -> Iterator[tuple[volumes.Volume, int]]:
        """What is bound into it, outer before inner, and the descriptors of that."""
        asked = volumes.of_container(self._container.options, self._container.config)
        for volume in self._named(asked):
            if volume.kind == volumes.BIND:
                yield volume, self._kept(volumes.open_bind(volume))
            elif volume.kind == volumes.VOLUME:
                yield volume, self._open_volume(volume)

    def _named(self, found: tuple[volumes.Volume, ...]) -> tuple[volumes.Volume, ...]:
        return volumes.name_volumes(self._place, found)

    def _lowers(self) -> tuple[str, ...]:
        """The image's layers as overlay wants them: the topmost first."""
        from lamina.runtime.isolation.stubs import stub_layer

        layers = reversed(self._container.layers)
        return (*map(self._store.layer_path, layers), stub_layer(self._store.root))
