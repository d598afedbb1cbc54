"""What a container mounts: `-v`, `--mount`, `--tmpfs` and `--volumes-from`.

As Docker reads them. A host path is opened here, once, and given to the container as
a descriptor, so that nobody can swap it on the way. Volumes themselves are in
runtime/volumes.
"""

from __future__ import annotations

import os

from lamina.runtime.errors import ContainerError
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.oci.config import ImageConfig
    from lamina.runtime.containers.options import Options

BIND = "bind"
VOLUME = "volume"
TMPFS = "tmpfs"

_PROPAGATION = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
# Bytes of what a volume without a name is called, in hexadecimal digits.
_OWN = 32
# SELinux labels, which Lamina has none of, and words for Docker Desktop.
_IGNORED = ("z", "Z", "consistent", "cached", "delegated", "default")


@value
class Volume:
    """One mount that the user asked for.

    `source` is a host path (bind), a name (volume; "" makes one that belongs to the
    container), or nothing. `create`: a missing host path becomes a directory.
    `options` are tmpfs's own, or those that a volume is made with when it is not there
    (`KEY=VALUE`), as `labels` are. `subpath` is the directory of a volume to mount;
    `recursive`: with what is mounted below a host path.
    """

    kind: str
    source: str
    destination: str
    read_only: bool = False
    propagation: str = "rprivate"
    copy: bool = True
    create: bool = False
    options: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    subpath: str = ""
    recursive: bool = True

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
    inherited = (parse_mount(text, options.folder) for text in options.inherited)
    found = {os.path.normpath(v.destination): v for v in inherited}
    # One that is written twice, as scripts put flags together, is one.
    binds = dict.fromkeys(options.binds)
    made = [parse_bind(text, options.folder) for text in binds]
    made += [parse_mount(text, options.folder) for text in options.mounts]
    asked: dict[str, Volume] = {}
    for volume in made:
        place = os.path.normpath(volume.destination)
        if place in asked:
            raise ContainerError(f"Duplicate mount point: {place}.")
        asked[place] = volume
    found |= asked
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
        volume = Volume(VOLUME, _checked(source), destination)
    given = options[0].split(",") if options else []
    if {"ro", "rw"} <= set(given):
        raise ContainerError(f"The volume {text!r} is both ro and rw.")
    for option in given:
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
    """`--mount type=bind|volume|tmpfs,source=...,destination=...[,readonly]`.

    Fields are separated as in CSV: one with a comma in it stands in quotes.
    """
    fields: dict[str, str] = {}
    lists: dict[str, list[str]] = {"volume-opt": [], "volume-label": []}
    for part in _fields_of(text):
        key, _, given = part.partition("=")
        name = _MOUNT_KEYS.get(key.strip().lower())
        if name in lists:
            lists[name].append(given)
        elif name is None or name in fields:
            raise ContainerError(
                f"Invalid field {part!r} of mount {text!r}.",
                hint="type, source, destination, readonly, bind-propagation, "
                "volume-nocopy, volume-subpath, tmpfs-size and tmpfs-mode, each once.",
            )
        else:
            fields[name] = given
    kind = fields.get("type", VOLUME).lower()
    if kind not in (BIND, VOLUME, TMPFS):
        raise ContainerError(f"Invalid type {kind!r} of mount {text!r}.")
    _check_kinds(text, kind, (*fields, *(key for key, given in lists.items() if given)))
    source = fields.get("source", "")
    if kind == BIND:
        if not source:
            raise ContainerError(f"The mount {text!r} needs a source.")
        source = os.path.normpath(os.path.join(folder, source))
    elif kind == VOLUME and source:
        _checked(source)
    _check_words(text, fields)
    if fields.get("volume-driver", "local") not in ("", "local"):
        raise ContainerError(
            f"There is no volume driver {fields['volume-driver']!r}.", hint="local."
        )
    tmpfs = [f"{k[6:]}={v}" for k, v in fields.items() if k.startswith("tmpfs-")]
    return Volume(
        kind,
        source,
        fields.get("destination", ""),
        read_only=_flag(fields, "readonly"),
        propagation=fields.get("bind-propagation", "rprivate"),
        copy=not _flag(fields, "volume-nocopy"),
        create=_flag(fields, "bind-create-src"),
        options=_tmpfs_options(tmpfs) if kind == TMPFS else tuple(lists["volume-opt"]),
        labels=tuple(lists["volume-label"]),
        subpath=_subpath(text, fields.get("volume-subpath", "")),
        recursive=fields.get("bind-recursive", "enabled") != "disabled"
        and not _flag(fields, "bind-nonrecursive"),
    )


_MOUNT_KEYS = {
    **{"type": "type", "source": "source", "src": "source"},
    **dict.fromkeys(("destination", "dst", "target"), "destination"),
    **dict.fromkeys(("readonly", "ro"), "readonly"),
    **{
        name: name
        for name in (
            *("bind-propagation", "bind-nonrecursive", "bind-recursive"),
            "bind-create-src",
            *("volume-nocopy", "volume-subpath", "volume-driver"),
            *("volume-opt", "volume-label", "tmpfs-size", "tmpfs-mode"),
            "consistency",
        )
    },
}


