"""A web server that does as a test says, and notes what it was asked.

`Server(handle)`: `handle` gets an `Asked`, and gives an `Answer`. `forward` is one that
asks another server, a registry; `faulty` is one that spoils some of the answers.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import itertools
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from lamina.values import EMPTY, value


@value
class Asked:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def authorization(self) -> str:
        return self.headers.get("authorization", "")


@value
class Answer:
    """`cut` ends the connection after so many bytes of the body; `pause` (seconds)
    comes before the second half of it."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = EMPTY
    cut: int | None = None
    pause: float = 0.0


Handle = Callable[[Asked], Answer]


class Server(ThreadingHTTPServer):
    """Serves on loopback while it is used with `with`."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, handle: Handle, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.handle = handle
        self.asked: list[Asked] = []
        self.scheme = "https" if tls else "http"
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)

    def __enter__(self) -> Server:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """What a client does to its connection is the test's affair."""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.address}"

    def paths(self, method: str = "GET") -> list[str]:
        return [asked.path for asked in self.asked if asked.method == method]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def _serve(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(size)
        headers = {k.lower(): v for k, v in self.headers.items()}
        asked = Asked(self.command, self.path, headers, body)
        self.server.asked.append(asked)
        answer = self.server.handle(asked)
        with contextlib.suppress(OSError):
            self._give(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def log_message(self, *_: object) -> None:
        """Nothing: a test has `asked`."""

    def _give(self, answer: Answer) -> None:
        if answer.status == 0:
            self._break()
            return
        self.send_response_only(answer.status)
        headers = {"Content-Length": str(len(answer.body)), **answer.headers}
        for name, given in headers.items():
            self.send_header(name, given)
        self.end_headers()
        if self.command == "HEAD":
            return
        body = answer.body if answer.cut is None else answer.body[: answer.cut]
        if answer.pause:
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            time.sleep(answer.pause)
            body = body[len(body) // 2 :]
        self.wfile.write(body)
        self.wfile.flush()
        if len(body) != int(headers["Content-Length"]) and not answer.pause:
            self._break()

    def _break(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def forward(address: str) -> Handle:
    """Ask `address` the same, and answer what it answers."""

    def handle(asked: Asked) -> Answer:
        connection = http.client.HTTPConnection(address, timeout=30)
        try:
            headers = {k: v for k, v in asked.headers.items() if k != "connection"}
            connection.request(asked.method, asked.path, asked.body, headers)
            given = connection.getresponse()
            kept = {k: v for k, v in given.getheaders() if k.lower() not in _HOP}
            return Answer(given.status, given.read(), kept)
        finally:
            connection.close()

    return handle


_HOP = frozenset({"connection", "transfer-encoding"})


def faulty(inner: Handle, *faults: Callable[[Asked], Answer | None]) -> Handle:
    """Each of `faults` spoils one answer, the first that it says it will."""
    left = list(faults)
    lock = threading.Lock()

    def handle(asked: Asked) -> Answer:
        with lock:
            for fault in left:
                answer = fault(asked)
                if answer is not None:
                    left.remove(fault)
                    return answer
        return inner(asked)

    return handle


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Images:
    """A registry that only gives: manifests and blobs of one repository, from memory.

    Blobs are given by Range; `blobs` and `manifests` may be changed by a test.
    """

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}

    def add_blob(self, data: bytes) -> str:
        self.blobs[digest(data)] = data
        return digest(data)

    def add_manifest(self, kind: str, data: bytes, *tags: str) -> str:
        for name in (digest(data), *tags):
            self.manifests[name] = (kind, data)
        return digest(data)

    def __call__(self, asked: Asked) -> Answer:
        name = asked.path.rpartition("/")[2]
        if "/manifests/" in asked.path and name in self.manifests:
            kind, data = self.manifests[name]
            said = {"Content-Type": kind, "Docker-Content-Digest": digest(data)}
            return Answer(200, data, said)
        if "/blobs/" in asked.path and name in self.blobs:
            return _ranged(asked, self.blobs[name])
        if asked.path == "/v2/":
            return Answer(200, b"{}")
        return Answer(404, b'{"errors":[{"code":"NAME_UNKNOWN"}]}', JSON)


JSON = {"Content-Type": "application/json"}


def _ranged(asked: Asked, data: bytes) -> Answer:
    start = asked.headers.get("range", "").removeprefix("bytes=").rstrip("-")
    if not start:
        return Answer(200, data)
    end = len(data) - 1
    said = {"Content-Range": f"bytes {start}-{end}/{len(data)}"}
    return Answer(206, data[int(start) :], said)


class Registry(Images):
    """One that takes images, too: whole or in pieces, with mounts, and referrers by
    the tag scheme. `uploads` are the bytes that came so far."""

    def __init__(self) -> None:
        super().__init__()
        self.uploads: dict[str, bytes] = {}
        self.mounts = True
        self._numbers = itertools.count()

    def __call__(self, asked: Asked) -> Answer:
        path, _, query = asked.path.partition("?")
        words = {k: v[0] for k, v in parse_qs(query).items()}
        if "/blobs/uploads/" in path:
            return self._upload(asked, path, words)
        if asked.method == "PUT" and "/manifests/" in path:
            name = path.rpartition("/")[2]
            kind = asked.headers["content-type"]
            tags = () if name.startswith("sha256:") else (name,)
            made = self.add_manifest(kind, asked.body, *tags)
            return Answer(201, b"", {"Docker-Content-Digest": made})
        return super().__call__(asked)

    def _upload(self, asked: Asked, path: str, words: dict[str, str]) -> Answer:
        if asked.method == "POST":
            if self.mounts and words.get("mount") in self.blobs:
                return Answer(201)
            name = f"{path}{next(self._numbers)}"
            self.uploads[name] = b""
            return Answer(202, b"", {"Location": name})
        if path not in self.uploads:
            return Answer(404)
        if asked.method in ("PATCH", "PUT"):
            start = asked.headers.get("content-range", "").partition("-")[0]
            if start and int(start) != len(self.uploads[path]):
                return Answer(416)
            self.uploads[path] += asked.body
        said = {"Location": path, "Range": f"0-{len(self.uploads[path]) - 1}"}
        if asked.method == "GET":
            return Answer(204, b"", said)
        if asked.method == "PATCH":
            return Answer(202, b"", said)
        return self._end(asked, self.uploads.pop(path), words)

    def _end(self, asked: Asked, data: bytes, words: dict[str, str]) -> Answer:
        if asked.method == "DELETE":
            return Answer(204)
        if digest(data) != words["digest"]:
            return Answer(400, b'{"errors":[{"code":"DIGEST_INVALID"}]}', JSON)
        self.add_blob(data)
        return Answer(201)


@contextlib.contextmanager
def closed_port() -> Iterator[str]:
    """An address that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"
