"""Errors of watching."""

from __future__ import annotations

from lamina.errors import LaminaError


class WatchLimit(LaminaError):
    """The kernel's limit of inotify watches or instances is reached."""
