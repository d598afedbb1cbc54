"""Networks that users make, as the store knows them.

    <root>/networks/NAME.json

What of a network lies in the machine (its bridge, rules and leases) is made from that
when a container needs it, in a directory that is named by the network's ID: two stores
may each have a network of one name.
"""

from __future__ import annotations

import contextlib
import json
import os

from lamina.oci.files.lock import Lock
from lamina.oci.json_writer import text
from lamina.runtime.errors import NetworkError
from lamina.runtime.network.layout import Layout
from lamina.runtime.network.network_state import networks_of
from lamina.runtime.network.predefined import DEFAULT, PREDEFINED
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
_HEX = frozenset("0123456789abcdef")


class NoSuchNetwork(NetworkError):
    """A name that no network has."""


@value
class Definition:
    """A network; `created` in ns, `options` as they were given."""

    name: str
    id: str
    created: int
    labels: Mapping[str, str]
    options: Mapping[str, str]
    attachable: bool
    layout: Layout
    base: str

    @property
    def place(self) -> str:
        """The directory of what of it lies in the machine, in `base`."""
        return f"{self.base}/{self.id[:16]}"


def check_name(name: str) -> str:
    """A name that a network may have; raises NetworkError."""
    if not name or not name[0].isalnum() or not _NAME.issuperset(name):
        raise NetworkError(
            f"{name!r} is no name for a network.", hint="It is of [a-zA-Z0-9_.-]."
        )
    if name in PREDEFINED or name == DEFAULT:
        raise NetworkError(
            f"The network {name} is there by itself.", hint="Choose another name."
        )
    return name


def load(root: str, name: str) -> Definition:
    """The network of that name, or whose ID begins so; raises NoSuchNetwork."""
    if name and _NAME.issuperset(name) and name[0] != ".":
        found = _read(root, name)
        if found is not None:
            return found
    if len(name) >= 1 and _HEX.issuperset(name):
        matching = [d for d in definitions(root) if d.id.startswith(name)]
        if len(matching) == 1:
            return matching[0]
        if matching:
            raise NoSuchNetwork(f"{name!r} begins the IDs of several networks.")
    raise NoSuchNetwork(
        f"network {name} not found",
        hint=f"`lamina network create {name}` makes it, `lamina network ls` lists "
        "those there are.",
    )


def definitions(root: str) -> Iterator[Definition]:
    """The networks of a store, by name; what goes meanwhile is left out."""
    with contextlib.suppress(FileNotFoundError):
        for file in sorted(os.listdir(f"{root}/networks")):
            if file.endswith(".json") and file[0] != ".":
                found = _read(root, file.removesuffix(".json"))
                if found is not None:
                    yield found


def save(root: str, definition: Definition) -> None:
    """Write a network down, whole or not at all; the caller holds `locked`."""
    os.makedirs(f"{root}/networks", mode=0o700, exist_ok=True)
    fields = {**definition.__dict__, "layout": definition.layout.__dict__}
    del fields["base"]
    staging = f"{root}/networks/.{definition.id}"
    with open(staging, "w", encoding="utf-8") as file:
        file.write(text(fields))
    os.rename(staging, _path(root, definition.name))


def forget(root: str, definition: Definition) -> None:
    """Strike a network; the caller holds `locked`."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_path(root, definition.name))


def locked(root: str) -> Lock:
    """Alone among those who make and remove networks of this store."""
    return Lock(f"{root}/locks/networks")


def _path(root: str, name: str) -> str:
    return f"{root}/networks/{name}.json"


def _read(root: str, name: str) -> Definition | None:
    try:
        with open(_path(root, name), encoding="utf-8") as file:
            fields = json.load(file)
    except (FileNotFoundError, OSError):
        return None
    except ValueError as error:
        raise NetworkError(
            f"The record of network {name} is damaged: {error}.",
            hint=f"Remove {_path(root, name)}, and make the network again.",
        ) from error
    layout = fields.pop("layout")
    layout["reserved"] = tuple(layout["reserved"])
    return Definition(**fields, layout=Layout(**layout), base=networks_of(root))
