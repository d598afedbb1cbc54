"""Layers: the chain that a step stands on or makes, and what a key holds of it."""

from __future__ import annotations

from lamina.oci.digest import Digest

# The contents of a chain of layers, bottom first.
Layers = tuple[Digest, ...]


def result_digest(layers: tuple[Digest, ...]) -> str:
    """The digest of a chain of layers, bottom first: what a child's key holds."""
    return Digest.of(" ".join(layers).encode()) if layers else ""
