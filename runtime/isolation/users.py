"""Who a container's process is: `USER` resolved inside its root.

The rules of runc's libcontainer/user, which Docker uses: a name or a number, an
optional group after a colon; the first line of /etc/passwd whose name or number is
the one given; supplementary groups from /etc/group unless a group was given.
The files come from the image: read by descriptor, regular, at most 1 MiB
(CVE-2024-9676), never through NSS, which would load code from the root.
"""

from __future__ import annotations

import errno

from lamina.runtime.errors import ContainerError
from lamina.runtime.paths import read_in_root
from lamina.values import value

# (uid_t)-1 means "leave as it is" to setresuid(2): not an id (CVE-2024-40635).
_TOO_LARGE = 2**32 - 1
_FILE_LIMIT = 1 << 20
# NGROUPS_MAX, limits.h.
_MAX_GROUPS = 65536


@value
class Identity:
    """A process's ids. `groups` are all supplementary groups, sorted.

    `gid` is one of them: a program that sets another gid would else lose the group,
    and with it what the group is denied (CVE-2022-36109).
    """

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


def resolve_user(root: int, user: str, extra: tuple[int | str, ...] = ()) -> Identity:
    """`user` (`name`, `uid`, `user:group`, "" for root) inside the root fd `root`.

    `extra` are further supplementary groups, by number or name. Raises ContainerError
    when a name is unknown, a number is no id, or a file in the root is not what it has
    to be.
    """
    name, colon, group = user.partition(":")
    passwd = _lines(root, "/etc/passwd", 7)
    found = _find(passwd, name or "0")
    if found is not None:
        uid, gid = _id(found[2], user), _id(found[3], user)
        login, home = found[0], found[5] or "/"
    elif _is_number(name or "0"):
        uid, gid, login, home = _id(name or "0", user), 0, "", "/"
    else:
        raise ContainerError(
            f"There is no user {name!r} in the container's /etc/passwd.",
            hint="Create it in the image (`RUN useradd ...`), or give a number.",
        )
    groups = {g if isinstance(g, int) else _group(root, g, user) for g in extra}
    if colon and group:
        gid = _group(root, group, user)
    else:
        for line in _lines(root, "/etc/group", 4):
            if login and login in line[3].split(",") and _is_number(line[2]):
                groups.add(_id(line[2], user))
    groups.add(gid)
    if len(groups) > _MAX_GROUPS:
        raise ContainerError(f"User {user!r} has more than {_MAX_GROUPS} groups.")
    return Identity(uid, gid, tuple(sorted(groups)), home)


def numeric_identity(
    root: int, uid: int, gid: int, groups: tuple[int, ...]
) -> Identity:
    """Exactly these ids; only the home is from the root's /etc/passwd, if it is."""
    try:
        lines = _lines(root, "/etc/passwd", 7)
    except ContainerError:
        lines = []
    homes = (line[5] for line in lines if line[2] == str(uid))
    every = tuple(sorted({*groups, gid}))
    return Identity(uid, gid, every, next(homes, "") or "/")


def _group(root: int, group: str, user: str) -> int:
    found = _find(_lines(root, "/etc/group", 4), group)
    if found is not None:
        return _id(found[2], user)
    if _is_number(group):
        return _id(group, user)
    raise ContainerError(
        f"There is no group {group!r} in the container's /etc/group.",
        hint="Create it in the image (`RUN groupadd ...`), or give a number.",
    )


def _find(lines: list[list[str]], wanted: str) -> list[str] | None:
    """The first line with that name or number."""
    for line in lines:
        if wanted in (line[0], line[2]) and _is_number(line[2]):
            return line
    return None


def _lines(root: int, path: str, fields: int) -> list[list[str]]:
    """A colon-separated file's lines that have as many fields as they should."""
    try:
        data = read_in_root(root, path, _FILE_LIMIT)
    except OSError as error:
        reason = error.strerror
        if error.errno == errno.ENXIO:
            reason = "not a regular file"
        raise ContainerError(
            f"The container's {path} cannot be used: {reason}."
        ) from error
    if not data:
        return []
    text = data.decode("utf-8", "surrogateescape")
    split = [line.strip().split(":") for line in text.split("\n") if ":" in line]
    padded = [line + [""] * (fields - len(line)) for line in split]
    return [line for line in padded if line[0] and not line[0].startswith("#")]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _id(text: str, user: str) -> int:
    if not _is_number(text) or len(text) > 10 or int(text) >= _TOO_LARGE:
        raise ContainerError(
            f"User {user!r}: {text!r} is not an id.",
            hint=f"Ids are numbers from 0 to {_TOO_LARGE - 1}.",
        )
    return int(text)
