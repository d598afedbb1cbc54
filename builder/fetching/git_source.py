"""GitSource: a repository, and what of it is wanted, as addresses spell it.

`URL#REF:SUBDIR`, or BuildKit's `URL?ref=…&subdir=…`. An address is a repository's when
its scheme is git, ssh or file, when it is `user@host:path`, or when the path of an
http(s) address ends in `.git`, as in BuildKit.
"""

from __future__ import annotations

import os
import posixpath

from lamina.builder.errors import DownloadFailed
from lamina.values import replace, value

_SCHEMES = ("git://", "ssh://", "file://", "http://", "https://")
_WEB = ("http://", "https://")
_COMMIT = frozenset("0123456789abcdef")
_REFS = {"ref": "", "branch": "refs/heads/", "tag": "refs/tags/"}
_PARTS = {"subdir": "subdir", "checksum": "checksum", "commit": "checksum"}
_SWITCHES = {"keep-git-dir": "keep_git_dir", "submodules": "submodules"}
_HINT = "As in https://example.org/app.git#main:folder"


@value
class GitSource:
    """`ref` is a branch, tag or commit, "" for what HEAD is; `subdir` a path without
    `..`, "" for all; `checksum` the beginning of the commit that it has to be."""

    url: str
    ref: str = ""
    subdir: str = ""
    checksum: str = ""
    keep_git_dir: bool = False
    submodules: bool = True

    @property
    def is_pinned(self) -> bool:
        """Whether the ref is a whole commit: then it means the same for ever."""
        return is_commit(self.ref)

    @property
    def is_local(self) -> bool:
        """Whether the repository lies on this machine."""
        return self.url.startswith("file://")

    def __str__(self) -> str:
        """The address for people: without a password."""
        rest = f"#{self.ref}" if self.ref else ""
        if self.subdir:
            rest = f"{rest or '#'}:{self.subdir}"
        return shown(self.url) + rest


def is_commit(text: str) -> bool:
    """Whether this is a whole commit id, of sha1 or sha256."""
    return len(text) in (40, 64) and _COMMIT.issuperset(text)


def is_git(text: str) -> bool:
    """Whether an address is that of a repository."""
    base = text.partition("#")[0].partition("?")[0]
    if base.startswith(_WEB):
        return base.rstrip("/").endswith(".git")
    if base.startswith(_SCHEMES):
        return True
    return _is_ssh(base)


def parse_git(text: str) -> GitSource:
    """The repository that an address `is_git` of names. Raises DownloadFailed."""
    address, _, fragment = text.partition("#")
    url, _, query = address.partition("?")
    ref, _, subdir = fragment.partition(":")
    source = GitSource(url, ref, subdir)
    if query:
        source = _with_query(source, query, text)
    if url.startswith("file://") and not url.startswith("file:///"):
        raise DownloadFailed(
            f"{text} has no absolute path.", hint="As in file:///srv/app.git#main"
        )
    return checked(source)


def local_repository(text: str) -> GitSource | None:
    """The repository in a folder: `FOLDER#REF`, where FOLDER is one."""
    folder, number, _ = text.partition("#")
    if not number or os.path.isdir(text) or not os.path.isdir(folder):
        return None
    return parse_git(f"file://{os.path.abspath(folder)}{text[len(folder) :]}")


def with_flags(source: GitSource, checksum: str, keep_git_dir: bool) -> GitSource:
    """What ADD's own flags add to an address."""
    found = replace(source, keep_git_dir=source.keep_git_dir or keep_git_dir)
    return checked(replace(found, checksum=checksum)) if checksum else found


