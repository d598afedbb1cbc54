"""What is bound into a container: files and folders of the host, as detached mounts.

A descriptor is a whole mount, so that whatever happens to the path afterwards changes
nothing (CVE-2021-30465).
"""

from __future__ import annotations

import os

from lamina.runtime import syscalls
from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation.mount_options import (
    ATTRIBUTES,
    PROPAGATIONS,
    change,
    meaning,
    unknown_option,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.runtime.spec import Mount


def bind_fds(
    binds: Iterable[Mount], given: tuple[int, ...] = (), bundle: bool = False
) -> list[int]:
    """A descriptor for each bind mount: the path's, or the next of those given."""
    fds: list[int] = []
    rest = list(given)
    try:
        for mount in binds:
            if mount.source:
                fds.append(clone_source(mount, bundle))
            else:
                set_attributes(rest[0], mount)
                fds.append(os.dup(rest.pop(0)))
        assert not rest, "more descriptors than bind mounts without a source"
    except BaseException:
        for fd in fds:
            os.close(fd)
        raise
    return fds


def clone_source(mount: Mount, bundle: bool = False) -> int:
    """A detached copy of a bind mount's source on the host, with its attributes.

    The descriptor is a whole mount: later changes of the path change nothing.
    `bundle`: the options are read as a bundle's. Raises ContainerError when there is
    no such file.
    """
    try:
        fd = syscalls.open_tree(mount.source, recursive="bind" not in mount.options)
    except FileNotFoundError:
        raise ContainerError(
            f"Cannot mount {mount.source} on {mount.destination}: it does not exist.",
            hint="Create it first; `-v` creates missing directories, a mount doesn't.",
        ) from None
    except OSError as error:
        raise ContainerError(
            f"Cannot mount {mount.source} on {mount.destination}: {error.strerror}."
        ) from error
    try:
        if bundle:
            _change_bundled(fd, mount)
        else:
            set_attributes(fd, mount)
    except BaseException:
        os.close(fd)
        raise
    return fd


def set_attributes(fd: int, mount: Mount) -> None:
    """Give a detached mount the attributes and the propagation of its options."""
    set_, clear, propagation = 0, 0, syscalls.MS_PRIVATE
    for option in mount.options:
        if option in ("bind", "rbind"):
            continue
        if option in PROPAGATIONS:
            propagation = PROPAGATIONS[option][0]
        elif option in ATTRIBUTES:
            more, less = ATTRIBUTES[option]
            # The access time attributes are one field, cleared as a whole.
            kept = more & ~syscalls.MOUNT_ATTR_ATIME
            set_, clear = set_ & ~less | more, clear & ~kept | less
        else:
            raise unknown_option(option, mount)
    try:
        syscalls.mount_setattr(fd, set_, clear, propagation, recursive=True)
    except OSError as error:
        raise ContainerError(
            f"Cannot mount {mount.source or 'this'} on {mount.destination} with "
            f"{','.join(mount.options)}: {error.strerror}."
        ) from error


def _change_bundled(fd: int, mount: Mount) -> None:
    """Give a bundle's bind what its options say, in their order, and its owners."""
    found = meaning(mount.options)
    if found.data:
        raise unknown_option("=".join(filter(None, found.data[0])), mount)
    try:
        if not found.propagation:
            change(fd, ((0, 0, syscalls.MS_PRIVATE, True),))
        change(fd, found.changes)
        if found.idmap or mount.uid_mappings:
            from lamina.runtime.isolation.idmaps import mapped_namespace

            namespace = mapped_namespace(mount.uid_mappings, mount.gid_mappings)
            try:
                syscalls.mount_setattr(
                    fd,
                    syscalls.MOUNT_ATTR_IDMAP,
                    recursive=found.idmap == "ridmap",
                    userns=namespace,
                )
            finally:
                os.close(namespace)
    except OSError as error:
        raise ContainerError(
            f"Cannot mount {mount.source} on {mount.destination} with "
            f"{','.join(mount.options)}: {error.strerror}."
        ) from error
