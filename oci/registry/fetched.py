"""Fetched: a manifest or an index with its bytes, wherever it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.values import value

if TYPE_CHECKING:
    from lamina.oci.digest import Digest
    from lamina.oci.manifest import Descriptor, Index, Manifest


@value
class Fetched:
    """A manifest or an index: its bytes as they came, what they are, what they say."""

    data: bytes
    descriptor: Descriptor
    document: Manifest | Index

    @property
    def digest(self) -> Digest:
        return self.descriptor.digest
