"""`lamina watch`: who has asked is answered, and a browser is shown what is wrong."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from tests.end_to_end.bases import Lamina, project
from tests.end_to_end.hammering import ask
from tests.end_to_end.serving import RECIPE, Served, page
from tests.end_to_end.watching import watch


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return project(tmp_path / "project", RECIPE, www__index_html="0")


@pytest.fixture(autouse=True)
def index(folder: Path) -> None:
    os.rename(folder / "www/index_html", folder / "www/index.html")


def test_errors_are_shown_to_browsers(lamina: Lamina, folder: Path) -> None:
    def browse() -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
        connection.request("GET", "/", headers={"Accept": "text/html,*/*"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    served = Served(lamina, "--overlay-page", folder)
    assert browse() == (200, "0")
    broken = 'RUN echo "<b>no such module</b>"; exit 3\n'
    (folder / "Recipe").write_text(RECIPE + broken)
    served.failed()
    status, page_shown = browse()
    assert status == 503
    assert "ended with exit code 3" in page_shown
    assert "&lt;b&gt;no such module&lt;/b&gt;" in page_shown
    # What is no page is still answered by the one that serves.
    assert served.ask() == "0"
    (folder / "Recipe").write_text(RECIPE)
    served.seen.outcome("unchanged")
    assert browse() == (200, "0")
    (folder / "Recipe").write_text(RECIPE + broken)
    served.failed()
    (folder / "Recipe").write_text(RECIPE)
    page(folder, "1")
    served.seen.outcome("swapped")
    assert browse() == (200, "1")
    served.seen.end()


# A server that keeps connections, on stdin and stdout of each.
KEEPING = """#!/bin/sh
while read -r line; do
  while read -r head && [ "$head" != "$(printf '\\r')" ]; do :; done
  case $line in *slow*) echo begun >&2; sleep 4;; esac
  page=$(cat /srv/index.html)
  printf 'HTTP/1.1 200 OK\\r\\nContent-Length: %s\\r\\n\\r\\n%s' ${#page} "$page"
done
"""


def test_browsers_that_keep_their_connections_are_shown_errors_too(
    lamina: Lamina, folder: Path
) -> None:
    (folder / "www/serve").write_text(KEEPING)
    (folder / "www/serve").chmod(0o755)
    recipe = RECIPE + 'CMD ["nc", "-ll", "-p", "8000", "-e", "/srv/serve"]\n'
    (folder / "Recipe").write_text(recipe)
    served = Served(lamina, "--overlay-page", folder)

    def connect() -> socket.socket:
        return socket.create_connection(("127.0.0.1", served.port), 30)

    def browse(connection: socket.socket, path: str = "/") -> str:
        asked = f"GET {path} HTTP/1.1\r\nAccept: text/html\r\n\r\n"
        connection.sendall(asked.encode())
        said = connection.recv(1 << 16)
        while said and b"\r\n\r\n" not in said:
            said += connection.recv(1 << 16)
        return said.decode()

    with connect() as kept, connect() as waiting:
        for connection in (kept, kept, waiting):
            assert browse(connection).endswith("\r\n\r\n0")
        # The kernel tells of no less time than its clock's grain.
        time.sleep(0.05)
        answers: list[str] = []
        asking = threading.Thread(
            target=lambda: answers.append(browse(waiting, "/slow"))
        )
        asking.start()
        served.seen.until(lambda e: e["event"] == "log" and "begun" in e["text"])
        # Long enough for a connection to be one that is kept for later.
        time.sleep(1.1)
        (folder / "Recipe").write_text(recipe + "RUN exit 3\n")
        served.failed()
        # Reset by the kernel, or closed by who passes it on (an ordinary user's).
        with contextlib.suppress(ConnectionError):
            assert browse(kept) == ""
        with connect() as another:
            assert browse(another).startswith("HTTP/1.1 503")
        # Who waits for an answer gets it.
        asking.join()
        assert answers[0].endswith("\r\n\r\n0")
    served.seen.end()


def test_what_was_asked_is_answered_before_the_next_one_starts(
    lamina: Lamina, folder: Path
) -> None:
    (folder / "www/serve").write_text(KEEPING.replace("sleep 4", "sleep 0.5"))
    (folder / "www/serve").chmod(0o755)
    recipe = RECIPE + 'CMD ["nc", "-ll", "-p", "8000", "-e", "/srv/serve"]\n'
    (folder / "Recipe").write_text(recipe)
    served = Served(lamina, "--swap=stop-first", folder)
    answers: list[str] = []
    asking = threading.Thread(target=lambda: answers.append(served.ask("/slow")))
    asking.start()
    served.seen.until(lambda e: e["event"] == "log" and "begun" in e["text"])
    page(folder, "1")
    served.seen.outcome("swapped")
    asking.join()
    assert answers == ["0"]
    assert served.ask() == "1"
    served.seen.end()


def test_a_first_build_that_fails_is_shown_too(lamina: Lamina, folder: Path) -> None:
    (folder / "Recipe").write_text("FROM busybox\nRUN exit 3\n")
    port = free_port()
    seen = watch(lamina, "--overlay-page", "-p", f"{port}:8000", folder)
    seen.outcome("failed")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/", headers={"Accept": "text/html"})
    answer = connection.getresponse()
    assert answer.status == 503
    assert "exit code 3" in answer.read().decode()
    (folder / "Recipe").write_text(RECIPE)
    seen.outcome("swapped")
    assert ask(port) == "0"
    seen.end()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
