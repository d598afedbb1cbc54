"""How what is shown ended, as `end` in JSON and the last line of a screen call it."""

from __future__ import annotations

BUILT, FAILED, CANCELLED = "built", "failed", "cancelled"
