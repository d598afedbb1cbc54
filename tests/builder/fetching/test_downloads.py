"""ADD of an address: what is fetched, and what is refused."""

from __future__ import annotations

import fcntl
import hashlib
import os
import ssl
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lamina.builder.errors import DownloadFailed, Stopped
from lamina.builder.events import Event, Transfer
from lamina.builder.fetching.downloads import Downloads, file_name
from lamina.builder.meter import Meters
from lamina.oci.digest import Digest
from tests.oci.registry import server as registry
from tests.registries import Authority

BODY = b"the file"
DIGEST = Digest.of(BODY)


class Server(ThreadingHTTPServer):
    asked: list[str]
    agents: set[str]
    told: list[str | None]
    dated: tuple[bytes, str]
    released: threading.Event


class Handler(BaseHTTPRequestHandler):
    """Some files, some ways to go wrong."""

    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.server.agents.add(self.headers["User-Agent"])
        path = self.path.partition("?")[0]
        self.server.told.append(self.headers["Authorization"])
        if path == "/moved":
            self._head(302, Location="/file.txt")
        elif path == "/elsewhere":
            port = self.server.server_port
            self._head(302, Location=f"http://localhost:{port}/file.txt")
        elif path in ("/tagged", "/dated"):
            (self._tagged if path == "/tagged" else self._dated)()
        elif path == "/away":
            self._head(302, Location="file:///etc/passwd")
        elif path == "/cut":
            self._head(200, **{"Content-Length": "100"})
            self.wfile.write(BODY)
        elif path in ("/silent", "/silent-same"):
            self.server.released.wait(20)
            if path == "/silent-same" and self.headers["If-None-Match"]:
                self._head(304)
            else:
                self._head(200, ETag='"1"', **{"Content-Length": str(len(BODY))})
                self.wfile.write(BODY)
        elif path == "/slow":
            self._head(200, **{"Content-Length": "100"})
            self.wfile.write(BODY)
            self.wfile.flush()
            self.server.released.wait(20)
            self.wfile.write(bytes(100 - len(BODY)))
        elif path == "/gone":
            self._head(404)
        else:
            when = "Sun, 06 Nov 1994 08:49:37 GMT"
            headers = {"Last-Modified": when} if path == "/file.txt" else {}
            self._head(200, **{"Content-Length": str(len(BODY)), **headers})
            self.wfile.write(BODY)

    def _tagged(self) -> None:
        if self.headers["If-None-Match"] == '"1"':
            self._head(304)
        else:
            name = 'attachment; filename="../named.txt"'
            self._head(200, ETag='"1"', **{"Content-Disposition": name})
            self.wfile.write(BODY)

    def _dated(self) -> None:
        body, when = self.server.dated
        if self.headers["If-Modified-Since"] == when:
            self._head(304)
        else:
            size = str(len(body))
            self._head(200, **{"Content-Length": size, "Last-Modified": when})
            self.wfile.write(body)

    def _head(self, code: int, **headers: str) -> None:
        self.send_response(code)
        for name, content in headers.items():
            self.send_header(name, content)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as serving:
        serving.asked, serving.agents, serving.told = [], set(), []
        serving.released = threading.Event()
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield serving
        serving.released.set()
        serving.shutdown()
        thread.join()


def url(server: Server, path: str) -> str:
    return f"http://127.0.0.1:{server.server_port}{path}"


def test_a_file_is_fetched_once(server: Server, tmp_path: Path) -> None:
    downloads = Downloads(str(tmp_path), {})
    address = url(server, "/file.txt?x=1")
    assert downloads.digest(address, "") == DIGEST
    found = downloads.get(address, DIGEST)
    assert server.asked == ["/file.txt?x=1"]
    assert found.file.name == "file.txt"
    assert found.file.mtime == 784111777 * 10**9
    assert Path(found.file.path).read_bytes() == BODY
    assert server.agents.pop().startswith("lamina/")


def test_a_slow_download_ends_with_the_build(server: Server, tmp_path: Path) -> None:
    over = threading.Event()
    downloads = Downloads(str(tmp_path), {}, meters=Meters(cancelled=over.is_set))

    def stop() -> None:
        over.set()
        downloads.abort()

    threading.Timer(0.2, stop).start()
    with pytest.raises(Stopped, match="stopped with the build"):
        downloads.get(url(server, "/slow"), "")
    assert [*tmp_path.iterdir()] == []


