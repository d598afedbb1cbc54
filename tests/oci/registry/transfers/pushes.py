"""Where tests push to."""

from __future__ import annotations

from lamina.oci.reference import Reference, parse_reference
from tests.oci.registry.server import (
    Server,
)


def name(server: Server, rest: str = "app:1") -> Reference:
    return parse_reference(f"{server.address}/{rest}")
