"""Git repositories to fetch from, made as a user makes them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_DATE": "2024-05-06T07:08:09Z",
    "GIT_COMMITTER_DATE": "2024-05-06T07:08:09Z",
}
WRITTEN = 1714979289


def git(folder: Path, *args: str) -> str:
    """Run git as somebody who commits; what it prints."""
    config = ("user.name=a", "user.email=a@b", "protocol.file.allow=always")
    words = [word for given in config for word in ("-c", given)]
    command = ["git", *words, *args]
    done = subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, check=True, capture_output=True
    )
    return done.stdout.decode().strip()


def commit(folder: Path, **files: str) -> str:
    """Write files and commit them in a repository, a new one where there is none;
    `__` in a name is `/`, and `___` a dot. The commit."""
    if not (folder / ".git").exists():
        folder.mkdir(parents=True, exist_ok=True)
        git(folder, "init", "-q", "-b", "main")
    for name, content in files.items():
        path = folder / name.replace("___", ".").replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "change")
    return git(folder, "rev-parse", "HEAD")
