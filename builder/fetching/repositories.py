"""Repositories: commits of git repositories, fetched into mirrors that are kept.

The `git` program does the work, on a short leash: no configuration but ours, no hooks,
no questions, only the protocols that an address may have. Trees are written by
`checkout-index`, submodules are repositories of their own (git-submodule(1) and its
history of CVEs, such as CVE-2018-11235, never runs).
"""

from __future__ import annotations

import os
import shutil
import stat
import time
from typing import TYPE_CHECKING

from lamina.builder.errors import DownloadFailed, MissingSource
from lamina.builder.fetching.git_program import Git
from lamina.builder.fetching.git_source import (
    GitSource,
    checked,
    is_commit,
    is_git,
    shown,
)
from lamina.builder.meter import Meters
from lamina.oci.digest import Digest
from lamina.values import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.oci.store.store import Store

_DEEPEST = 10
# A mirror that no build used for so long goes when another one is fetched.
_UNUSED = 30 * 24 * 3600
_ALL = "--depth=2147483647"


class Repositories:
    """The mirrors of a store. `tools` are the variables that find git and ssh's agent,
    `proxies` those of the network; `meters` are told of what is fetched, and end it.
    """

    def __init__(
        self,
        store: Store,
        tools: Mapping[str, str],
        proxies: Mapping[str, str],
        meters: Meters | None = None,
    ) -> None:
        self._store = store
        self._meters = meters or Meters()
        self._git = Git(tools, proxies, self._meters.cancelled)
        self._commits: dict[GitSource, str] = {}

    def commit(self, source: GitSource) -> str:
        """The commit that `source` means now. Raises DownloadFailed."""
        if source not in self._commits:
            found = source.ref if source.is_pinned else self._look_up(source)
            if not found.startswith(source.checksum):
                raise DownloadFailed(
                    f"{source} is the commit {found}, not {source.checksum}.",
                    hint="It moved on, or the checksum is another commit's.",
                )
            self._commits[source] = found
        return self._commits[source]

    def check_out(self, source: GitSource, commit: str, folder: str) -> int:
        """Write the files of a commit into the empty `folder`; the commit's time.

        All files have that time, so that the same commit is the same tree.
        """
        seconds = self._check_out(source, commit, folder, 0)
        for path, _, names in os.walk(folder, topdown=False):
            for name in (*names, "."):
                place = f"{path}/{name}"
                os.utime(place, (seconds, seconds), follow_symlinks=False)
            for name in os.listdir(path):
                if os.path.islink(f"{path}/{name}"):
                    times = (seconds, seconds)
                    os.utime(f"{path}/{name}", times, follow_symlinks=False)
        return seconds

    def _look_up(self, source: GitSource) -> str:
        """What the repository's server says of a ref, branches before tags."""
        ref = source.ref or "HEAD"
        listed = self._git.run(
            "ls-remote", "--", source.url, ref, f"{ref}^{{}}", of=source
        )
        lines: dict[str, str] = {}
        for line in listed.splitlines():
            commit, _, name = line.partition("\t")
            lines[name] = commit
        plain = ref.removeprefix("refs/")
        for name in (ref, f"refs/{plain}", f"refs/heads/{ref}", f"refs/tags/{ref}"):
            if name in lines:
                return lines.get(f"{name}^{{}}", lines[name])
        if len(ref) >= 7 and is_commit(ref.ljust(40, "0")):
            with self._store.alone(self._lock(source), self._meters.cancelled):
                mirror = self._mirror(source)
                self._fetch_all(source, mirror)
                found = self._git.attempt(
                    "rev-parse", "-q", "--verify", f"{ref}^{{commit}}", mirror=mirror
                )
            if found:
                return str(found).strip()
        raise DownloadFailed(
            f"{shown(source.url)} has no branch, tag or commit {ref!r}.",
            hint=f"See what it has: git ls-remote {shown(source.url)}",
        )

    def _check_out(
        self, source: GitSource, commit: str, folder: str, depth: int
    ) -> int:
        with self._store.alone(self._lock(source), self._meters.cancelled):
            mirror = self._with_commit(source, commit)
            seconds = self._write_tree(source, commit, folder, mirror)
            links = self._links(source, commit, folder, mirror)
        for path, url, inner in links:
            if depth == _DEEPEST:
                raise DownloadFailed(f"{source} has submodules in a circle.")
            place = _beneath(folder, path, source)
            below = replace(source, url=url, ref=inner, subdir="", checksum="")
            self._check_out(checked(below), inner, place, depth + 1)
        if source.subdir:
            _narrow(source, folder)
        return seconds

    def _with_commit(self, source: GitSource, commit: str) -> str:
        """The mirror, which then has the commit."""
        mirror = self._mirror(source)
        if self._has(mirror, commit):
            os.utime(mirror)
            return mirror
        self._collect()
        wanted = f"+{commit}:refs/lamina/{commit}"
        if self._fetch(source, mirror, "--depth=1", wanted) is None:
            self._fetch_all(source, mirror)
            name = f"refs/lamina/{commit}"
            self._git.attempt("update-ref", name, commit, mirror=mirror)
        if not self._has(mirror, commit):
            raise DownloadFailed(
                f"{shown(source.url)} has no commit {commit}.",
                hint="Is it pushed, and on a branch or tag?",
            )
        kind = self._git.run("cat-file", "-t", commit, mirror=mirror).strip()
        if kind != "commit":
            raise DownloadFailed(
                f"{commit} of {shown(source.url)} is a {kind}, and no commit.",
                hint="Name a branch, a tag or a commit.",
            )
        return mirror

    def _fetch_all(self, source: GitSource, mirror: str) -> None:
        refs = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        args = ("fetch", "-q", "--force", "--no-tags", _ALL, "--", source.url, *refs)
        meter = self._meters.meter(str(source))
        self._git.run(*args, of=source, mirror=mirror, meter=meter)
        meter.end()

    def _fetch(self, source: GitSource, mirror: str, *args: str) -> str | None:
        options, refs = args[:-1], args[-1]
        meter = self._meters.meter(str(source))
        fetched = self._git.attempt(
            "fetch",
            "-q",
            "--force",
            "--no-tags",
            *options,
            "--",
            source.url,
            refs,
            mirror=mirror,
            of=source,
            meter=meter,
        )
        meter.end()
        return fetched

    def _has(self, mirror: str, commit: str) -> bool:
        """Whether all of a commit is here; a fetch that died leaves no part of it."""
        name = f"refs/lamina/{commit}"
        args = ("rev-parse", "-q", "--verify", name)
        return self._git.attempt(*args, mirror=mirror) is not None

    def _mirror(self, source: GitSource) -> str:
        """The folder of a repository's mirror, made when it is new."""
        path = f"{self._store.root}/git/{_name(source)}"
        if not os.path.exists(f"{path}/HEAD"):
            shutil.rmtree(path, ignore_errors=True)
            os.makedirs(path, 0o700, exist_ok=True)
            self._git.run("init", "-q", "--bare", "--template=", path)
        for name in ("shallow.lock", "packed-refs.lock", "config.lock"):
            if os.path.exists(f"{path}/{name}"):
                os.unlink(f"{path}/{name}")  # of a git that was killed: we are alone
        return path

    def _collect(self) -> None:
        """Remove the mirrors that were not used for long."""
        parent = f"{self._store.root}/git"
        for name in os.listdir(parent):
            path = f"{parent}/{name}"
            if os.stat(path).st_mtime < time.time() - _UNUSED:
                self._store.discard(path)

    def _lock(self, source: GitSource) -> str:
        return f"git-{_name(source)}"

    def _write_tree(
        self, source: GitSource, commit: str, folder: str, mirror: str
    ) -> int:
        index = f"{folder}.index"
        try:
            for args in (("read-tree", commit), ("checkout-index", "-a", "-q", "-f")):
                self._git.run(
                    *args, of=source, mirror=mirror, folder=folder, index=index
                )
        finally:
            if os.path.exists(index):
                os.unlink(index)
        if source.keep_git_dir and not source.subdir:
            self._write_git_dir(source, commit, folder, mirror)
        told = self._git.run("log", "-1", "--format=%ct", commit, mirror=mirror)
        return int(told)

    def _write_git_dir(
        self, source: GitSource, commit: str, folder: str, mirror: str
    ) -> None:
        """A `.git` with this commit alone; the same bytes each time: no logs, no
        index with the times of this machine."""
        inner = f"{folder}/.git"
        self._git.run("init", "-q", "--template=", folder)
        fetch = ("fetch", "-q", "--no-tags", "--depth=1", f"file://{mirror}")
        name = f"refs/lamina/{commit}"
        self._git.run(*fetch, name, mirror=inner, local=True)
        branch = source.ref.removeprefix("refs/heads/")
        if branch and not source.ref.startswith("refs/tags/") and not is_commit(branch):
            self._git.attempt(
                "symbolic-ref", "HEAD", f"refs/heads/{branch}", mirror=inner
            )
        self._git.run("update-ref", "HEAD", commit, mirror=inner)
        self._git.run("read-tree", commit, mirror=inner)
        self._git.run("config", "remote.origin.url", shown(source.url), mirror=inner)
        shutil.rmtree(f"{inner}/logs", ignore_errors=True)
        for name in ("FETCH_HEAD", "COMMIT_EDITMSG"):
            if os.path.exists(f"{inner}/{name}"):
                os.unlink(f"{inner}/{name}")

    def _links(
        self, source: GitSource, commit: str, folder: str, mirror: str
    ) -> list[tuple[str, str, str]]:
        """The submodules of a commit: path, address and commit of each."""
        modules = f"{folder}/.gitmodules"
        if not source.submodules or not _is_file(modules):
            return []
        pattern = r"^submodule\..*\.(path|url)$"
        told = (
            self._git.attempt("config", "-f", modules, "-z", "--get-regexp", pattern)
            or ""
        )
        named: dict[str, dict[str, str]] = {}
        for line in told.split("\0"):
            key, _, given = line.partition("\n")
            name, _, field = key.rpartition(".")
            named.setdefault(name, {})[field] = given
        urls = {m["path"]: m["url"] for m in named.values() if len(m) > 1}
        listed = self._git.run(
            "ls-tree", "-r", "-z", "--full-tree", commit, mirror=mirror
        )
        found = []
        for line in listed.split("\0"):
            head, _, path = line.partition("\t")
            if head.startswith("160000") and path in urls:
                url = _joined(source.url, urls[path])
                _check_protocol(source, url, path)
                found.append((path, url, head.split()[2]))
        return found


