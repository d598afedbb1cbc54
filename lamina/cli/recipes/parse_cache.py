"""What was parsed before, as files, for commands that have no store to keep it in.

Tables of grammars take ten times as long to make as to read, and a recipe that was
parsed before as good as nothing. They lie in lamina/parsed below $XDG_CACHE_HOME or
~/.cache; where that cannot be written, nothing is kept.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.settings import Settings

# Of each kind of file so many are kept, the latest ones. Each version of Lamina has
# tables of its own, two files.
MOST_FILES = {"grammar": 8, "recipe": 100}


class ParseCache:
    """A cache of `lang` in a folder; `kinds` are those that it keeps."""

    def __init__(self, folder: str, kinds: tuple[str, ...] = (*MOST_FILES,)) -> None:
        self._folder = folder
        self._kinds = kinds

    def get(self, key: str) -> bytes | None:
        try:
            with open(f"{self._folder}/{key}", "rb") as file:
                return file.read()
        except OSError:
            return None

    def put(self, key: str, data: bytes) -> None:
        kind = key.partition("-")[0]
        if kind not in self._kinds:
            return
        path = f"{self._folder}/{key}"
        try:
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            self._prune(kind)
            name = f"{path}.{os.getpid()}"
            # What a recipe says may be nobody else's business.
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            with open(os.open(name, flags, 0o600), "wb") as file:
                file.write(data)
            os.rename(name, path)
        except OSError:
            return

    def _prune(self, kind: str) -> None:
        """Remove the oldest files of a kind: there is one more to come."""
        with os.scandir(self._folder) as entries:
            known = [entry for entry in entries if entry.name.startswith(f"{kind}-")]
        excess = len(known) - MOST_FILES[kind] + 1
        if excess > 0:
            known.sort(key=lambda entry: entry.stat().st_mtime_ns)
            for entry in known[:excess]:
                os.unlink(entry.path)


def parse_cache(
    settings: Settings, kinds: tuple[str, ...] = (*MOST_FILES,)
) -> ParseCache | None:
    """The cache of this user; None for who has no home."""
    environment = settings.environment
    home = environment.get("HOME", "")
    folder = environment.get("XDG_CACHE_HOME") or (f"{home}/.cache" if home else "")
    return (
        ParseCache(f"{folder}/lamina/parsed", kinds) if os.path.isabs(folder) else None
    )
