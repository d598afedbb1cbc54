"""Commits of repositories, and the mirrors that they come through."""

from __future__ import annotations

import base64
import functools
import os
import socket
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lamina.builder.errors import DownloadFailed, MissingSource, Stopped
from lamina.builder.fetching.git_source import GitSource, parse_git
from lamina.builder.fetching.repositories import Repositories
from lamina.builder.meter import Meters
from lamina.oci.store.store import Store
from tests.builder.fetching.repositories import WRITTEN, commit, git

TOOLS = {"PATH": os.environ["PATH"]}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(str(tmp_path / "store"))
    yield opened
    opened.close()


@pytest.fixture
def app(tmp_path: Path) -> Path:
    commit(tmp_path / "app", one="1", sub__two="2")
    return tmp_path / "app"


def source(folder: Path, rest: str = "") -> GitSource:
    return parse_git(f"file://{folder}{rest}")


def checked_out(store: Store, wanted: GitSource, place: Path) -> dict[str, str]:
    """The files of a commit, by path."""
    repositories = Repositories(store, TOOLS, {})
    place.mkdir()
    seconds = repositories.check_out(wanted, repositories.commit(wanted), str(place))
    assert seconds == WRITTEN
    paths = sorted(path for path in place.rglob("*") if path.is_file())
    assert {int(path.lstat().st_mtime) for path in paths} == {WRITTEN}
    return {str(path.relative_to(place)): path.read_text() for path in paths}


def test_branches_tags_commits_and_folders(
    store: Store, app: Path, tmp_path: Path
) -> None:
    git(app, "tag", "-a", "-m", "x", "v1")
    first = git(app, "rev-parse", "HEAD")
    second = commit(app, one="changed")
    repositories = Repositories(store, TOOLS, {})
    refs = {"": second, "#main": second, "#v1": first, "#refs/tags/v1": first}
    for ref, expected in (
        *refs.items(),
        (f"#{first}", first),
        (f"#{first[:8]}", first),
    ):
        assert repositories.commit(source(app, ref)) == expected
    whole = checked_out(store, source(app, "#v1"), tmp_path / "a")
    assert whole == {"one": "1", "sub/two": "2"}
    assert checked_out(store, source(app, "#:sub"), tmp_path / "b") == {"two": "2"}
    with pytest.raises(DownloadFailed, match="no branch, tag or commit"):
        repositories.commit(source(app, "#nowhere"))
    with pytest.raises(MissingSource, match="no folder"):
        checked_out(store, source(app, "#:one"), tmp_path / "c")


def test_a_branch_goes_before_a_tag(store: Store, app: Path) -> None:
    first = git(app, "rev-parse", "HEAD")
    git(app, "tag", "same")
    second = commit(app, one="changed")
    git(app, "branch", "same")
    repositories = Repositories(store, TOOLS, {})
    assert repositories.commit(source(app, "#same")) == second
    assert repositories.commit(source(app, "?tag=same")) == first


def test_the_commit_has_to_be_the_checksum(store: Store, app: Path) -> None:
    head = git(app, "rev-parse", "HEAD")
    repositories = Repositories(store, TOOLS, {})
    assert repositories.commit(source(app, f"?checksum={head[:9]}")) == head
    with pytest.raises(DownloadFailed, match="is the commit"):
        repositories.commit(source(app, "?checksum=0000000"))


def test_a_ref_that_is_no_commit_says_so(
    store: Store, app: Path, tmp_path: Path
) -> None:
    tree = git(app, "rev-parse", "HEAD^{tree}")
    with pytest.raises(DownloadFailed, match=r"is a tree|has no commit"):
        checked_out(store, source(app, f"#{tree}"), tmp_path / "tree")


def test_a_commit_that_is_here_needs_no_repository(
    store: Store, app: Path, tmp_path: Path
) -> None:
    head = git(app, "rev-parse", "HEAD")
    checked_out(store, source(app), tmp_path / "a")
    wanted = source(app, f"#{head}")
    app.rename(tmp_path / "moved")
    assert "one" in checked_out(store, wanted, tmp_path / "b")


def test_submodules_are_there_unless_left_out(
    store: Store, app: Path, tmp_path: Path
) -> None:
    commit(tmp_path / "lib", lib="3")
    git(app, "submodule", "--quiet", "add", "../lib", "deep/lib")
    commit(app, one="with")
    found = checked_out(store, source(app), tmp_path / "a")
    assert found["deep/lib/lib"] == "3"
    without = checked_out(store, source(app, "?submodules=false"), tmp_path / "b")
    assert "deep/lib/lib" not in without


