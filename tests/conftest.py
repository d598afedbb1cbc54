"""What tests need of the machine: said once, skipped with a reason where it lacks."""

from __future__ import annotations

import functools
import os
import socket
from urllib.parse import urlsplit

import pytest

from lamina.builder.bases.apt_sources import host_mirrors
from lamina.builder.errors import BootstrapFailed


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        root = item.get_closest_marker("root")
        if root is not None and os.geteuid() != 0:
            why = ": ".join(("needs the super-user", *root.args))
            item.add_marker(pytest.mark.skip(reason=why))
        if item.get_closest_marker("network") and not _mirror_answers():
            item.add_marker(pytest.mark.skip(reason="no package mirror answers"))


@functools.cache
def _mirror_answers() -> bool:
    """Whether the mirror of the host's apt can be connected to, or a proxy will."""
    if any(name.lower() in ("http_proxy", "https_proxy") for name in os.environ):
        return True
    try:
        uri = urlsplit(host_mirrors("debian")[0])
        address = (uri.hostname or "", uri.port or 80)
        with socket.create_connection(address, timeout=10):
            return True
    except (OSError, BootstrapFailed):
        return False
