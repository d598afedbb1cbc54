"""What is mistyped exits with the code that docker's client exits with."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.end_to_end.containers.machine import Machine

pytestmark = [
    pytest.mark.root("it asks dockerd"),
    pytest.mark.slow,
    pytest.mark.skipif("LAMINA_NO_DOCKER" in os.environ, reason="no dockerd runs here"),
]

_WITHOUT_ARGUMENTS = (
    *("run", "create", "exec", "start", "stop", "kill", "rm", "logs", "inspect", "cp"),
    *("top", "port", "wait", "pause", "update", "rename", "diff", "commit", "export"),
    *("attach", "restart", "rmi", "tag", "history", "pull", "push", "import"),
    *("network create", "volume rm"),
)
_MISTYPED = (
    *("ps", "images", "events", "volume ls", "network ls", "system df"),
    *_WITHOUT_ARGUMENTS,
)
_LINES = (
    "ps a",
    "ps -n x",
    "ps --filter x",
    "images --filter x",
    "images a b",
    "volume ls --filter x",
    "volume create a b",
    "volume create --label =x a",
    "network create --label =x a",
    "network ls --filter x",
    "events --filter x",
    "logs a b",
    "logs --tail",
    "rename a",
    "rename a b c",
    "port a b c",
    "commit a b c",
    "history a b",
    "stop -t x a",
    "rm --force=maybe a",
    "run -m",
    "run -m x a",
    "run --cpus x a",
    "run -p x a",
    "run -v a:b:c:d a",
    "run --rm=maybe a",
    "run --pull=never nowhere:1",
    "create --pull=never nowhere:1",
    "create -m x a",
    "run --restart=x a",
    "run --log-driver=x a",
    "run --userns=x a",
    "run --storage-opt=x a",
    "run --link=a:b:c a",
    "exec -w",
    "exec a",
    "update a",
    "update --cpus x a",
    "cp a b",
    "network nothing",
    "container nothing",
    "network",
)


def code_of(*words: str) -> int:
    done = subprocess.run(
        ("/usr/bin/docker", *words),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    return done.returncode


@pytest.mark.parametrize(
    "line",
    [*_LINES, *_WITHOUT_ARGUMENTS, *(f"{words} --nonsense" for words in _MISTYPED)],
)
def test_codes(lamina: Machine, line: str) -> None:
    words = line.split()
    assert lamina(*words, code=None).returncode == code_of(*words)