def test_a_slow_download_says_how_far_it_is(server: Server, tmp_path: Path) -> None:
    events: list[Event] = []
    downloads = Downloads(str(tmp_path), {}, meters=Meters(events.append))
    threading.Timer(0.6, server.released.set).start()
    downloads.get(url(server, "/slow"), "")
    downloads.get(url(server, "/file.txt"), "")
    name = url(server, "/slow")
    assert events == [Transfer(name, 100, 100), Transfer(name, 100, 100)]


def test_a_server_that_says_nothing_yet_is_waited_for(
    server: Server, tmp_path: Path
) -> None:
    events: list[Transfer] = []
    told = Meters(events.append)  # type: ignore[arg-type]
    downloads = Downloads(str(tmp_path), {}, meters=told)
    threading.Timer(1.6, server.released.set).start()
    downloads.get(url(server, "/silent"), "")
    name = url(server, "/silent")
    waited = [event for event in events if event.waits]
    assert len(waited) >= 2
    assert {*waited} == {Transfer(name, 0, 0, waits=True)}
    came = events[len(waited) :]
    assert {*came} == {Transfer(name, len(BODY), len(BODY))}
    assert (waited[0].is_over, came[-1].is_over) == (False, True)


def test_the_wait_for_what_is_here_already_ends_too(
    server: Server, tmp_path: Path
) -> None:
    events: list[Transfer] = []
    name, notes = url(server, "/silent-same"), Notes()
    server.released.set()
    Downloads(str(tmp_path), {}, memos=notes).get(name, "")
    server.released.clear()
    threading.Timer(0.6, server.released.set).start()
    told = Meters(events.append)  # type: ignore[arg-type]
    Downloads(str(tmp_path), {}, memos=notes, meters=told).get(name, "")
    assert events == [Transfer(name, 0, 0, waits=True), Transfer(name, 0, 0)]
    assert events[-1].is_over


def test_two_who_want_a_file_fetch_it_once(server: Server, tmp_path: Path) -> None:
    downloads = Downloads(str(tmp_path), {})
    address = url(server, "/slow")
    threads = [
        threading.Thread(target=downloads.get, args=(address, "")) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    server.released.set()
    for thread in threads:
        thread.join()
    assert server.asked == ["/slow"]


def test_redirections_are_followed_to_http_only(server: Server, tmp_path: Path) -> None:
    downloads = Downloads(str(tmp_path), {})
    assert downloads.get(url(server, "/moved"), "").file.name == "moved"
    with pytest.raises(DownloadFailed):
        downloads.get(url(server, "/away"), "")


def test_without_a_date_the_time_is_1970(server: Server, tmp_path: Path) -> None:
    assert Downloads(str(tmp_path), {}).get(url(server, "/x"), "").file.mtime == 0


def test_a_checksum_needs_no_network(tmp_path: Path) -> None:
    known = Downloads(str(tmp_path), {}).digest("http://192.0.2.1/x", DIGEST)
    assert known == DIGEST


def test_another_file_than_the_checksum_says(server: Server, tmp_path: Path) -> None:
    other = Digest("sha256:" + hashlib.sha256(b"other").hexdigest())
    with pytest.raises(DownloadFailed, match="has the digest"):
        Downloads(str(tmp_path), {}).get(url(server, "/file.txt"), other)


@pytest.mark.parametrize(
    ("path", "message"), [("/gone", "404"), ("/cut", "after 8 of")]
)
def test_what_the_server_does_not_give(
    server: Server, tmp_path: Path, path: str, message: str
) -> None:
    with pytest.raises(DownloadFailed, match=message):
        Downloads(str(tmp_path), {}).get(url(server, path), "")


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match="cannot be fetched"):
        Downloads(str(tmp_path), {}).get("http://127.0.0.1:1/x", "")


def test_a_proxy_is_used_unless_no_proxy_covers_the_host(
    server: Server, tmp_path: Path
) -> None:
    proxy = {"HTTP_PROXY": url(server, "")}
    Downloads(str(tmp_path), proxy).get("http://far.example/x", "")
    assert server.asked == ["http://far.example/x"]
    covered = {**proxy, "no_proxy": "other, .example"}
    direct = Downloads(str(tmp_path), covered)
    assert direct.proxies_for("http://far.example/x") == {}
    assert direct.proxies_for("http://example.org/x") == {"http": url(server, "")}


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("http://h/a/b.txt?q=/x#y", "b.txt"),
        ("http://h/a%20b", "a b"),
        ("http://h/a%2Fb", "b"),
        ("http://h/", ""),
        ("http://h", ""),
        ("http://h/a/..", ""),
    ],
)
def test_the_name_of_a_download(address: str, name: str) -> None:
    assert file_name(address) == name


