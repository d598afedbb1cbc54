"""Fetched: a file that ADD brought from elsewhere."""

from __future__ import annotations

from lamina.values import value


@value
class Fetched:
    """A file that was downloaded to `path`; `mtime` in ns, None when nobody told."""

    name: str
    path: str
    mtime: int | None
    mode: int = 0o600
