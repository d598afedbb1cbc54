"""Volumes: directories that containers share and that outlive them.

    <root>/volumes/NAME/_data     what is mounted

`-v` and `--mount` as Docker reads them. A host path is opened here, once, and given
to the container as a descriptor, so that nobody can swap it on the way.
"""

from __future__ import annotations

import contextlib
import os

from lamina.runtime.errors import ContainerError
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.oci.config import ImageConfig
    from lamina.runtime.options import Options

BIND = "bind"
VOLUME = "volume"
TMPFS = "tmpfs"

_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
_PROPAGATION = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
# SELinux labels, which Lamina has none of, and words for Docker Desktop.
_IGNORED = ("z", "Z", "consistent", "cached", "delegated", "default")


@value
class Volume:
    """One mount that the user asked for.

    `source` is a host path (bind), a name (volume; "" makes one that belongs to the
    container), or nothing. `create`: a missing host path becomes a directory.
    `options` are tmpfs's own.
    """

    kind: str
    source: str
    destination: str
    read_only: bool = False
    propagation: str = "rprivate"
    copy: bool = True
    create: bool = False
    options: tuple[str, ...] = ()

    def check(self) -> None:
        bad = not self.destination.startswith("/") or "\0" in self.destination
        if bad or os.path.normpath(self.destination) in ("/", "//"):
            raise ContainerError(
                f"Invalid mount destination {self.destination!r}.",
                hint="It has to be an absolute path, and not `/`.",
            )


def asked_for(options: Options) -> tuple[Volume, ...]:
    """The volumes of `-v`, `--mount` and `--tmpfs`; ContainerError on two in one place.

    A tmpfs gives way to the others, as with docker.
    """
    made = [parse_bind(text, options.folder) for text in options.binds]
    made += [parse_mount(text, options.folder) for text in options.mounts]
    found: dict[str, Volume] = {}
    for volume in made:
        place = os.path.normpath(volume.destination)
        if place in found:
            raise ContainerError(f"Duplicate mount point: {place}.")
        found[place] = volume
    for text in options.tmpfs:
        volume = parse_tmpfs(text)
        found.setdefault(os.path.normpath(volume.destination), volume)
    return tuple(found.values())


def of_container(options: Options, config: ImageConfig) -> tuple[Volume, ...]:
    """What was asked for, and a volume for each place that the image declares.

    Outer mounts come before those inside them.
    """
    found = {os.path.normpath(v.destination): v for v in asked_for(options)}
    for place in config.volumes:
        found.setdefault(os.path.normpath(place), Volume(VOLUME, "", place))
    return tuple(found[place] for place in sorted(found))


def parse_bind(text: str, folder: str) -> Volume:
    """`-v [SOURCE:]DESTINATION[:OPTIONS]`; `folder` is what `./` is relative to."""
    parts = text.split(":")
    if not text or len(parts) > 3 or "" in parts[:2]:
        raise ContainerError(
            f"Invalid volume {text!r}.",
            hint="It is `[SOURCE:]DESTINATION[:OPTIONS]`, as in `-v ./src:/app:ro`.",
        )
    if len(parts) == 1:
        return Volume(VOLUME, "", parts[0])
    source, destination, *options = parts
    if source.startswith((".", "/", "~")):
        path = os.path.normpath(os.path.join(folder, os.path.expanduser(source)))
        volume = Volume(BIND, path, destination, create=True)
    else:
        volume = Volume(VOLUME, check_name(source), destination)
    for option in options[0].split(",") if options else ():
        volume = _with_option(volume, option, text)
    return volume


def _with_option(volume: Volume, option: str, text: str) -> Volume:
    if option in ("ro", "rw"):
        return replace(volume, read_only=option == "ro")
    if option in _PROPAGATION and volume.kind == BIND:
        return replace(volume, propagation=option)
    if option == "nocopy" and volume.kind == VOLUME:
        return replace(volume, copy=False)
    if option in _IGNORED:
        return volume
    raise ContainerError(
        f"Invalid option {option!r} of volume {text!r}.",
        hint="ro, rw, nocopy (volumes) or a propagation such as rslave (host paths).",
    )


