"""The grammars' tables as files, for commands that have no store to keep them in.

Making them takes ten times as long as reading them. They lie in lamina/grammars below
$XDG_CACHE_HOME or ~/.cache; where that cannot be written, nothing is kept.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.settings import Settings

# Each version of Lamina has tables of its own, two files; the old ones go.
MOST_FILES = 8


class ParseCache:
    """A cache of `lang`. Parsed recipes are not kept: they would pile up."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def get(self, key: str) -> bytes | None:
        try:
            with open(f"{self._folder}/{key}", "rb") as file:
                return file.read()
        except OSError:
            return None

    def put(self, key: str, data: bytes) -> None:
        if not key.startswith("grammar-"):
            return
        path = f"{self._folder}/{key}"
        try:
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            self._prune()
            with open(f"{path}.{os.getpid()}", "xb") as file:
                file.write(data)
            os.rename(file.name, path)
        except OSError:
            return

    def _prune(self) -> None:
        with os.scandir(self._folder) as entries:
            known = sorted(entries, key=lambda entry: entry.stat().st_mtime_ns)
        for entry in known[: 1 - MOST_FILES]:
            os.unlink(entry.path)


def parse_cache(settings: Settings) -> ParseCache | None:
    """The cache of this user; None for who has no home."""
    environment = settings.environment
    home = environment.get("HOME", "")
    folder = environment.get("XDG_CACHE_HOME") or (f"{home}/.cache" if home else "")
    return ParseCache(f"{folder}/lamina/grammars") if os.path.isabs(folder) else None
