"""The samples build from the distribution's packages, and do what they promise."""

from __future__ import annotations

import time
import urllib.request
from pathlib import Path

import pytest

from tests.end_to_end.bases import Lamina

pytestmark = [pytest.mark.network, pytest.mark.slow]

SAMPLES = Path(__file__).parents[2] / "samples"


def fetch(lamina: Lamina, container: str, port: int) -> str:
    """What the server in a container answers, once it does."""
    line = lamina.run("port", container, f"{port}/tcp").out.splitlines()[0]
    url = f"http://127.0.0.1:{line.rpartition(':')[2]}/"
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                text: str = response.read().decode()
                return text
        except OSError:
            assert time.monotonic() < deadline, lamina.run("logs", container)
            time.sleep(0.1)


def test_static_c(bootstrapped: Lamina) -> None:
    bootstrapped.build(SAMPLES / "static-c", "-t", "hello")
    assert "Hello, world, from an" in bootstrapped.run("run", "--rm", "hello").out
    assert "Hello, you, from" in bootstrapped.run("run", "--rm", "hello", "you").out
    files = bootstrapped.files(SAMPLES / "static-c")
    assert [path.name for path in files.iterdir()] == ["hello"]


@pytest.mark.parametrize(
    ("name", "port", "words"),
    [("web", 8000, "<h1>Hello from a container</h1>"), ("node", 3000, '"day"')],
)
def test_a_service(
    bootstrapped: Lamina,
    certificates: tuple[str, ...],
    name: str,
    port: int,
    words: str,
) -> None:
    bootstrapped.build(SAMPLES / name, "-t", name, *certificates)
    publish = f"127.0.0.1::{port}"
    bootstrapped.run("run", "-d", "--name", f"the-{name}", "-p", publish, name)
    try:
        assert words in fetch(bootstrapped, f"the-{name}", port)
        user = bootstrapped.config(name)["User"]
        assert user not in ("", "root", "0")
    finally:
        bootstrapped.run("rm", "-f", f"the-{name}")
    assert bootstrapped.run("build", SAMPLES / name, *certificates).ran == []