def parse_mount(text: str, folder: str) -> Volume:
    """`--mount type=bind|volume|tmpfs,source=...,destination=...[,readonly]`."""
    fields: dict[str, str] = {}
    for part in text.split(","):
        key, _, given = part.partition("=")
        name = _MOUNT_KEYS.get(key.strip().lower())
        if name is None or name in fields:
            raise ContainerError(
                f"Invalid field {part!r} of mount {text!r}.",
                hint="type, source, destination, readonly, bind-propagation, "
                "volume-nocopy, tmpfs-size and tmpfs-mode, each once.",
            )
        fields[name] = given
    kind = fields.get("type", VOLUME)
    if kind not in (BIND, VOLUME, TMPFS):
        raise ContainerError(f"Invalid type {kind!r} of mount {text!r}.")
    source = fields.get("source", "")
    if kind == BIND:
        if not source:
            raise ContainerError(f"The mount {text!r} needs a source.")
        source = os.path.normpath(os.path.join(folder, source))
    elif kind == VOLUME and source:
        check_name(source)
    propagation = fields.get("bind-propagation", "rprivate")
    if propagation not in _PROPAGATION:
        raise ContainerError(f"Invalid propagation {propagation!r} of mount {text!r}.")
    tmpfs = [f"{k[6:]}={v}" for k, v in fields.items() if k.startswith("tmpfs-")]
    return Volume(
        kind,
        source,
        fields.get("destination", ""),
        read_only=_flag(fields, "readonly"),
        propagation=propagation,
        copy=not _flag(fields, "volume-nocopy"),
        options=_tmpfs_options(tmpfs) if kind == TMPFS else (),
    )


_MOUNT_KEYS = {
    "type": "type",
    "source": "source",
    "src": "source",
    "destination": "destination",
    "dst": "destination",
    "target": "destination",
    "readonly": "readonly",
    "ro": "readonly",
    "bind-propagation": "bind-propagation",
    "volume-nocopy": "volume-nocopy",
    "tmpfs-size": "tmpfs-size",
    "tmpfs-mode": "tmpfs-mode",
}


def _flag(fields: dict[str, str], name: str) -> bool:
    return fields.get(name, "0").lower() in ("", "1", "true")


def parse_tmpfs(text: str) -> Volume:
    """`--tmpfs DESTINATION[:OPTIONS]`."""
    destination, _, options = text.partition(":")
    given = options.split(",") if options else []
    read_only = "ro" in given
    return Volume(TMPFS, "", destination, read_only, options=_tmpfs_options(given))


_TMPFS_FLAGS = ("noexec", "exec", "nosuid", "suid", "nodev", "dev", "noatime", "atime")
_TMPFS_KEYS = ("size", "mode", "uid", "gid", "nr_inodes", "nr_blocks")


def _tmpfs_options(given: list[str]) -> tuple[str, ...]:
    """Docker's defaults and what was asked for, nothing that is not known."""
    options = ["nosuid", "nodev", "noexec"]
    for option in given:
        key, equals, amount = option.partition("=")
        if option in _TMPFS_FLAGS:
            bare = option.removeprefix("no")
            options = [o for o in options if o.removeprefix("no") != bare]
            if option.startswith("no"):
                options.append(option)
        elif equals and key in _TMPFS_KEYS and amount.isalnum():
            options.append(option)
        elif option not in ("ro", "rw"):
            raise ContainerError(f"Invalid tmpfs option {option!r}.")
    return tuple(options)


def check_name(name: str) -> str:
    """A name that a volume may have; raises ContainerError."""
    if len(name) < 2 or not name[0].isalnum() or not _NAME.issuperset(name):
        raise ContainerError(
            f"{name!r} is no name for a volume.",
            hint="Two or more of [a-zA-Z0-9_.-]; a host path is absolute or begins "
            "with `./`.",
        )
    return name


def open_bind(volume: Volume) -> int:
    """The host path of a bind as an O_PATH descriptor; raises ContainerError."""
    try:
        if volume.create and not os.path.lexists(volume.source):
            os.makedirs(volume.source)
        return os.open(volume.source, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        raise ContainerError(
            f"The bind source {volume.source} cannot be used: {error.strerror}."
        ) from error


def open_volume(root: str, name: str) -> tuple[int, bool]:
    """A named volume, made when it is not there; and whether it is empty."""
    place = f"{root}/volumes/{name}"
    os.makedirs(f"{place}/_data", exist_ok=True)
    descriptor = os.open(f"{place}/_data", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    return descriptor, not os.listdir(descriptor)


def fill(volume: int, image: int, destination: str) -> None:
    """Give an empty volume what the image has at `destination`, as Docker does."""
    from lamina.runtime import syscalls
    from lamina.runtime.copytree import copy_tree

    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        source = syscalls.openat2(
            destination.lstrip("/") or ".",
            os.O_RDONLY | os.O_DIRECTORY,
            syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS,
            image,
        )
        try:
            copy_tree(source, volume)
        finally:
            os.close(source)