def _name(source: GitSource) -> str:
    return str(Digest.of(source.url.encode(errors="surrogateescape")).hex)[:32]


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def _joined(parent: str, url: str) -> str:
    """A submodule's address; `../x` is beside its parent (gitmodules(5))."""
    if not url.startswith(("./", "../")):
        return url if "://" in url or is_git(url) else f"file://{os.path.abspath(url)}"
    base = parent.rstrip("/")
    while url.startswith(("./", "../")):
        if url.startswith("../"):
            base = base.rpartition("/")[0]
        url = url.partition("/")[2]
    return f"{base}/{url}"


def _check_protocol(source: GitSource, url: str, path: str) -> None:
    """A repository of the network gets nothing from this machine (CVE-2022-39253)."""
    scheme = url.partition("://")[0] if "://" in url else "ssh"
    allowed = ("http", "https", "ssh", "git", *(("file",) if source.is_local else ()))
    if scheme not in allowed:
        raise DownloadFailed(
            f"The submodule {path} of {source} is at {shown(url)}, which a repository"
            " from there may not name.",
            hint="Leave it out: ?submodules=false",
        )


def _beneath(folder: str, path: str, source: GitSource) -> str:
    """The folder of a submodule, which no link leads to."""
    place = f"{folder}/{path}"
    parent = os.path.dirname(place)
    if ".." in path.split("/") or os.path.realpath(parent) != os.path.normpath(parent):
        raise DownloadFailed(f"The submodule {path} of {source} lies behind a link.")
    if os.path.islink(place) or (os.path.isdir(place) and os.listdir(place)):
        raise DownloadFailed(f"The submodule {path} of {source} is in the way.")
    os.makedirs(place, exist_ok=True)
    return place


def _narrow(source: GitSource, folder: str) -> None:
    """Leave only the wanted folder, in place of all."""
    inner = f"{folder}/{source.subdir}"
    root = os.path.realpath(folder)
    if not os.path.isdir(inner) or not os.path.realpath(inner).startswith(root + "/"):
        raise MissingSource(f"{source} has no folder {source.subdir!r}.")
    inner, aside = os.path.realpath(inner), f"{folder}.all"
    os.rename(folder, aside)
    os.rename(aside + inner[len(root) :], folder)
    shutil.rmtree(aside)
