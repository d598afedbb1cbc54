"""Volumes as the store has them: what each is, made, found and removed.

    <root>/volumes/NAME/volume.json   labels, options, when it was made
    <root>/volumes/NAME/_data         what is mounted, unless the options name a place

A volume is there once its `_data` is, which is made last; one without a record is of
before there were records, and has neither labels nor options.
"""

from __future__ import annotations

import contextlib
import json
import os
import time

from lamina.oci.files.lock import Lock
from lamina.oci.json_writer import text
from lamina.oci.store import journal
from lamina.runtime.errors import ContainerError
from lamina.runtime.keeper import record
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lamina.oci.store.store import Store

DRIVER = "local"
# Beside a volume whose container was asked to share it: it does not go with that.
_SHARED = "shared"
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
_HEX = frozenset("0123456789abcdef")


class VolumeError(ContainerError):
    """A volume that cannot be had, or not so."""

    exit_code = 1


class NoSuchVolume(VolumeError):
    """A name that no volume has."""


@value
class StoredVolume:
    """A volume of the store; `created` in ns, `options` are the driver's (driver.py).

    `anonymous`: nobody named it, it was made for a container.
    """

    name: str
    path: str
    created: int
    labels: Mapping[str, str]
    options: Mapping[str, str]
    anonymous: bool = False

    @property
    def data(self) -> str:
        """The directory that is mounted, unless the options name something else."""
        return f"{self.path}/_data"


def check_name(name: str) -> str:
    """A name that a volume may have; raises ContainerError."""
    if len(name) < 2 or not name[0].isalnum() or not _NAME.issuperset(name):
        raise ContainerError(
            f"{name!r} is no name for a volume.",
            hint="Two or more of [a-zA-Z0-9_.-]; a host path is absolute or begins "
            "with `./`.",
        )
    return name


def place(root: str, name: str) -> str:
    """Where a volume lies."""
    return f"{root}/volumes/{name}"


def load(root: str, name: str) -> StoredVolume:
    """The volume of that name; raises NoSuchVolume."""
    path = place(root, name)
    try:
        made = os.stat(f"{path}/_data").st_mtime_ns
    except (OSError, ValueError):
        raise NoSuchVolume(
            f"No such volume: {name}", hint="`lamina volume ls` lists them."
        ) from None
    try:
        with open(f"{path}/volume.json", encoding="utf-8") as file:
            fields = json.load(file)
    except FileNotFoundError:
        return StoredVolume(name, path, made, {}, {}, is_anonymous(name))
    except ValueError as error:
        raise VolumeError(
            f"The record of volume {name} is damaged: {error}.",
            hint=f"Its files are in {path}/_data.",
        ) from error
    return StoredVolume(name, path, **fields)


def is_anonymous(name: str) -> bool:
    """Whether a name is one of those that Lamina gives."""
    return len(name) == 64 and _HEX.issuperset(name)


def names(root: str) -> list[str]:
    """The names of all volumes, in order."""
    with contextlib.suppress(FileNotFoundError):
        return sorted(
            name
            for name in os.listdir(f"{root}/volumes")
            if os.path.isdir(f"{root}/volumes/{name}/_data")
        )
    return []


def volumes(root: str) -> Iterator[StoredVolume]:
    """All volumes, in order of their names; those that go meanwhile are left out."""
    for name in names(root):
        with contextlib.suppress(NoSuchVolume):
            yield load(root, name)


def create(
    root: str,
    name: str,
    labels: Mapping[str, str],
    options: Mapping[str, str],
    anonymous: bool = False,
) -> StoredVolume:
    """The volume of that name, made when it is not there.

    Raises VolumeError when there is one with other options.
    """
    with locked(root):
        try:
            found = load(root, name)
        except NoSuchVolume:
            return _make(root, name, labels, options, anonymous)
    if options and dict(found.options) != dict(options):
        raise VolumeError(
            f"There is a volume {name} already, with other options.",
            hint="Remove it, or choose another name.",
        )
    return found


def _make(
    root: str,
    name: str,
    labels: Mapping[str, str],
    options: Mapping[str, str],
    anonymous: bool,
) -> StoredVolume:
    path = place(root, name)
    os.makedirs(path, mode=0o711, exist_ok=True)
    created = time.time_ns()
    fields = {
        "created": created,
        "labels": dict(labels),
        "options": dict(options),
        "anonymous": anonymous,
    }
    record.write_file(f"{path}/volume.json", text(fields).encode())
    os.mkdir(f"{path}/_data", 0o755)
    os.chmod(f"{path}/_data", 0o755)
    journal.note(root, "volume", "create", name, {"driver": DRIVER})
    return StoredVolume(name, path, created, labels, options, anonymous)


def remove(store: Store, name: str) -> None:
    """Remove a volume that no container has; nothing when it is not there."""
    with locked(store.root):
        path = place(store.root, name)
        if os.path.isdir(path):
            store.discard(path)
            journal.note(store.root, "volume", "destroy", name, {"driver": DRIVER})


def share(root: str, name: str) -> None:
    """Note that containers have it beside the one that it was made for."""
    with contextlib.suppress(FileExistsError):
        os.close(
            os.open(f"{place(root, name)}/{_SHARED}", os.O_CREAT | os.O_EXCL, 0o600)
        )


def is_shared(root: str, name: str) -> bool:
    """Whether it stays when the container goes that it was made for."""
    return os.path.exists(f"{place(root, name)}/{_SHARED}")


def locked(root: str) -> Lock:
    """Alone among those who make and remove volumes."""
    return Lock(f"{root}/locks/volumes")