def test_a_git_folder_is_the_same_each_time(
    store: Store, app: Path, tmp_path: Path
) -> None:
    wanted = source(app, "?branch=main&keep-git-dir=1")
    repositories = Repositories(store, TOOLS, {})
    trees = []
    for name in ("a", "b"):
        place = tmp_path / name
        place.mkdir()
        repositories.check_out(wanted, repositories.commit(wanted), str(place))
        files = (path for path in place.rglob("*") if path.is_file())
        trees.append({str(p.relative_to(place)): p.read_bytes() for p in files})
        # The index knows no times yet, as after a fresh read-tree.
        git(place, "update-index", "-q", "--refresh")
        assert git(place, "status", "--porcelain", "-b") == "## main"
    assert trees[0] == trees[1]


def test_no_hook_and_no_filter_runs(store: Store, app: Path, tmp_path: Path) -> None:
    """CVE-2024-32002 and its kin: nothing in a repository is a program for us."""
    trap = tmp_path / "trap"
    hook = f"#!/bin/sh\ntouch {trap}\n"
    for name in ("post-checkout", "pre-upload-pack", "reference-transaction"):
        path = app / ".git" / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(hook)
        path.chmod(0o755)
    commit(app, ___gitattributes="* filter=evil\n", ___git_config="[core]\n")
    git(app, "config", "filter.evil.smudge", f"touch {trap}")
    trap.unlink(missing_ok=True)
    checked_out(store, source(app), tmp_path / "a")
    assert not trap.exists()


def test_a_submodule_of_the_network_names_nothing_of_this_machine(
    store: Store, app: Path, tmp_path: Path
) -> None:
    from lamina.builder.fetching.repositories import _check_protocol

    remote = parse_git("https://example.org/x.git")
    with pytest.raises(DownloadFailed, match="may not name"):
        _check_protocol(remote, f"file://{app}", "lib")
    with pytest.raises(DownloadFailed, match="may not name"):
        _check_protocol(remote, "ext::sh -c id://x", "lib")
    _check_protocol(remote, "git@host:x", "lib")


def test_a_server_that_does_not_answer_is_left(store: Store) -> None:
    stopped = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        threading.Timer(0.3, stopped.set).start()
        wanted = parse_git(f"git://127.0.0.1:{silent.getsockname()[1]}/x")
        meters = Meters(cancelled=stopped.is_set)
        repositories = Repositories(store, TOOLS, {}, meters)
        with pytest.raises(Stopped, match="stopped"):
            repositories.commit(wanted)


def test_git_is_not_here(store: Store, app: Path) -> None:
    with pytest.raises(MissingSource) as caught:
        Repositories(store, {"PATH": "/nowhere"}, {}).commit(source(app))
    assert "apt-get install git" in caught.value.hint


class Private(SimpleHTTPRequestHandler):
    """A repository for `me`, and a look at the list of processes at each request."""

    server: PrivateServer

    def do_GET(self) -> None:
        self.server.told.append(self.headers["Authorization"])
        port = str(self.server.server_port).encode()
        words = map(_words, Path("/proc").glob("[0-9]*"))
        self.server.seen += b"\n".join(word for word in words if port in word)
        if self.server.away:
            self.send_response(302)
            self.send_header("Location", self.server.away + self.path)
            self.end_headers()
        elif self.headers["Authorization"] != ME:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        """Nothing."""


class PrivateServer(ThreadingHTTPServer):
    away = ""

    def __init__(self, folder: Path) -> None:
        handler = functools.partial(Private, directory=str(folder))
        super().__init__(("127.0.0.1", 0), handler)
        self.told: list[str | None] = []
        self.seen = b""

    def __enter__(self) -> PrivateServer:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


ME = "Basic " + base64.b64encode(b"me:a word @ hand").decode()


def _words(process: Path) -> bytes:
    try:
        return Path(process, "cmdline").read_bytes()
    except OSError:
        return b""


def test_a_password_is_in_no_list_of_processes(store: Store, app: Path) -> None:
    git(app, "update-server-info")
    with PrivateServer(app) as server:
        host = f"127.0.0.1:{server.server_port}"
        wanted = parse_git(f"http://me:a%20word%20%40%20hand@{host}/.git#main")
        found = Repositories(store, TOOLS, {}).commit(wanted)
    assert found == git(app, "rev-parse", "main")
    assert ME in server.told
    assert host.encode() in server.seen
    assert b"hand" not in server.seen


def test_another_host_is_not_told_who_asks(store: Store, app: Path) -> None:
    git(app, "update-server-info")
    with PrivateServer(app) as other, PrivateServer(app) as server:
        server.away = f"http://127.0.0.1:{other.server_port}"
        host = f"127.0.0.1:{server.server_port}"
        wanted = parse_git(f"http://me:a%20word%20%40%20hand@{host}/.git#main")
        with pytest.raises(DownloadFailed) as caught:
            Repositories(store, TOOLS, {}).commit(wanted)
    assert other.told
    assert set(other.told) == {None}
    assert "hand" not in caught.value.message