def _fields_of(text: str) -> list[str]:
    if '"' not in text:
        return text.split(",")
    import csv

    try:
        return next(csv.reader([text]))
    except csv.Error as error:
        raise ContainerError(f"Invalid mount {text!r}: {error}.") from None


def _check_kinds(text: str, kind: str, names: tuple[str, ...]) -> None:
    """What is for one kind of mount does not go with another."""
    for name in names:
        owner = name.partition("-")[0]
        if owner in (BIND, VOLUME, TMPFS) and owner != kind:
            raise ContainerError(
                f"The field {name} of mount {text!r} is for type={owner}.",
                hint=f"It is a mount of type {kind}.",
            )


def _check_words(text: str, fields: dict[str, str]) -> None:
    for name, known in _MOUNT_WORDS.items():
        if fields.get(name, known[0]) not in known:
            raise ContainerError(
                f"Invalid {name} {fields[name]!r} of mount {text!r}.",
                hint=f"{', '.join(known)}.",
            )


_MOUNT_WORDS = {
    "bind-propagation": _PROPAGATION,
    "bind-recursive": ("enabled", "disabled"),
    "consistency": ("default", "consistent", "cached", "delegated"),
}


def _subpath(text: str, path: str) -> str:
    if path.startswith("/") or ".." in path.split("/"):
        raise ContainerError(
            f"Invalid subpath {path!r} of mount {text!r}.",
            hint="It is relative to the volume, and does not leave it.",
        )
    return path


def mount_text(volume: Volume) -> str:
    """A mount as `parse_mount` reads it."""
    fields = [
        *(f"type={volume.kind}", f"source={volume.source}"),
        f"destination={volume.destination}",
        f"bind-propagation={volume.propagation}" if volume.kind == BIND else "",
        "bind-nonrecursive" if not volume.recursive else "",
        "bind-create-src" if volume.create else "",
        "readonly" if volume.read_only else "",
        "volume-nocopy" if volume.kind == VOLUME and not volume.copy else "",
        f"volume-subpath={volume.subpath}" if volume.subpath else "",
    ]
    quoted = (
        '"' + f.replace('"', '""') + '"' if set(f) & set(',"\n\r') else f
        for f in fields
    )
    return ",".join(filter(None, quoted))


def _flag(fields: dict[str, str], name: str) -> bool:
    word = fields.get(name, "0")
    if word.lower() not in _TRUTHS:
        raise ContainerError(
            f"Invalid value {word!r} of {name} in a mount.", hint="true or false."
        )
    return _TRUTHS[word.lower()]


# As Go's strconv.ParseBool has them; a bare word is true.
_TRUTHS = {
    **dict.fromkeys(("", "1", "t", "true"), True),
    **dict.fromkeys(("0", "f", "false"), False),
}


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
        elif equals and key in _TMPFS_KEYS and amount.removesuffix("%").isalnum():
            options.append(option)
        elif option not in ("ro", "rw"):
            raise ContainerError(f"Invalid tmpfs option {option!r}.")
    return tuple(options)


def open_bind(volume: Volume) -> int:
    """The host path of a bind as an O_PATH descriptor; raises ContainerError."""
    try:
        if volume.create and not os.path.lexists(volume.source):
            _make_source(volume.source)
        return os.open(volume.source, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        raise ContainerError(
            f"The bind source {volume.source} cannot be used: {error.strerror}."
        ) from error


def _make_source(path: str) -> None:
    """Readable by all, as docker makes it: who runs in the container may be anybody."""
    mask = os.umask(0o022)
    try:
        os.makedirs(path, exist_ok=True)
    finally:
        os.umask(mask)


def own_volumes(place: str) -> dict[str, str]:
    """The volumes without a name that the container at `place` was started with: where
    each is in it, and what it is called.

    They go with the container: a line is read for nothing else, whatever an image calls
    a place.
    """
    try:
        with open(f"{place}/volumes", encoding="ascii") as file:
            lines = file.read().split("\n")
    except FileNotFoundError:
        return {}
    pairs = (line.partition(" ") for line in lines)
    return {
        inside.encode("ascii").decode("unicode_escape"): name
        for name, _, inside in pairs
        if len(name) == 2 * _OWN and not name.strip("0123456789abcdef")
    }


def name_volumes(place: str, wanted: tuple[Volume, ...]) -> tuple[Volume, ...]:
    """Names for the volumes that have none, written down in the container's directory;
    a container that was started before has the ones of then."""
    from lamina.runtime.keeper import record

    before = own_volumes(place)
    known = dict(before)
    named = []
    for volume in wanted:
        source = volume.source
        if volume.kind == VOLUME and not source:
            source = known.setdefault(volume.destination, os.urandom(_OWN).hex())
        named.append(replace(volume, source=source))
    if known != before:
        lines = (
            name.encode() + b" " + inside.encode("unicode_escape") + b"\n"
            for inside, name in known.items()
        )
        record.write_file(f"{place}/volumes", b"".join(lines))
    return tuple(named)


def _checked(name: str) -> str:
    """The name of a volume; raises VolumeError."""
    from lamina.runtime.volumes.stored import check_name

    return check_name(name)
