"""Whatever brings an image into the store has it brought to the disk: after a crash of
the machine, or its next start, what was not is forgotten (oci/store/durability.py)."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.bases import PATIENCE, Lamina, project
from tests.end_to_end.watching import watch
from tests.registries import registry

QUIET = ("--network", "none")


@pytest.fixture
def other(lamina: Lamina, tmp_path: Path) -> Iterator[Lamina]:
    """Lamina with an empty store, beside an archive of busybox."""
    lamina.run("save", "-o", tmp_path / "busybox.tar", "busybox")
    command = Lamina(tmp_path, tmp_path / "other" / "store")
    yield command
    command.end()
    assert command.left_behind() == []


@pytest.fixture
def name(lamina: Lamina, tmp_path: Path) -> Iterator[str]:
    """An image in a registry."""
    with registry(tmp_path / "registry") as address:
        found = f"{address}/busybox:1"
        lamina.run("tag", "busybox", found)
        lamina.run("push", found)
        yield found


def layers(lamina: Lamina) -> tuple[int, int]:
    """How many layers the store has, and of how many it isn't known that they are on
    the disk."""
    index = sqlite3.connect(lamina.store / "index.sqlite")
    try:
        rows = "SELECT count(*), count(boot) FROM layer"
        found: tuple[int, int] = index.execute(rows).fetchone()
        return found
    finally:
        index.close()


def await_disk(lamina: Lamina) -> None:
    end = time.monotonic() + PATIENCE
    assert layers(lamina)[0]
    while layers(lamina)[1]:
        assert time.monotonic() < end, layers(lamina)
        time.sleep(0.02)


def test_a_build(lamina: Lamina, tmp_path: Path) -> None:
    lamina.build(project(tmp_path / "app", "FROM busybox\nCOPY a /\n", a="1"))
    await_disk(lamina)


def test_a_commit(lamina: Lamina) -> None:
    lamina.run("run", "--name", "one", *QUIET, "busybox", "touch", "/new")
    before = layers(lamina)[0]
    lamina.run("commit", "one", "two")
    assert layers(lamina)[0] == before + 1
    await_disk(lamina)
    lamina.run("rm", "one")


def test_archives(other: Lamina, tmp_path: Path) -> None:
    other.run("load", "-i", tmp_path / "busybox.tar")
    await_disk(other)
    other.run("import", tmp_path / "busybox.tar", "files")
    await_disk(other)


@pytest.mark.parametrize(
    "command",
    [
        ("pull",),
        ("create",),
        ("run", "--rm", *QUIET, "--entrypoint", "true"),
        ("run", "-d", *QUIET, "--entrypoint", "true"),
    ],
)
def test_what_a_registry_gave(
    other: Lamina, name: str, command: tuple[str, ...]
) -> None:
    done = other.run(*command, name)
    await_disk(other)
    if "--rm" not in command and command != ("pull",):
        other.run("rm", "-f", done.out.strip())


def test_while_what_needs_it_still_runs(other: Lamina, name: str) -> None:
    running = other.start("run", "--name", "long", *QUIET, name, "sleep", "1000")
    end = time.monotonic() + PATIENCE
    while other.run("ps", "-q").out == "":
        assert time.monotonic() < end
    await_disk(other)
    other.run("rm", "-f", "long")
    running.wait(PATIENCE)


def test_while_it_is_watched(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", "FROM busybox\nCOPY a /\n", a="1")
    seen = watch(lamina, "--no-run", folder, first="built")
    seen.after(lambda: (folder / "a").write_text("2"), "built")
    await_disk(lamina)
    seen.end()
