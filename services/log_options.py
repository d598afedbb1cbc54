"""`logging`: a driver and its options, as Options have them."""

from __future__ import annotations

from lamina.services.errors import ComposeError
from lamina.services.units import size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_FILES = ("max-size", "max-file", "compress", "mode", "max-buffer-size")
_ATTRIBUTES = ("labels", "labels-regex", "env", "env-regex", "tag")
_KNOWN = {"json-file": (*_FILES, *_ATTRIBUTES), "local": _FILES, "none": ()}


def log_options(keys: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of Options; raises ComposeError."""
    driver = keys.get("driver") or "json-file"
    if driver not in _KNOWN:
        raise ComposeError(
            f"There is no log driver {driver!r}.", hint=f"One of {', '.join(_KNOWN)}."
        )
    found = []
    for name, given in (keys.get("options") or {}).items():
        if name not in _KNOWN[driver]:
            raise ComposeError(
                f"The log driver {driver} knows no option {name!r}.",
                hint=f"{', '.join(_KNOWN[driver])}." if _KNOWN[driver] else "",
            )
        sized = name in ("max-size", "max-buffer-size")
        found.append(f"{name}={size(given) if sized else given}")
    return {"log_driver": driver, "log_options": tuple(found)}
