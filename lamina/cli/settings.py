"""Settings: the user's choices from flags and environment, read once."""

from __future__ import annotations

import os
from collections.abc import Mapping

from lamina.values import value


@value
class Settings:
    """Where state lives, and what the environment says; `environment` is a copy."""

    root: str
    environment: Mapping[str, str]


def settings_from(environment: Mapping[str, str], root: str | None = None) -> Settings:
    """`--root`, else $LAMINA_ROOT, else /var/lib/lamina for root, else XDG's place."""
    chosen = root or environment.get("LAMINA_ROOT") or _default_root(environment)
    return Settings(os.path.abspath(chosen), environment)


def _default_root(environment: Mapping[str, str]) -> str:
    if os.geteuid() == 0:
        return "/var/lib/lamina"
    home = environment.get("HOME") or "/"
    data = environment.get("XDG_DATA_HOME") or f"{home}/.local/share"
    return f"{data}/lamina"
