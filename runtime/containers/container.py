"""Containers: made, removed, and cleared away when they died unseen.

`create` only writes to disk; starting.py starts what is there. Whoever asks about
containers calls `collect` first, so that what a dead keeper held is given back.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time

from lamina.runtime.containers import events, names, state, volumes
from lamina.runtime.containers.process import merge_env
from lamina.runtime.containers.volumes import own_volumes
from lamina.runtime.errors import ContainerError, NoSuchContainer
from lamina.runtime.keeper import record
from lamina.runtime.owner import Owner
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.oci.config import Healthcheck, ImageConfig
    from lamina.oci.store.store import Image, Store
    from lamina.runtime.containers.options import Options
    from lamina.runtime.containers.state import Container, State

_FOLDERS = ("containers", "names", "live", "volumes")


@value
class Overrides:
    """What `run` says over the image's config; None and () leave it as it is.

    `env` are `NAME=value`, or `NAME` to take a variable of the image away.
    """

    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    env: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    stop_signal: str = ""
    exposed_ports: tuple[str, ...] = ()
    healthcheck: Healthcheck | None = None


def configure(config: ImageConfig, overrides: Overrides) -> ImageConfig:
    """The config of a container of that image (moby, daemon/commit.go, merge).

    Another entrypoint drops the image's command, which was written for its own.
    """
    entrypoint, cmd = config.entrypoint, config.cmd
    if overrides.entrypoint is not None:
        entrypoint, cmd = overrides.entrypoint or None, None
    if overrides.command:
        cmd = overrides.command
    changed = replace(
        config,
        entrypoint=entrypoint,
        cmd=cmd,
        env=merge_env(config.env, overrides.env),
        user=overrides.user or config.user,
        working_dir=overrides.working_dir or config.working_dir,
        stop_signal=overrides.stop_signal or config.stop_signal,
        exposed_ports=_union(config.exposed_ports, overrides.exposed_ports),
    )
    if overrides.healthcheck is not None:
        check = _merged(config.healthcheck, overrides.healthcheck)
        changed = replace(changed, healthcheck=check)
    if overrides.labels:
        changed = replace(changed, labels={**config.labels, **dict(overrides.labels)})
    return changed


def _merged(image: Healthcheck | None, given: Healthcheck) -> Healthcheck:
    """What `given` does not say is as the image has it."""
    if image is None:
        return given
    said = {name: field for name, field in given.__dict__.items() if field}
    return replace(image, **said)


def _union(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))


def arguments_of(config: ImageConfig) -> tuple[str, ...]:
    """The command line of a container; raises ContainerError when it has none."""
    args = (*(config.entrypoint or ()), *(config.cmd or ()))
    if not args:
        raise ContainerError(
            "No command specified.",
            hint="The image has none; name one: `lamina run IMAGE COMMAND`.",
        )
    return args


def create(  # noqa: PLR0913 (each is another noun)
    store: Store,
    image: Image,
    image_name: str,
    name: str,
    config: ImageConfig,
    options: Options,
    *,
    identity: str = "",
) -> Container:
    """A new container, created and not yet started, held by this process.

    `name` is checked; with "" it gets one, and so with `identity` (names.new_id).
    Raises ContainerError on a name in use.
    """
    wanted = names.check(name) if name else ""
    args = arguments_of(config)
    make_places(store.root)
    identity = identity or names.new_id()
    with state.locked(store.root):
        container = state.Container(
            identity,
            _claimed_name(store.root, wanted, identity),
            time.time_ns(),
            image.id,
            image_name,
            image.layers,
            args,
            config,
            options,
        )
        _place(store, container)
    events.tell(store.root, container, "create")
    return container


def make_places(root: str) -> None:
    """The folders of containers in a store."""
    if not os.path.isdir(f"{root}/{_FOLDERS[-1]}"):
        for folder in _FOLDERS:
            os.makedirs(f"{root}/{folder}", mode=0o700, exist_ok=True)


def _claimed_name(root: str, wanted: str, identity: str) -> str:
    if wanted and not state.claim_name(root, wanted, identity):
        owner = state.name_owner(root, wanted)
        raise ContainerError(
            f'The container name "/{wanted}" is already in use by container '
            f'"{owner[:12]}".',
            hint="Remove or rename that container, or choose another name.",
        )
    name, attempt = wanted, 0
    while not name:
        name = names.generate(attempt)
        attempt += 1
        if not state.claim_name(root, name, identity):
            name = ""
    return name


def _place(store: Store, container: Container) -> None:
    """Write a container's directory, which appears whole or not at all.

    What dies here leaves a name that counts as free and a hidden directory.
    """
    root, identity = store.root, container.id
    staging = f"{root}/containers/.{identity}"
    os.mkdir(staging, 0o700)
    os.mkdir(f"{staging}/work", 0o700)
    _make_upper(store, container, f"{staging}/upper")
    store.pin(f"container:{identity}", container.layers)
    state.save_container(staging, container)
    if wanted := volumes.of_container(container.options, container.config):
        from lamina.runtime.containers.volume_users import make_named

        make_named(root, staging, wanted)
    held = state.State(state.CREATED, Owner.of(identity))
    record.mark_held(root, identity)
    state.write_state(staging, held)
    os.rename(staging, state.directory(root, identity))


def _make_upper(store: Store, container: Container, path: str) -> None:
    """An empty changeset; its root is as the image's, which overlay hides by it."""
    os.mkdir(path)
    mode, uid, gid = 0o755, 0, 0
    if container.layers:
        root = os.stat(store.layer_path(container.layers[-1]))
        mode, uid, gid = root.st_mode & 0o7777, root.st_uid, root.st_gid
    os.chmod(path, mode)
    os.chown(path, uid, gid)


