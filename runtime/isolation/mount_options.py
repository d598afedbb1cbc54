"""The options of a mount, word by word, as what the mount calls take.

Two readings of the same words: to Lamina's own mounts an attribute holds for all that
lies below; in a bundle `ro` is the mount's alone and `rro` is for all below it
(runtime-spec, config.md, Linux mount options). mount_setattr(2), mount(8).
"""

from __future__ import annotations

from lamina.runtime import syscalls
from lamina.runtime.errors import ContainerError
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.runtime.spec import Mount

# Options as (attributes to set, attributes to clear).
ATTRIBUTES = {
    "ro": (syscalls.MOUNT_ATTR_RDONLY, 0),
    "rw": (0, syscalls.MOUNT_ATTR_RDONLY),
    "nosuid": (syscalls.MOUNT_ATTR_NOSUID, 0),
    "suid": (0, syscalls.MOUNT_ATTR_NOSUID),
    "nodev": (syscalls.MOUNT_ATTR_NODEV, 0),
    "dev": (0, syscalls.MOUNT_ATTR_NODEV),
    "noexec": (syscalls.MOUNT_ATTR_NOEXEC, 0),
    "exec": (0, syscalls.MOUNT_ATTR_NOEXEC),
    "noatime": (syscalls.MOUNT_ATTR_NOATIME, syscalls.MOUNT_ATTR_ATIME),
    "relatime": (0, syscalls.MOUNT_ATTR_ATIME),
    "strictatime": (syscalls.MOUNT_ATTR_STRICTATIME, syscalls.MOUNT_ATTR_ATIME),
    "nodiratime": (syscalls.MOUNT_ATTR_NODIRATIME, 0),
    "nosymfollow": (syscalls.MOUNT_ATTR_NOSYMFOLLOW, 0),
}
# What only a bundle says.
_MORE_ATTRIBUTES = {
    "atime": (0, syscalls.MOUNT_ATTR_ATIME),
    "norelatime": (0, syscalls.MOUNT_ATTR_ATIME),
    "nostrictatime": (0, syscalls.MOUNT_ATTR_ATIME),
    "diratime": (0, syscalls.MOUNT_ATTR_NODIRATIME),
    "symfollow": (0, syscalls.MOUNT_ATTR_NOSYMFOLLOW),
}
_PLAIN = {**ATTRIBUTES, **_MORE_ATTRIBUTES}
_RECURSIVE = {f"r{name}": bits for name, bits in _PLAIN.items()}

# (how, whether for all that lies below).
PROPAGATIONS = {
    "private": (syscalls.MS_PRIVATE, False),
    "rprivate": (syscalls.MS_PRIVATE, True),
    "slave": (syscalls.MS_SLAVE, False),
    "rslave": (syscalls.MS_SLAVE, True),
    "shared": (syscalls.MS_SHARED, False),
    "rshared": (syscalls.MS_SHARED, True),
    "unbindable": (syscalls.MS_UNBINDABLE, False),
    "runbindable": (syscalls.MS_UNBINDABLE, True),
}
# Flags of a whole file system, as fsconfig(2) calls them.
_FLAGS = {
    "sync": "sync",
    "dirsync": "dirsync",
    "mand": "mand",
    "lazytime": "lazytime",
    "iversion": "iversion",
    "acl": "acl",
    "noacl": "noacl",
}
# What is so anyway, or says how to mount and not what.
_VOID = frozenset(
    (
        *("defaults", "async", "nomand", "nolazytime", "noiversion", "loud", "silent"),
        *("bind", "rbind", "remount", "nofail", "_netdev"),
    )
)
COPY_UP = "tmpcopyup"
_IDMAPS = ("idmap", "ridmap")

# All words that a bundle's mount may have, for `lamina-runtime features`.
KNOWN = tuple(
    sorted({*_PLAIN, *_RECURSIVE, *PROPAGATIONS, *_FLAGS, *_VOID, COPY_UP, *_IDMAPS})
)

# (attributes to set, to clear, propagation or 0, whether for all below).
Change = tuple[int, int, int, bool]


@value
class Meaning:
    """What the words come to.

    `changes` are calls of mount_setattr, in order; `flags` and `data` are the file
    system's own; `idmap` is "", "idmap" or "ridmap"; `copies_up`: what the image has
    there is copied into it.
    """

    changes: tuple[Change, ...] = ()
    flags: tuple[str, ...] = ()
    data: tuple[tuple[str, str], ...] = ()
    idmap: str = ""
    copies_up: bool = False

    @property
    def attributes(self) -> int:
        """The attributes that a new mount has after all changes."""
        bits = 0
        for set_, clear, _, _ in self.changes:
            bits = bits & ~clear | set_
        return bits

    @property
    def propagation(self) -> int:
        """How a new mount propagates; 0: as it is."""
        found = [how for _, _, how, _ in self.changes if how]
        return found[-1] if found else 0


def meaning(options: Iterable[str]) -> Meaning:
    """What a bundle's options mean; unknown words are the file system's affair."""
    changes: list[Change] = []
    flags: list[str] = []
    data: list[tuple[str, str]] = []
    idmap = ""
    for option in options:
        if option in _PLAIN:
            changes.append((*_PLAIN[option], 0, False))
        elif option in PROPAGATIONS:
            changes.append((0, 0, *PROPAGATIONS[option]))
        elif option in _RECURSIVE:
            changes.append((*_RECURSIVE[option], 0, True))
        elif option in _FLAGS:
            flags.append(_FLAGS[option])
        elif option in _IDMAPS:
            idmap = option
        elif option not in _VOID and option != COPY_UP:
            key, _, text = option.partition("=")
            data.append((key, text))
    return Meaning(
        _merged(changes), tuple(flags), tuple(data), idmap, COPY_UP in options
    )


def _merged(changes: list[Change]) -> tuple[Change, ...]:
    """As few calls as the order allows: attributes of one kind in a row are one."""
    merged: list[Change] = []
    for set_, clear, how, below in changes:
        if merged and not how and not merged[-1][2] and merged[-1][3] == below:
            had, lost, _, _ = merged[-1]
            # The access time attributes are one field, cleared as a whole.
            kept = set_ & ~syscalls.MOUNT_ATTR_ATIME
            merged[-1] = (had & ~clear | set_, lost & ~kept | clear, 0, below)
        else:
            merged.append((set_, clear, how, below))
    return tuple(merged)


def change(fd: int, changes: Iterable[Change]) -> None:
    """Carry out changes on the mount that `fd` is the root of; raises OSError."""
    for set_, clear, how, below in changes:
        syscalls.mount_setattr(fd, set_, clear, how, recursive=below)


def unknown_option(
    option: str, mount: Mount, own: Iterable[str] = ()
) -> ContainerError:
    """That a mount may not have an option; `own` are those of its file system."""
    known = (*ATTRIBUTES, *PROPAGATIONS, *own)
    return ContainerError(
        f"The mount on {mount.destination} has an unknown option {option!r}.",
        hint=f"The known ones are {', '.join(known)}.",
    )
