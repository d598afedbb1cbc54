"""The name of an archive's member: a plain path below the root, or refused."""

from __future__ import annotations

import os

from lamina.oci.errors import InvalidArchive

# image-spec, layer.md, "Whiteouts".
WHITEOUT = b".wh."
OPAQUE_MARKER = b".wh..wh..opq"

_UP = b".."
_STARTS = (b"", b"/", b".")
_ODD = frozenset((b"", b".", _UP))


def member_path(name: bytes) -> bytes:
    """`name` without `./` and needless slashes, "" for the root.

    Raises InvalidArchive for an absolute name and for one with `..`: CVE-2014-6407,
    CVE-2007-4559 and their kin.
    """
    path = name.removeprefix(b"./").rstrip(b"/")
    if b"//" not in path and b"/." not in path and path[:1] not in _STARTS:
        return path  # as nearly all are
    parts = path.split(b"/")
    if _ODD.isdisjoint(parts):
        return path
    if name.startswith(b"/"):
        raise _leads_out(name, "is absolute")
    return _plain(name, parts)


def rooted_path(name: bytes) -> bytes:
    """As `member_path`, but an absolute name is one below the root."""
    return _plain(name, name.split(b"/"))


def _plain(name: bytes, parts: list[bytes]) -> bytes:
    if _UP in parts:
        raise _leads_out(name, "has `..` in it")
    return b"/".join(part for part in parts if part not in _ODD)


def _leads_out(name: bytes, why: str) -> InvalidArchive:
    return InvalidArchive(
        f"The name {show(name)} in the archive {why}.",
        hint="It would lead out of where the archive belongs; nothing was kept.",
    )


def check_no_whiteout(path: bytes) -> None:
    """Refuse a `.wh.` name where it has no meaning."""
    if WHITEOUT in path:
        for part in path.split(b"/"):
            if part.startswith(WHITEOUT):
                raise InvalidArchive(
                    f"The archive has a whiteout where none can be: {show(path)}."
                )


def show(name: bytes) -> str:
    """A name as it is put into a message: quoted, and not at any length."""
    return repr(os.fsdecode(name[:120]))
