"""The epoch: the one time that everything new in an image carries.

`--source-date-epoch`, else $SOURCE_DATE_EPOCH, else the commit time of a clean git
checkout, else none: then times are kept as they are, as Docker keeps them.
https://reproducible-builds.org/specs/source-date-epoch/
"""

from __future__ import annotations

import os
import time

from lamina.builder.errors import InvalidOption
from lamina.values import value

# The last second that RFC 3339, which an image's config has it in, can say.
_LAST = 253402300799
_LONGEST = 20


@value
class Epoch:
    """Seconds since 1970, or None; `origin` says where it is from, for people."""

    seconds: int | None
    origin: str

    def __str__(self) -> str:
        if self.seconds is None:
            return f"epoch: none, {self.origin}: times are kept as they are"
        day = time.strftime("%Y-%m-%d", time.gmtime(self.seconds))
        return f"epoch: {day}, {self.origin}"


def find_epoch(option: str | None, variable: str | None, directory: str) -> Epoch:
    """The epoch of a build in `directory`; raises InvalidOption for a wrong number."""
    if option is not None:
        return Epoch(_number(option, "--source-date-epoch"), "--source-date-epoch")
    if variable:
        return Epoch(_number(variable, "$SOURCE_DATE_EPOCH"), "$SOURCE_DATE_EPOCH")
    if directory and _in_git(directory):
        return _commit(directory)
    return Epoch(None, "no git checkout")


def _number(text: str, name: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= _LONGEST:
        seconds = int(text)
        if seconds <= _LAST:
            return seconds
    raise InvalidOption(
        f"{name} is {text!r}, which is no number of seconds.",
        hint="Give the seconds since 1970, such as `$(git log -1 --format=%ct)`.",
    )


def _in_git(directory: str) -> bool:
    """Whether a `.git` lies here or above: without one, git need not be asked."""
    while True:
        if os.path.lexists(f"{directory}/.git"):
            return True
        above = os.path.dirname(directory)
        if above == directory:
            return False
        directory = above


def _commit(directory: str) -> Epoch:
    status = _git(directory, "status", "--porcelain", "--", ".")
    if status is None:
        return Epoch(None, "git does not answer")
    if status:
        return Epoch(None, "uncommitted changes")
    commit = _git(directory, "log", "-1", "--format=%ct %h")
    if not commit:
        return Epoch(None, "no commit yet")
    seconds, short = commit.split()
    return Epoch(int(seconds), f"commit {short}")


def _git(directory: str, *args: str) -> str | None:
    """What git prints; None when it is not there or fails."""
    import subprocess

    command = ("git", "-C", directory, "--no-optional-locks", *args)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
