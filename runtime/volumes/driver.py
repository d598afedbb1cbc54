"""The driver `local`: what a volume's options say is mounted.

    none                                  <root>/volumes/NAME/_data
    type=none o=bind device=/path         a directory of the host
    type=tmpfs device=tmpfs o=size=64m    memory, for as long as a container has it
    type=nfs o=addr=HOST,rw device=:/dir  a file system, mounted for each container
    type=ext4 device=/dev/sdb1            (any that the kernel has)

Docker's names and rules (moby, volume/local). A file system is a detached mount: it
is nowhere in the host's tree, and ends with the last container that holds it.
"""

from __future__ import annotations

import os

from lamina.runtime import syscalls
from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation.mount_options import ATTRIBUTES
from lamina.runtime.volumes.stored import VolumeError
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.runtime.volumes.stored import StoredVolume

_KNOWN = ("type", "o", "device")
TMPFS = "tmpfs"
# What says how to mount, and not what.
_VOID = ("defaults", "rw", "nofail", "_netdev", "auto", "noauto", "bind", "rbind")


@value
class FileSystem:
    """What fsopen(2) is told; `attributes` are those of the mount."""

    kind: str
    device: str
    settings: tuple[tuple[str, str], ...]
    attributes: int


def check(options: Mapping[str, str]) -> None:
    """Raises VolumeError for options that mean nothing, or not without others."""
    for key, given in options.items():
        if key not in _KNOWN:
            raise VolumeError(
                f"Invalid option {key!r} of the volume driver {'local'!r}.",
                hint="type, o and device, as mount(8) has them.",
            )
        if "\0" in given or "\n" in given:
            raise VolumeError(f"The option {key} holds a character that none may.")
    needs = {"type": "device", "device": "type", "o": "type and device"}
    for key, missing in needs.items():
        if key in options and not all(
            options.get(name) for name in missing.split(" and ")
        ):
            raise VolumeError(
                f"The volume option {key!r} needs {missing}.",
                hint="As in `-o type=tmpfs -o device=tmpfs -o o=size=64m`, or "
                "`-o type=none -o o=bind -o device=/srv/data`.",
            )


def bound_path(options: Mapping[str, str]) -> str:
    """The host's directory that a volume stands for; "" for another kind."""
    words = options.get("o", "").split(",")
    return options["device"] if {"bind", "rbind"} & set(words) else ""


def is_memory(options: Mapping[str, str]) -> bool:
    """Whether what is in it goes with the last container that has it."""
    return options.get("type") == TMPFS


def file_system(options: Mapping[str, str]) -> FileSystem | None:
    """What to mount for a volume; None where it is a directory."""
    if not options.get("type") or bound_path(options):
        return None
    attributes = 0
    settings = []
    for word in filter(None, options.get("o", "").split(",")):
        key, _, given = word.partition("=")
        if word in ATTRIBUTES and word != "rw":
            to_set, to_clear = ATTRIBUTES[word]
            attributes = attributes & ~to_clear | to_set
        elif word not in _VOID:
            settings.append((key, given))
    kind = options["type"]
    if kind in ("nfs", "nfs4", "cifs"):
        settings = [_resolved(pair) for pair in settings]
    return FileSystem(kind, options["device"], tuple(settings), attributes)


def open_directory(stored: StoredVolume) -> int:
    """A descriptor of the volume's directory; raises ContainerError."""
    path = bound_path(stored.options) or stored.data
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    try:
        return os.open(path, flags)
    except OSError as error:
        raise ContainerError(
            f"The volume {stored.name} cannot be mounted: {path}: {error.strerror}.",
            hint="Its directory has to be there: `lamina volume inspect`.",
        ) from error


def mount(stored: StoredVolume, made: FileSystem) -> int:
    """A detached mount; raises ContainerError with what the kernel says."""
    context = -1
    try:
        context = syscalls.fsopen(made.kind)
        syscalls.fsconfig_string(context, "source", made.device)
        for key, given in made.settings:
            if given:
                syscalls.fsconfig_string(context, key, given)
            else:
                syscalls.fsconfig_flag(context, key)
        fd = syscalls.fsmount(context, made.attributes)
    except OSError as error:
        raise ContainerError(
            f"The volume {stored.name} cannot be mounted: {error.strerror}.",
            hint=f"Its options: {_shown(stored)}.",
        ) from error
    finally:
        if context >= 0:
            os.close(context)
    _require_copies(fd)
    return fd


def _require_copies(mounted: int) -> None:
    """Each start mounts a copy; of a mount that is nowhere, Linux copies since 6.15."""
    try:
        os.close(syscalls.open_tree(mounted))
    except OSError as error:
        os.close(mounted)
        raise ContainerError(
            "This kernel cannot mount a volume that is a file system.",
            hint="Linux 6.15 can. `--tmpfs`, and `-v` of what is mounted on the host, "
            "work everywhere.",
        ) from error


def _resolved(pair: tuple[str, str]) -> tuple[str, str]:
    """With an address where the kernel takes no name."""
    key, given = pair
    if key != "addr" or not given:
        return pair
    import socket

    try:
        return key, str(socket.getaddrinfo(given, None)[0][4][0])
    except OSError as error:
        raise ContainerError(
            f"The host {given} of a volume cannot be found: {error.strerror}."
        ) from error


def _shown(stored: StoredVolume) -> str:
    """A volume's options in one line; what opens a share is nobody else's business."""
    words = []
    for name, text in stored.options.items():
        parts = text.split(",") if name == "o" else [text]
        secret = ("password=", "pass=")
        told = [
            f"{part.partition('=')[0]}=***" if part.startswith(secret) else part
            for part in parts
        ]
        words.append(f"{name}={','.join(told)}")
    return " ".join(words)
