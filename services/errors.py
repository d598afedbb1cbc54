"""What can be wrong with a compose file, and with what it asks for."""

from __future__ import annotations

from lamina.errors import LaminaError


class ComposeError(LaminaError):
    """A compose file that cannot be read, or that asks for what cannot be."""
