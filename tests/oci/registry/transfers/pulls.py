"""What tests of pulls ask for, and what they look at then."""

from __future__ import annotations

import os
from pathlib import Path

from lamina.oci.reference import Reference, parse_reference
from lamina.oci.registry.transfers.pull import Pulled
from lamina.oci.store.store import Store
from tests.oci.registry.server import Server


def name(server: Server, rest: str = "app:1") -> Reference:
    return parse_reference(f"{server.address}/{rest}")


def content(store: Store, pulled: Pulled, layer: int, path: str) -> bytes:
    return Path(store.layer_path(pulled.image.layers[layer]), path).read_bytes()


def is_empty(store: Store) -> bool:
    """No layer, no image, and nothing half done."""
    folders = ("layers", "skeletons", "tmp", "locks")
    left = [name for folder in folders for name in os.listdir(f"{store.root}/{folder}")]
    return not store.images() and not left


def spoiled_blob(data: bytes) -> bytes:
    return data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]
