"""What a service mounts: volumes, host paths, memory, secrets and configs."""

from __future__ import annotations

import os

from lamina.runtime.containers import volumes
from lamina.services.errors import ComposeError
from lamina.services.units import size
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from lamina.services.wanted import Wanted

    Keys = Mapping[str, Any]

_OTHER = "container:"
SECRETS = "/run/secrets"
# Below the container's directory.
GRANTS = "grants"


def mounts_of(wanted: Wanted) -> tuple[volumes.Volume, ...]:
    """The volumes of its keys, without those in memory, and those it adopts."""
    found = []
    for one in wanted.service.keys.get("volumes") or ():
        if one["type"] in (volumes.BIND, volumes.VOLUME):
            found.append(_mount(wanted, one))
    places = {mount.destination for mount in found}
    found += [
        volumes.Volume(volumes.VOLUME, name, place)
        for place, name in wanted.adopted.items()
        if place not in places
    ]
    return tuple(found)


def _mount(wanted: Wanted, one: Keys) -> volumes.Volume:
    read_only, target = bool(one.get("read_only")), one["target"]
    if one["type"] == volumes.BIND:
        asked = one.get("bind") or {}
        return volumes.Volume(
            volumes.BIND,
            one["source"],
            target,
            read_only,
            propagation=asked.get("propagation") or "rprivate",
            create=asked.get("create_host_path", True) is not False,
            recursive=asked.get("recursive", "enabled") != "disabled",
        )
    asked = one.get("volume") or {}
    source = one.get("source") or wanted.adopted.get(target, "")
    known = wanted.project.volume(source)
    return volumes.Volume(
        volumes.VOLUME,
        known.name if known else source,
        target,
        read_only,
        copy=not asked.get("nocopy"),
        subpath=asked.get("subpath") or "",
    )


def memory_mounts(keys: Keys) -> tuple[str, ...]:
    """Mounts of type tmpfs, as `--tmpfs` has them."""
    found = []
    for one in keys.get("volumes") or ():
        if one["type"] == volumes.TMPFS:
            asked = one.get("tmpfs") or {}
            given = ["ro"] if one.get("read_only") else []
            if asked.get("size"):
                given.append(f"size={size(asked['size'])}")
            if asked.get("mode") is not None:
                given.append(f"mode={_octal(asked['mode'])}")
            found.append(":".join(filter(None, (one["target"], ",".join(given)))))
    return tuple(found)


def _octal(mode: object) -> str:
    return f"{mode:o}" if isinstance(mode, int) else str(mode)


@value
class Grant:
    """A secret or a config that a container is given: `source` is a file of the host,
    or one that has `content`, which `write_grants` makes; `mode` as chmod(2) has it."""

    source: str
    place: str
    content: str | None
    uid: int
    gid: int
    mode: int


def grants_of(wanted: Wanted) -> tuple[Grant, ...]:
    """The secrets and configs of a service (compose-spec, 09-secrets, 08-configs).

    Raises ComposeError for one whose variable is not set.
    """
    found: list[Grant] = []
    for kind, known, folder, mode in (
        ("secrets", wanted.project.secrets, SECRETS, 0o444),
        ("configs", wanted.project.configs, "", 0o444),
    ):
        for one in wanted.service.keys.get(kind) or ():
            keys = known[one["source"]]
            if not keys.get("file") and keys.get("content") is None:
                raise _unset(kind, one["source"], keys)
            target = one.get("target") or one["source"]
            made = f"{wanted.place}/{GRANTS}/{len(found)}"
            found.append(
                Grant(
                    keys.get("file") or made,
                    target if target.startswith("/") else f"{folder}/{target}",
                    None if keys.get("file") else keys["content"],
                    int(one.get("uid") or 0),
                    int(one.get("gid") or 0),
                    _mode_of(one.get("mode"), mode),
                )
            )
    return tuple(found)


def _unset(kind: str, name: str, keys: Keys) -> ComposeError:
    return ComposeError(
        f"The variable {keys.get('environment')!r}, which the {kind[:-1]} {name!r} is "
        "to be read from, is not set.",
        hint=f"Set it: `{keys.get('environment')}=... lamina up`, or in `.env`.",
    )


def _mode_of(given: object, usual: int) -> int:
    if given is None:
        return usual
    return given if isinstance(given, int) else int(str(given), 8)


def file_mounts(wanted: Wanted) -> tuple[volumes.Volume, ...]:
    """The mounts of secrets and configs."""
    return tuple(
        volumes.Volume(volumes.BIND, one.source, one.place, read_only=True)
        for one in grants_of(wanted)
    )


def write_grants(wanted: Wanted) -> None:
    """Write those secrets and configs that are no files into the container's directory,
    which nobody else may enter; each appears whole, and those that are there stay."""
    made = [one for one in grants_of(wanted) if one.content is not None]
    if made:
        os.makedirs(f"{wanted.place}/{GRANTS}", mode=0o755, exist_ok=True)
    for one in made:
        if not os.path.exists(one.source):
            _write_grant(one)


def _write_grant(one: Grant) -> None:
    assert one.content is not None
    staging = f"{one.source}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    descriptor = os.open(staging, flags, 0o600)
    try:
        with open(descriptor, "w", errors="surrogateescape", closefd=False) as file:
            file.write(one.content)
        os.fchown(descriptor, one.uid, one.gid)
        os.fchmod(descriptor, one.mode)
    finally:
        os.close(descriptor)
    os.rename(staging, one.source)


def shared_from(text: str, find: Callable[[str], str]) -> str:
    """An entry of `volumes_from`, as `--volumes-from` has it."""
    if text.startswith(_OTHER):
        return text.removeprefix(_OTHER)
    name, colon, mode = text.partition(":")
    return f"{find(name)}{colon}{mode}"
