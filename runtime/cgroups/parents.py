"""Cgroups below one that the user names: `--cgroup-parent`."""

from __future__ import annotations

import os

from lamina.runtime.cgroups.hierarchy import DELEGATION, MOUNT, NAMED, Hierarchy, make
from lamina.runtime.errors import LimitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


_LETTERS = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@"
)
_LONGEST = 255


def check_parent(parent: str) -> None:
    """Raises LimitError for a parent that would lead out of the hierarchy."""
    if os.path.normpath(parent).split("/")[0] == "..":
        raise LimitError(
            f"The cgroup parent {parent!r} leads out of the cgroups.",
            hint="It is absolute, as in /shop, or relative to their root.",
        )


def path_below(parent: str, name: str, known: Iterable[Hierarchy]) -> str:
    """The cgroup `name` of `parent`, relative to where cgroups can be made.

    An absolute parent counts from the root of the hierarchies, a relative one from
    what was delegated, for an ordinary user. Raises LimitError.
    """
    check_parent(parent)
    places = {h.base.removeprefix(h.mount).strip("/") for h in known if h.base}
    if not places:
        raise LimitError(
            f"This user may not write cgroups, and has none below {parent}.",
            hint=DELEGATION,
        )
    path = os.path.normpath(parent).strip("/")
    if parent.startswith("/"):
        inner = {_inside(path, place) for place in places}
        if len(inner) > 1 or None in inner:
            raise LimitError(
                f"This user may make cgroups below /{min(places)}, not in {parent}.",
                hint="A path without the slash in front is one below that.",
            )
        path = inner.pop() or ""
    return f"{path}/{name}" if path not in ("", ".") else name


def _inside(path: str, place: str) -> str | None:
    """What is left of a path below a place; None for one that is elsewhere."""
    if not place or path == place:
        return path.removeprefix(place)
    return path.removeprefix(f"{place}/") if path.startswith(f"{place}/") else None


def make_below(known: Iterable[Hierarchy], path: str) -> None:
    """Make the cgroup in every hierarchy, with those above it; raises LimitError."""
    for h in known:
        if h.base:
            controller = "freezer" if h.version == 2 else min(h.controllers, default="")
            try:
                make(h, path, controller, marked=True)
            except OSError as error:
                raise _impossible(h, path, error) from error


def make_named(path: str, mount: str = MOUNT) -> None:
    """Make the cgroup in systemd's own hierarchy, which has no controller and which
    other runtimes use: what they make above theirs there nobody would remove."""
    place = f"{mount}/{NAMED}"
    if os.access(f"{place}/tasks", os.W_OK):
        named = Hierarchy(1, place, place, frozenset())
        try:
            make(named, path, "", marked=True)
        except OSError as error:
            raise _impossible(named, path, error) from error


def _impossible(h: Hierarchy, path: str, error: OSError) -> LimitError:
    why = os.strerror(error.errno or 0)
    return LimitError(
        f"No cgroup can be made below {os.path.dirname(path)!r} in {h.base}: {why}.",
        hint="`--cgroup-parent` names one where this user may make others; a cgroup "
        "of version 2 that is threaded, or at its limit of descendants, takes none.",
    )


def is_slice(name: str) -> bool:
    """Whether a name is one that a slice can have."""
    words = name.removesuffix(".slice").split("-")
    return name == "-.slice" or (
        name.endswith(".slice") and is_unit(name) and all(words)
    )


def is_unit(name: str) -> bool:
    """Whether systemd takes it for the name of a unit (systemd.unit(5))."""
    return len(name) <= _LONGEST and not set(name) - _LETTERS
