"""Temporary files: of editors, beside the file that is being saved, and git's lock."""

from __future__ import annotations

# Emacs, vim, Kate, JetBrains, gedit, nano; 4913 and on is vim's test for writing.
_ENDINGS = ("~", ".swp", ".swo", ".swx", ".kate-swp", "___jb_tmp___", "___jb_old___")
_STARTS = (".#", ".goutputstream-", ".nfs", ".fuse_hidden")
# Git has it while it changes the index or a working tree.
GIT, GIT_LOCK = ".git", "index.lock"
_VIM_PROBES = range(4913, 10000, 123)


def is_temporary(path: str) -> bool:
    """Whether an editor made `path` for the length of a save."""
    name = path.rpartition("/")[2]
    if name.isdecimal() and int(name) in _VIM_PROBES:
        return True
    if name.startswith("#") and name.endswith("#"):
        return True
    return name.endswith(_ENDINGS) or name.startswith(_STARTS)


def is_lock(path: str) -> bool:
    """Whether `path` says, by being there, that git is at work."""
    return path.endswith(f"/{GIT}/{GIT_LOCK}")
