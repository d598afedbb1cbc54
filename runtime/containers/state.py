"""What is known of containers: records on disk, checked against the kernel.

    <root>/containers/ID/container.json   what was asked for (Container)
    <root>/containers/ID/state.json       what became of it (State)
    <root>/containers/ID/log              runtime/containers/logs.py
    <root>/containers/ID/upper, work      what it changed
    <root>/names/NAME                     a link whose text is the ID
    <root>/live/ID                        it holds a network, a cgroup or a process

A file is written whole under another name and renamed. A record that says "running"
is believed only while the process that supervises the container lives (owner.py).
"""

from __future__ import annotations

import contextlib
import json
import os

from lamina.oci.files.lock import Lock
from lamina.runtime.containers.options import Options
from lamina.runtime.errors import ContainerError, NoSuchContainer
from lamina.runtime.keeper import record
from lamina.runtime.network.endpoint import Endpoint
from lamina.runtime.owner import Owner
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from lamina.oci.config import ImageConfig

CREATED = "created"
RUNNING = "running"
PAUSED = "paused"
RESTARTING = "restarting"
EXITED = "exited"

# What Docker records for a container that nobody saw end.
UNSEEN_EXIT = 137
_HEX = frozenset("0123456789abcdef")


class DamagedRecord(ContainerError):
    """A record that cannot be read: the machine went down before the disk had it."""

    exit_code = 1


@value
class Container:
    """What a container is; all but its name stays as it was created.

    `image` is the image's ID, `image_name` what the user called it; `layers` are
    contents, bottom first; `config` is the image's with what `run` changed, as
    `commit` takes it over; `args` is the command as it runs; `created` in ns.
    """

    id: str
    name: str
    created: int
    image: str
    image_name: str
    layers: tuple[str, ...]
    args: tuple[str, ...]
    config: ImageConfig
    options: Options

    @property
    def short(self) -> str:
        """The twelve digits that people read."""
        return self.id[:12]


@value
class State:
    """What became of a container; times in ns, 0 where it has not come to that.

    `keeper` is Lamina's process that keeps it, `init` its own first one. `stubs`
    are the mount points that Lamina made in its root. `health` are the fields of
    keeper/health.py's Health; `stopped`: the user ended it, and nothing else.
    """

    status: str
    keeper: Owner | None = None
    init: Owner | None = None
    started: int = 0
    finished: int = 0
    exit_code: int = 0
    oom_killed: bool = False
    error: str = ""
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[str, ...] = ()
    cgroup: str = ""
    stubs: tuple[str, ...] = ()
    restart_count: int = 0
    health: Mapping[str, Any] | None = None
    stopped: bool = False

    @property
    def is_running(self) -> bool:
        """Whether it has processes."""
        return self.status in (RUNNING, PAUSED)

    @property
    def is_active(self) -> bool:
        """Whether it runs, or is about to run again."""
        return self.status in (RUNNING, PAUSED, RESTARTING)


def open_process(process: Owner | None) -> int | None:
    """A pidfd of that very process; None when it is gone."""
    if process is None or not process.alive:
        return None
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    # The number may have passed to another process before the descriptor was had.
    if process.alive:
        return descriptor
    os.close(descriptor)
    return None


# Places


def directory(root: str, identity: str) -> str:
    """Where a container's files lie."""
    return f"{root}/containers/{identity}"


# Writing


def save_container(place: str, container: Container) -> None:
    """Write a container's record into its directory."""
    from lamina.oci.config_json import config_bytes

    fields = {
        **container.__dict__,
        "config": json.loads(config_bytes(container.config)),
        "options": container.options.__dict__,
    }
    record.write_file(f"{place}/container.json", _dumped(fields))


def save_state(root: str, identity: str, state: State) -> None:
    """Write what became of a container, and whether it holds anything.

    The mark is there before the state and goes after it: what may need collecting
    is always marked.
    """
    if state.keeper is not None:
        record.mark_held(root, identity)
    write_state(directory(root, identity), state)
    if state.keeper is None:
        record.mark_free(root, identity)


def write_state(place: str, state: State) -> None:
    """Write a state into a container's directory."""
    record.write_file(f"{place}/state.json", _dumped(state))


def _dumped(fields: object) -> bytes:
    text = json.dumps(fields, default=lambda given: given.__dict__)
    return text.encode("utf-8", "surrogateescape")


# Reading


def load_container(root: str, identity: str) -> Container:
    """The record of the container with this whole ID; raises NoSuchContainer."""
    from lamina.oci.config_json import parse_config
    from lamina.oci.errors import InvalidImage

    path = f"{directory(root, identity)}/container.json"
    fields = _loaded(path, identity)
    try:
        config = parse_config(json.dumps(fields["config"]).encode())
        given = _tuples(fields["options"])
        known = Options.__annotations__
        options = Options(**{name: given[name] for name in given if name in known})
        return Container(**{**_tuples(fields), "config": config, "options": options})
    except (InvalidImage, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path, error) from error