def rename(root: str, container: Container, name: str) -> None:
    """Give a container another name; raises ContainerError when that is in use."""
    wanted = names.check(name)
    with state.locked(root):
        current = state.load_container(root, container.id)
        if wanted == current.name:
            raise _refused(
                "Renaming a container with the same name as its current name."
            )
        if not state.claim_name(root, wanted, container.id):
            owner = state.name_owner(root, wanted)
            raise _refused(
                f'The container name "/{wanted}" is already in use by container '
                f'"{owner[:12]}".'
            )
        renamed = replace(current, name=wanted)
        state.save_container(state.directory(root, container.id), renamed)
        state.release_name(root, current.name, container.id)
        _rename_on_networks(root, current.name, renamed)
    events.tell(root, renamed, "rename", oldName=f"/{current.name}")


def _rename_on_networks(root: str, before: str, renamed: Container) -> None:
    """Have the others find a container that runs by its new name."""
    found = state.see(root, renamed.id).endpoints
    if found:
        from lamina.runtime.network import network

        for endpoint in found:
            if endpoint.place:
                network.rename(endpoint, before, renamed.name)


def _refused(text: str) -> ContainerError:
    error = ContainerError(text)
    error.exit_code = 1
    return error


# The end


def remove(store: Store, container: Container, volumes: bool = True) -> None:
    """Remove a container that does not run, and the volumes that were made for it."""
    with contextlib.suppress(NoSuchContainer, state.DamagedRecord):
        # It may have another name by now.
        container = state.load_container(store.root, container.id)
    remove_files(store, container.id, container.name, volumes)
    events.tell(store.root, container, "destroy")


def remove_files(store: Store, identity: str, name: str, volumes: bool) -> None:
    """Remove what there is of a container, whether or not its record can be read."""
    root = store.root
    aside = f"{root}/containers/.{identity}"
    with state.locked(root):
        if name:
            state.release_name(root, name, identity)
        place = state.directory(root, identity)
        with contextlib.suppress(FileNotFoundError):
            if not volumes:
                # Before it is put aside: what is aside goes with its volumes.
                _forget_volumes(place)
            os.rename(place, aside)
        record.mark_free(root, identity)
    _discard(store, aside)


