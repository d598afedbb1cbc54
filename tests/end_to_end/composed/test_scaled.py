"""Several containers of a service: one address, one published port, no gap."""

from __future__ import annotations

import socket
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.end_to_end.composed.app import App

SLEEP = "{image: busybox, init: true, command: sleep 999}"
SERVER = """\
    image: busybox
    init: true
    command: sh -c 'mkdir /www; hostname > /www/index.html; exec httpd -f -h /www'
    healthcheck: {test: wget -qO- http://127.0.0.1, interval: 100ms, retries: 50}
"""


@pytest.fixture
def port() -> Iterator[int]:
    """A port of the host that is free."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        number = found.getsockname()[1]
    yield number


def _asked(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
        return str(answer.read().decode().strip())


def test_all_have_one_address_and_each_gets_its_share(app: App) -> None:
    app.has(f"services:\n  client: {SLEEP}\n  web:\n    scale: 3\n{SERVER}")
    app.up("--wait")
    ask = "for i in $(seq 30); do wget -qO- http://web; done"
    answers = Counter(app.says("client", "sh", "-c", ask).split())
    assert len(answers) == 3
    assert set(answers.values()) == {10}
    found = app.says("client", "nslookup", "web")
    assert found.count("Address") == 2  # the server's, and one


def test_they_share_a_published_port(app: App, port: int) -> None:
    app.has(f"services:\n  web:\n    ports: ['{port}:80']\n    scale: 3\n{SERVER}")
    app.up("--wait")
    assert len({_asked(port) for _ in range(30)}) == 3


class _Hammer:
    """Asks on and on, until the block is over."""

    def __init__(self, port: int) -> None:
        self.answers: Counter[str] = Counter()
        self.errors: list[str] = []
        self._port = port
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> _Hammer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._over.is_set():
            try:
                self.answers[_asked(self._port)] += 1
            except (OSError, urllib.error.URLError) as error:
                self.errors.append(repr(error))


def test_more_and_fewer_without_an_error(app: App, port: int) -> None:
    app.has(f"services:\n  web:\n    ports: ['{port}:80']\n{SERVER}")
    app.up("--wait")
    with _Hammer(port) as hammer:
        app.compose("scale", "web=4")
        while len(hammer.answers) < 4:
            assert not hammer.errors, hammer.errors
        app.compose("scale", "web=1")
    assert hammer.errors == []


def test_they_are_replaced_without_an_error(app: App, port: int) -> None:
    service = f"  web:\n    ports: ['{port}:80']\n    scale: 2\n{SERVER}"
    order = "    deploy: {update_config: {order: start-first}}\n"
    app.has(f"services:\n{service}{order}")
    app.up("--wait")
    before = app.identities()
    with _Hammer(port) as hammer:
        app.has(f"services:\n{service}{order}    environment: {{VERSION: '2'}}\n")
        app.up()
    assert hammer.errors == []
    assert not set(before.values()) & set(app.identities().values())
    assert app.says("web", "sh", "-c", "echo $VERSION") == "2"


def test_a_port_that_somebody_has_is_told_with_the_service(app: App) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        where = f"127.0.0.1:{number}:80"
        app.has(f"services:\n  web: {SLEEP[:-1]}, ports: ['{where}']}}\n")
        done = app.up(code=1)
    assert f"{number} is already in use" in done.err
    assert "at service web" in done.err
    app.up()
    assert set(app.states().values()) == {"running"}
