"""The short form of mounts."""

from __future__ import annotations

import posixpath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_PROPAGATIONS = ("shared", "slave", "private", "rshared", "rslave", "rprivate")
_CONSISTENCIES = ("consistent", "cached", "delegated")


class InvalidMount(Exception):
    """Why a text says no mount, and what to write."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def parse_mount(spec: str, absolute: Callable[[str], str]) -> dict[str, Any]:
    """The long form of `[SOURCE:]TARGET[:OPTIONS]`; `absolute` is asked for the path
    that a relative source means.

    Raises InvalidMount.
    """
    parts = spec.split(":")
    if "" in parts:
        raise InvalidMount("There is nothing before or behind a `:`.")
    if len(parts) > 3:
        hint = "A path with a `:` in it can be given in the long form."
        raise InvalidMount("There are too many `:`.", hint)
    if len(parts) == 1:
        return {"type": "volume", "target": target_path(spec), "volume": {}}
    source, target, *options = parts
    bind = source.startswith((".", "/", "~"))
    mount: dict[str, Any] = {
        "type": "bind" if bind else "volume",
        "source": absolute(source) if bind else source,
        "target": target_path(target),
    }
    own: dict[str, Any] = {}
    for option in options[0].split(",") if options else ():
        _option(option, mount, own)
    if bind:
        own["create_host_path"] = True
    if not bind and "/" in source:
        hint = f"A path begins with `./`: ./{source}"
        raise InvalidMount(f"{source!r} cannot be the name of a volume.", hint)
    mount[mount["type"]] = own
    return mount


def _option(option: str, mount: dict[str, Any], own: dict[str, Any]) -> None:
    bind = mount["type"] == "bind"
    if option == "ro":
        mount["read_only"] = True
    elif option == "rw" or not option:
        pass
    elif option in _CONSISTENCIES:
        mount["consistency"] = option
    elif option == "nocopy" and not bind:
        own["nocopy"] = True
    elif option in _PROPAGATIONS and bind:
        own["propagation"] = option
    elif option in ("z", "Z"):
        if bind:
            own["selinux"] = option
    else:
        raise InvalidMount(f"There is no option {option!r} for this mount.")


def target_path(target: str) -> str:
    """A path in the container, tidied. Raises InvalidMount."""
    if not target.startswith("/"):
        hint = f"Begin it with a slash: /{target}"
        raise InvalidMount(f"{target!r} is no absolute path in the container.", hint)
    return "/" + posixpath.normpath(target).lstrip("/")
