"""NamedContexts: what `--build-context NAME=…` puts in the place of stages and images.

A folder is read where it lies; an image (`docker-image://`, `oci-layout://`) is a base
like those of FROM; all else, repositories and archives, is a tree
(fetching/trees.py).
"""

from __future__ import annotations

from lamina.builder.solving.graph import FOLDER_ORIGIN
from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_IMAGE = "docker-image://"
_LAYOUT = "oci-layout://"


class NamedContexts:
    """The contexts by name, as in BuildInputs."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = given
        self._names = {name.lower(): name for name in given}

    def find(self, name: str) -> str:
        """The context that is meant by a stage's or an image's name; "" for none.

        An image's name may be written in several ways: debian is debian:latest.
        """
        if not self._given or name in ("", "scratch"):
            return ""
        found = self._names.get(name.lower(), "")
        if found:
            return found
        meant = _reference(name)
        same = (n for n in self._given if meant and _reference(n) == meant)
        return next(same, "")

    def address(self, name: str) -> str:
        return self._given[name]

    def folder_origin(self, name: str) -> int | None:
        """The origin of what is copied from a context that is a folder."""
        if not self._given[name].startswith("/"):
            return None
        return FOLDER_ORIGIN - tuple(self._given).index(name)

    def image(self, name: str) -> str:
        """The image that a context is, as FROM names it; "" for no image."""
        address = self._given[name]
        if address.startswith(_IMAGE):
            return address.removeprefix(_IMAGE)
        if address.startswith(_LAYOUT):
            return "oci-layout:" + address.removeprefix(_LAYOUT)
        return ""


def _reference(name: str) -> str:
    from lamina.oci.reference import parse_reference

    try:
        return str(parse_reference(name))
    except LaminaError:
        return ""
