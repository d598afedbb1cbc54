"""Making and starting the containers of services, one by one."""

from __future__ import annotations

from lamina.runtime.containers import container as containers
from lamina.runtime.containers import joining, names, state, volume_users
from lamina.runtime.containers import plan as checks
from lamina.runtime.containers.launching import started
from lamina.runtime.containers.starting import AlreadyStarted
from lamina.runtime.containers.volumes import own_volumes
from lamina.services import mounts, observed
from lamina.services.containers import options_of, overrides_of
from lamina.services.errors import ComposeError, about
from lamina.services.wanted import Wanted

# The length of a name that a volume without one is given.
_NAMELESS = 64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.oci.store.store import Image, Store
    from lamina.runtime.containers.options import Options
    from lamina.runtime.containers.state import Container
    from lamina.services.project import Project

    Change = Callable[[Options], Options]


def make(
    store: Store,
    wanted: Wanted,
    image: Image,
    change: Change = lambda options: options,
    overrides: containers.Overrides | None = None,
) -> Container:
    """The container that is wanted, made and not yet started.

    `change` is what a command says over its options, `overrides` what it says instead
    of those of its keys. Raises ComposeError, ContainerError, NetworkError.
    """
    identity = names.new_id()
    place = state.directory(store.root, identity)
    wanted = Wanted(**{**wanted.__dict__, "place": place})
    project, service = wanted.project, wanted.service

    def find(name: str) -> str:
        return container_of(store, project, name).id

    with about(service.name):
        options = change(options_of(wanted, find))
        options = joining.resolved(store.root, options)
        checks.check(options)
        config = containers.configure(image.config, overrides or overrides_of(wanted))
        made = containers.create(
            store,
            image,
            service.image,
            wanted.name,
            config,
            options,
            identity=identity,
        )
    try:
        mounts.write_grants(wanted)
    except BaseException:
        containers.remove(store, made)
        raise
    state.save_state(store.root, made.id, state.State(state.CREATED))
    return made


def container_of(store: Store, project: Project, name: str) -> Container:
    """A container of a service that is there already; raises ComposeError."""
    for one in observed.all_of(store.root, project.name):
        if one.service == name and not one.once:
            return one.container
    raise ComposeError(f"The service {name!r} has no container.")


def start(store: Store, container: Container) -> str:
    """Start it, to live on by itself; nothing happens to one that runs. What could not
    be limited, or ""."""
    try:
        attached, warning = started(store, container)
    except AlreadyStarted:
        return ""
    attached.close()
    return warning


def volumes_of(store: Store, container: Container) -> dict[str, str]:
    """The volumes without a name that a container has, by where they are in it: those
    it was made with, and those that it took over."""
    found = {
        mount.destination: mount.source
        for mount in volume_users.mounted(store.root, container)
        if mount.kind == "volume" and len(mount.source) == _NAMELESS
    }
    return {**found, **own_volumes(state.directory(store.root, container.id))}