def checked(source: GitSource) -> GitSource:
    """The source, with a plain `subdir`; refuses what git could take for an option,
    and what leads out of the repository. Raises DownloadFailed."""
    for part in (source.url, source.ref):
        if part.startswith("-") or not part.isprintable() or " " in part:
            raise DownloadFailed(f"{part!r} cannot be part of a repository's address.")
    host = source.url.partition("://")[2] or source.url
    if host.startswith("-") or "@-" in host:
        raise DownloadFailed(f"{shown(source.url)} has an impossible host.")
    if ".." in source.ref or ":" in source.ref or "\\" in source.ref:
        raise DownloadFailed(f"{source.ref!r} is no branch, tag or commit.", hint=_HINT)
    parts = source.subdir.split("/")
    if ".." in parts or "\0" in source.subdir:
        raise DownloadFailed(
            f"The folder {source.subdir!r} is not in the repository.", hint=_HINT
        )
    checksum = source.checksum.removeprefix("sha1:").removeprefix("sha256:").lower()
    if checksum and not (len(checksum) >= 7 and _COMMIT.issuperset(checksum)):
        raise DownloadFailed(
            f"--checksum of a repository is a commit, not {source.checksum!r}.",
            hint="Give the whole commit id: --checksum=$(git rev-parse HEAD)",
        )
    subdir = posixpath.normpath("/" + source.subdir).strip("/")
    return replace(source, subdir=subdir, checksum=checksum)


def shown(url: str) -> str:
    """An address without the password in it."""
    scheme, colon, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    user, at, host = authority.rpartition("@")
    if not colon or ":" not in user:
        return url
    return f"{scheme}://{user.partition(':')[0]}:***{at}{host}{slash}{path}"


def without_user(url: str) -> tuple[str, str, str]:
    """An address of the web without `user:password@`, the user and the password."""
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(url)
    if not url.startswith(_WEB) or parts.username is None:
        return url, "", ""
    host = parts.netloc.rpartition("@")[2]
    user, password = unquote(parts.username), unquote(parts.password or "")
    if not (user + password).isprintable():
        raise DownloadFailed(f"The user of {shown(url)} has characters that none has.")
    return parts._replace(netloc=host).geturl(), user, password


def _is_ssh(base: str) -> bool:
    """`user@host:path`, as ssh and scp have it."""
    user, at, rest = base.partition("@")
    host, colon, path = rest.partition(":")
    plain = "/" not in user and "/" not in host and ":" not in user
    return bool(user and at and host and colon and path and plain)


def _with_query(source: GitSource, query: str, text: str) -> GitSource:
    from urllib.parse import parse_qsl

    if source.ref or source.subdir:
        raise DownloadFailed(
            f"{text} says what it wants after `?` and after `#`.",
            hint="One of both: ?ref=main&subdir=folder, or #main:folder",
        )
    found: dict[str, str | bool] = {}
    for key, given in parse_qsl(query, keep_blank_values=True):
        if key in _REFS:
            if "ref" in found:
                raise DownloadFailed(f"{text} names two refs.")
            prefix = "" if given.startswith("refs/") else _REFS[key]
            found["ref"] = prefix + given
        elif key in _PARTS:
            found[_PARTS[key]] = given
        elif key == "mtime":
            _check_times(given, text)
        elif key in _SWITCHES:
            found[_SWITCHES[key]] = given.lower() not in ("0", "false", "f")
        # How a commit is asked for is ours to know: it is tried by its id first.
        elif key != "fetch-by-commit":
            raise DownloadFailed(
                f"{text}: a repository's address knows no {key!r}.",
                hint=f"It has {', '.join((*_REFS, 'subdir', 'checksum', *_SWITCHES))}.",
            )
    source = replace(source, **found)
    if source.checksum and not source.ref and is_commit(source.checksum):
        # BuildKit: a commit without a ref is the one that is wanted.
        return replace(source, ref=source.checksum)
    return source


def _check_times(given: str, text: str) -> None:
    """Files of a repository have their commit's time, so that it is the same tree."""
    if given != "commit":
        raise DownloadFailed(
            f"{text}: files have the time of their commit, not {given!r}.",
            hint="Leave ?mtime out, or write ?mtime=commit.",
        )