def _forget_volumes(place: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{place}/volumes")


def _discard(store: Store, aside: str) -> None:
    """Delete what was put aside; the volumes first, whose names are in there."""
    for volume in own_volumes(aside).values():
        _discard_volume(store, volume)
    store.discard(aside)
    store.unpin(f"container:{os.path.basename(aside)[1:]}")


def _discard_volume(store: Store, name: str) -> None:
    """A volume that goes with its container, unless another one has it, too."""
    from lamina.runtime.volumes import stored

    if stored.is_shared(store.root, name):
        from lamina.runtime.containers.volume_users import users

        if users(store.root).get(name):
            return
    stored.remove(store, name)


def collect(store: Store) -> None:
    """Give back what dead keepers held; remove what was to be removed at exit.

    On a disk that is read-only that waits: what lives can be seen, and stopped.
    """
    try:
        for identity in os.listdir(f"{store.root}/live"):
            _collect_one(store, identity)
        _collect_halves(store)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EROFS):
            raise


def _collect_halves(store: Store) -> None:
    root = store.root
    places = os.listdir(f"{root}/containers")
    hidden = any(name.startswith(".") for name in places)
    # Each has one name, which is claimed before its place is made.
    nameless = len(os.listdir(f"{root}/names")) > len(places)
    pins = store.index.rows("SELECT DISTINCT owner FROM pin")
    if hidden or nameless or any(_is_idle(root, owner) for (owner,) in pins):
        # Half made or half removed; whoever is at it holds the lock.
        with state.locked(root):
            _sweep(store)


def _sweep(store: Store) -> None:
    """Remove what creations and removals that were killed have left; under the lock."""
    root = store.root
    for name in os.listdir(f"{root}/containers"):
        if name.startswith("."):
            _discard(store, f"{root}/containers/{name}")
    for (owner,) in store.index.rows("SELECT DISTINCT owner FROM pin"):
        if _is_idle(root, owner):
            store.unpin(owner)
    for name in os.listdir(f"{root}/names"):
        if not os.path.isdir(state.directory(root, state.name_owner(root, name))):
            os.unlink(f"{root}/names/{name}")


def _is_idle(root: str, owner: str) -> bool:
    """Whether a pin is that of a container which is no more."""
    kind, _, identity = owner.partition(":")
    return kind == "container" and not os.path.isdir(state.directory(root, identity))


def _collect_one(store: Store, identity: str) -> None:
    root = store.root
    try:
        found = state.load_state(root, identity)
        if found.keeper is not None and found.keeper.alive:
            return
        container = state.load_container(root, identity)
    except NoSuchContainer:
        _forget(root, identity)
        return
    except state.DamagedRecord:
        return  # `ps` names it; `rm -f` takes it away
    with state.locked(root):
        try:
            found = state.load_state(root, identity)
        except NoSuchContainer:
            return
        if found.keeper is not None and found.keeper.alive:
            return
        give_back(store, found)
        state.save_state(root, identity, state.unseen(found))
    if container.options.remove:
        remove(store, container)


def _forget(root: str, identity: str) -> None:
    """A mark without a container: its creator died, or is about to place it."""
    with state.locked(root):
        if not os.path.isdir(state.directory(root, identity)):
            record.mark_free(root, identity)


def give_back(store: Store, found: State) -> None:
    """Return a container's network and cgroup; nothing happens when they are gone."""
    if found.cgroup:
        from lamina.runtime.cgroups import cgroup

        cgroup.remove(found.cgroup)
    for endpoint in found.endpoints:
        if endpoint.place:
            from lamina.runtime.containers import hubs

            hubs.disconnect(store.root, endpoint)
