"""Which ids files can have: a user namespace may have but one (user_namespaces(7))."""

from __future__ import annotations


def has_one_id(pid: int = 0) -> bool:
    """Whether a process (this one by default) is in a namespace of a single user id,
    where every file is root's, and nobody else's."""
    try:
        with open(f"/proc/{pid or 'self'}/uid_map", "rb") as file:
            return file.read().split()[2:] == [b"1"]
    except OSError:
        return False