def test_who_asks_a_proxy_is_told_to_the_proxy_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It redirects from http, which it serves, to https, which nobody is a proxy of."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.certificate, authority.key)
    with registry.Server(lambda asked: registry.Answer(200, BODY), context) as far:
        away = registry.Answer(302, b"", {"Location": f"{far.url}/x"})
        with registry.Server(lambda asked: away) as near:
            proxy = {"http_proxy": f"http://me:secret@{near.address}"}
            got = Downloads(str(tmp_path / "d"), proxy).get("http://far.example/x", "")
    assert Path(got.file.path).read_bytes() == BODY
    assert near.asked[0].headers["proxy-authorization"].startswith("Basic ")
    assert "proxy-authorization" not in far.asked[0].headers


class Notes:
    """Memos, as a store has them."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], bytes] = {}

    def recall(self, kind: str, key: str) -> bytes | None:
        return self.rows.get((kind, key))

    def remember(self, kind: str, key: str, data: bytes) -> None:
        self.rows[kind, key] = data


def test_a_later_build_asks_whether_it_changed(server: Server, tmp_path: Path) -> None:
    notes = Notes()
    address = url(server, "/tagged")
    first = Downloads(str(tmp_path), {}, memos=notes).get(address, "")
    again = Downloads(str(tmp_path), {}, memos=notes).get(address, "")
    assert first == again
    assert server.asked == ["/tagged", "/tagged"]
    # With a checksum there is nothing to ask.
    Downloads(str(tmp_path), {}, memos=notes).get(address, DIGEST)
    assert len(server.asked) == 2
    # What was removed is fetched again.
    Path(first.file.path).unlink()
    gone = Downloads(str(tmp_path), {}, memos=notes).get(address, "")
    assert Path(gone.file.path).read_bytes() == BODY


def test_a_checksum_is_held_against_what_lies_here_too(
    server: Server, tmp_path: Path
) -> None:
    """The disk lost it, or somebody wrote to it."""
    notes, address = Notes(), url(server, "/tagged")
    first = Downloads(str(tmp_path), {}, memos=notes).get(address, DIGEST)
    Path(first.file.path).write_bytes(b"damaged!")
    again = Downloads(str(tmp_path), {}, memos=notes).get(address, DIGEST)
    assert Path(again.file.path).read_bytes() == BODY


def test_what_a_dead_process_was_fetching_goes(server: Server, tmp_path: Path) -> None:
    notes, old = Notes(), time.time() - 3600
    dead, alive = tmp_path / "new-1-1", tmp_path / "new-2-2"
    for path in (dead, alive):
        path.write_bytes(b"half of it")
    with alive.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for path in (dead, alive):
            os.utime(path, (old, old))
        Downloads(str(tmp_path), {}, memos=notes).get(url(server, "/tagged"), "")
    assert not dead.exists()
    assert alive.exists()


@pytest.mark.parametrize(("age", "known"), [(0, b"changed"), (3600, BODY)])
def test_a_date_tells_a_file_that_had_rested(
    server: Server, tmp_path: Path, age: int, known: bytes
) -> None:
    # Changed twice within a second, it has one date, and a server says 304.
    notes, address = Notes(), url(server, "/dated")
    when = formatdate(time.time() - age, usegmt=True)
    server.dated = BODY, when
    Downloads(str(tmp_path), {}, memos=notes).get(address, "")
    server.dated = b"changed", when
    again = Downloads(str(tmp_path), {}, memos=notes).get(address, "")
    assert Path(again.file.path).read_bytes() == known


def test_a_large_file_is_refused_and_leaves_nothing(
    server: Server, tmp_path: Path
) -> None:
    with pytest.raises(DownloadFailed, match="larger than 3 bytes") as caught:
        Downloads(str(tmp_path), {}, limit=3).get(url(server, "/tagged"), "")
    assert "--download-limit" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_who_asks_is_told_to_one_host_alone(server: Server, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("t0ken\n")
    secrets = {"HTTP_AUTH_TOKEN_127.0.0.1": str(token)}
    downloads = Downloads(str(tmp_path / "d"), {}, secrets=secrets)
    downloads.get(url(server, "/elsewhere"), "")
    assert server.told == ["Bearer t0ken", None]
    plain = url(server, "/gone").replace("//", "//me:secret@")
    with pytest.raises(DownloadFailed) as caught:
        Downloads(str(tmp_path / "d"), {}).get(plain, "")
    assert server.told[2] == "Basic bWU6c2VjcmV0"
    assert "secret" not in str(caught.value.message)
