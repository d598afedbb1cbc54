"""Limits of this process that leave too little: a sentence, and nothing is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.bases import Lamina, project
from tests.runtime.bundles.running import until

_RUN = ("run", "--rm", "--network", "none", "busybox", "true")
# ulimit's flags and numbers, from what hardly starts Python to what is nearly enough.
_FILES = [f"-n {count}" for count in (5, 6, 7, 8, 10, 12, 16, 20, 25, 27, 30, 32, 40)]
_LIMITS = (*_FILES, "-f 0", "-f 8", "-v 34000", "-v 45000")


def limited(lamina: Lamina, limit: str, *words: str | Path) -> str:
    """What is said on stderr, which is a sentence unless the command went well."""
    wrapper = ("sh", "-c", f'ulimit {limit}; exec "$0" "$@"')
    done = lamina.run(*words, code=None, wrapper=wrapper)
    assert done.code in (0, 1, 125), done.err
    said = [line for line in done.err.splitlines() if line.startswith("lamina: ")]
    assert len(said) == (done.code != 0), done.err
    assert "damaged" not in done.out + done.err
    return done.err


@pytest.mark.parametrize("limit", _LIMITS)
def test_a_container(lamina: Lamina, limit: str) -> None:
    limited(lamina, limit, *_RUN)
    limited(lamina, limit, "run", "-d", "--network", "none", "busybox", "true")
    lamina.run("create", "--name", "made", "busybox", "true")
    limited(lamina, limit, "start", "made")
    lamina.run("rm", "-f", *lamina.run("ps", "-aq").out.split())
    lamina.run(*_RUN)


@pytest.mark.parametrize("limit", _LIMITS)
def test_a_build(lamina: Lamina, limit: str, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", "FROM busybox\nRUN --network=none touch /made\n")
    limited(lamina, limit, "build", "--progress", "quiet", folder)
    lamina.build(folder)


@pytest.mark.parametrize("limit", _LIMITS)
def test_commands_that_look(lamina: Lamina, limit: str) -> None:
    for words in (("ps", "-a"), ("images",), ("inspect", "busybox")):
        limited(lamina, limit, *words)
    # Python waits for ever for a thread that has no memory to begin with: its start()
    # waits for an event that this thread is to set.
    if not limit.startswith("-v"):
        limited(lamina, limit, "system", "check")


def test_a_log_that_may_not_grow_ends_no_container(lamina: Lamina) -> None:
    """SIGXFSZ is not SIGTERM: nobody asks the container to end."""
    script = "trap 'exit 9' TERM; seq 5000; while :; do sleep 0.1; done"
    words = ("run", "-d", "--name", "much", "--network", "none", "busybox")
    limited(lamina, "-f 64", *words, "sh", "-c", script)
    until(lambda: len(lamina.run("logs", "much").out.splitlines()) > 300)
    lamina.run("exec", "much", "true")
    lamina.run("kill", "much")
    assert lamina.run("wait", "much").out == "137\n"


def test_what_is_too_little_is_said(lamina: Lamina) -> None:
    assert "Raise `ulimit -n`" in limited(lamina, "-n 40", *_RUN)
    # A file of the store, or its index: not a full disk.
    assert "No space" not in limited(lamina, "-f 0", *_RUN)
