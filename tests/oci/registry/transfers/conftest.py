"""An image to push."""

from __future__ import annotations

import pytest

from lamina.oci.store.store import Image, Store
from tests.busybox import make_image


@pytest.fixture
def image(store: Store) -> Image:
    """An image of two layers that was never at a registry."""
    return make_image(store)
