"""Archives and trees for the tests of layers: written plainly, compared plainly."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, cast

from lamina.oci.layers.apply import Applied, Limits, apply

Tree = dict[bytes, tuple[object, ...]]


ROOT = Path(__file__).parents[2]


class Member(tarfile.TarInfo):
    """A member and its content."""

    content = b""


def entry(name: str, content: bytes | None = None, **fields: Any) -> Member:
    """A member; `content` makes it a file. Fields are those of TarInfo."""
    info = Member(name)
    info.mode = 0o755
    info.mtime = 1_700_000_000
    if content is not None:
        info.mode = 0o644
        info.size = len(content)
        info.content = content
    for key, given in fields.items():
        setattr(info, key, given)
    return info


def directory(name: str, **fields: Any) -> Member:
    return entry(name, type=tarfile.DIRTYPE, **fields)


def symlink(name: str, target: str) -> Member:
    return entry(name, type=tarfile.SYMTYPE, linkname=target)


def hard_link(name: str, target: str) -> Member:
    return entry(name, type=tarfile.LNKTYPE, linkname=target)


def device(name: str, major: int, minor: int, kind: bytes = tarfile.CHRTYPE) -> Member:
    return entry(name, type=kind, devmajor=major, devminor=minor)


def tar(
    *members: Member | bytes,
    format: int = tarfile.PAX_FORMAT,  # noqa: A002
) -> bytes:
    """A whole archive; bytes among the members go in as they are."""
    parts = []
    for member in members:
        if isinstance(member, Member):
            kind = cast("Literal[0, 1, 2]", format)
            parts.append(member.tobuf(kind, "utf-8", "surrogateescape"))
            parts.append(member.content + bytes(-len(member.content) % 512))
        else:
            parts.append(member)
    return b"".join(parts) + bytes(1024)


def raw(
    name: bytes, kind: bytes = b"0", content: bytes = b"", **fields: bytes
) -> bytes:
    """A member with the fields of its header exactly as given, the checksum right."""
    places = {"mode": 100, "uid": 108, "gid": 116, "size": 124, "mtime": 136}
    places |= {"link": 157, "magic": 257, "major": 329, "minor": 337, "prefix": 345}
    block = bytearray(512)
    given = {
        "mode": b"0000644",
        "size": b"%011o" % len(content),
        "magic": b"ustar\x0000",
    }
    for key, field in {**given, **fields}.items():
        block[places[key] : places[key] + len(field)] = field
    block[: len(name)] = name
    block[156:157] = kind
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + content + bytes(-len(content) % 512)


def pax(*records: tuple[bytes, bytes], kind: bytes = b"x") -> bytes:
    """An extended header."""
    body = b""
    for key, data in records:
        length = len(key) + len(data) + 3
        while length != (longer := len(str(length)) + len(key) + len(data) + 3):
            length = longer
        body += b"%d %b=%b\n" % (length, key, data)
    return raw(b"pax", kind, body)


def unpack(
    archive: bytes,
    root: Path,
    limits: Limits | None = None,
    skeleton: io.BytesIO | None = None,
) -> Applied:
    """Apply an archive to the new directory `root`."""
    root.mkdir()
    read = io.BytesIO(archive).read
    return apply(read, str(root), limits or Limits(), "trusted", skeleton)


def pieces(data: bytes, sizes: Iterable[int]) -> Callable[[int], bytes]:
    """A read function that gives `data` in pieces of these sizes, then the rest."""
    stream = io.BytesIO(data)
    plan = iter(sizes)
    return lambda size: stream.read(min(size, next(plan, size)))


def tree(root: Path) -> Tree:
    """All that counts of the files below `root`, by path; links share a number."""
    found: Tree = {}
    seen: dict[int, int] = {}
    for folder, folders, files in os.walk(os.fsencode(root)):
        for name in sorted(folders + files):
            path = os.path.join(folder, name)
            status = os.lstat(path)
            kind = stat.S_IFMT(status.st_mode)
            inner: object = status.st_rdev
            if kind == stat.S_IFREG:
                inner = Path(os.fsdecode(path)).read_bytes()
            elif kind == stat.S_IFLNK:
                inner = os.readlink(path)
            same = 0
            if kind == stat.S_IFREG and status.st_nlink > 1:
                same = seen.setdefault(status.st_ino, len(seen) + 1)
            attributes = {
                key: os.getxattr(path, key, follow_symlinks=False)
                for key in os.listxattr(path, follow_symlinks=False)
            }
            found[os.path.relpath(path, os.fsencode(root))] = (
                *(kind, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid),
                *(status.st_mtime_ns, inner, same, attributes),
            )
    return found