def load_state(root: str, identity: str) -> State:
    """What became of a container, as it was recorded; `see` checks it."""
    fields = _tuples(_loaded(f"{directory(root, identity)}/state.json", identity))
    for name in ("keeper", "init"):
        if fields[name] is not None:
            fields[name] = Owner(**fields[name])
    fields.pop("attachment", None)  # of the time when there was but one
    fields["endpoints"] = tuple(
        Endpoint(**_tuples(e)) for e in fields.get("endpoints", ())
    )
    return State(**fields)


def see(root: str, identity: str) -> State:
    """What became of a container, as the kernel bears it out.

    Where its keeper is gone, so is the container: a parent's death kills it.
    """
    state = load_state(root, identity)
    if state.keeper is None or state.keeper.alive:
        return state
    return unseen(state)


def unseen(state: State) -> State:
    """`state` once the keeper died without a word."""
    gone = replace(state, keeper=None, init=None, endpoints=(), ports=(), cgroup="")
    if state.status in (CREATED, EXITED):
        return gone
    if state.status == RESTARTING:
        # Its last run was seen to end.
        return replace(gone, status=EXITED)
    finished = state.finished or state.started
    return replace(gone, status=EXITED, exit_code=UNSEEN_EXIT, finished=finished)


def _loaded(path: str, identity: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            text = file.read().decode("utf-8", "surrogateescape")
            found: dict[str, Any] = json.loads(text)
    except FileNotFoundError as error:
        raise missing(identity) from error
    except ValueError as error:
        raise _damaged(path, error) from error
    return found


def _damaged(path: str, error: Exception) -> DamagedRecord:
    return DamagedRecord(
        f"The record {path} is damaged: {str(error).rstrip('.')}.",
        hint="Remove the container with `lamina rm -f`.",
    )


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}


# Finding


def identities(root: str) -> list[str]:
    """The IDs of all containers whose creation came to its end."""
    with contextlib.suppress(FileNotFoundError):
        return [name for name in os.listdir(f"{root}/containers") if _whole(name)]
    return []


def containers(root: str) -> Iterator[tuple[Container, State]]:
    """All containers, the youngest first.

    One that goes meanwhile is left out, and one whose record a power cut damaged:
    `damaged` names those.
    """
    found = []
    for identity in identities(root):
        with contextlib.suppress(NoSuchContainer, DamagedRecord):
            found.append((load_container(root, identity), see(root, identity)))
    yield from sorted(found, key=lambda row: row[0].created, reverse=True)


def damaged(root: str) -> list[str]:
    """The IDs of containers whose records cannot be read."""
    found = []
    for identity in identities(root):
        try:
            load_container(root, identity)
            load_state(root, identity)
        except DamagedRecord:
            found.append(identity)
        except NoSuchContainer:
            continue
    return found


def find(root: str, name: str) -> str:
    """The ID that a user means by `name`; raises NoSuchContainer.

    As Docker looks: a whole ID, then a name, then the first digits of an ID.
    """
    if _whole(name) and os.path.isdir(directory(root, name)):
        return name
    bare = name.removeprefix("/")
    if bare and "/" not in bare and "\0" not in bare and bare not in (".", ".."):
        with contextlib.suppress(OSError):
            identity = os.readlink(f"{root}/names/{bare}")
            if os.path.isdir(directory(root, identity)):
                return identity
    if not name or set(name) - _HEX:
        raise missing(name)
    found = [identity for identity in identities(root) if identity.startswith(name)]
    if len(found) > 1:
        raise NoSuchContainer(
            f"{name!r} begins the IDs of several containers.",
            hint="Give more digits, or a name.",
        )
    if not found:
        raise missing(name)
    return found[0]


def missing(name: str) -> NoSuchContainer:
    return NoSuchContainer(
        f"No such container: {name}", hint="`lamina ps -a` lists them."
    )


def _whole(name: str) -> bool:
    return len(name) == 64 and not set(name) - _HEX


# Names


def claim_name(root: str, name: str, identity: str) -> bool:
    """Give `name` to a container (under `locked`); False when another one has it."""
    link = f"{root}/names/{name}"
    with contextlib.suppress(FileNotFoundError):
        if os.path.isdir(directory(root, os.readlink(link))):
            return False
        # Its container was never finished, or is gone: a process died there.
        os.unlink(link)
    os.symlink(identity, link)
    return True


def release_name(root: str, name: str, identity: str) -> None:
    """Let go of a name, if the container has it."""
    link = f"{root}/names/{name}"
    with contextlib.suppress(FileNotFoundError):
        if os.readlink(link) == identity:
            os.unlink(link)


def name_owner(root: str, name: str) -> str:
    """The ID of the container that has `name`, or ""."""
    with contextlib.suppress(FileNotFoundError):
        return os.readlink(f"{root}/names/{name}")
    return ""


def locked(root: str) -> Lock:
    """Alone among those who create, remove and collect containers."""
    return Lock(f"{root}/locks/containers")
