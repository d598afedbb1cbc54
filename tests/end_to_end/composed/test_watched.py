"""`develop.watch`: what is saved is in the services at once."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator

import pytest

from tests.end_to_end.bases import PATIENCE, interrupt
from tests.end_to_end.composed.app import App

BUILT = "FROM busybox\nCOPY . /app\n"
RUNS = "    init: true\n    command: sleep 999\n"


class Watch:
    """`lamina compose watch`, whose lines are read."""

    def __init__(self, app: App, *words: str) -> None:
        words = words or ("compose", "--progress", "plain", "watch")
        self.process = app.start(*words)
        self.seen = ""
        self._from = 0
        self.says("Watch enabled")

    def says(self, text: str) -> None:
        """Wait until it says `text`, after what it said before."""
        assert self.process.stderr is not None
        stream = self.process.stderr.fileno()
        while (found := self.seen.find(text, self._from)) < 0:
            ready, _, _ = select.select([stream], [], [], PATIENCE)
            data = os.read(stream, 1 << 16) if ready else b""
            assert data, f"no {text!r} in {self.seen}"
            self.seen += data.decode()
        self._from = found + len(text)


@pytest.fixture
def watched(app: App) -> Iterator[App]:
    app.file("Dockerfile", BUILT)
    app.file("src/page", "one")
    yield app


def _has(app: App, rule: str) -> None:
    app.has(
        "services:\n  web:\n    build: .\n"
        f"{RUNS}    develop: {{watch: [{{path: ./src, {rule}}}]}}\n"
    )


def test_a_file_is_synced_in_its_place(watched: App) -> None:
    _has(watched, "action: sync, target: /app/src")
    watch = Watch(watched)
    before = watched.says("web", "stat", "-c", "%i", "/app/src/page")
    identities = watched.identities()
    watched.file("src/page", "two")
    watch.says("1 file synced to web")
    assert watched.says("web", "cat", "/app/src/page") == "two"
    assert watched.says("web", "stat", "-c", "%i", "/app/src/page") == before
    (watched.folder / "src/page").unlink()
    watch.says("1 file synced to web")
    assert watched.says("web", "ls", "/app/src") == ""
    assert watched.identities() == identities
    assert interrupt(watch.process).code == 130
    assert set(watched.states().values()) == {"running"}


def test_an_image_is_built_again_and_its_container_replaced(watched: App) -> None:
    _has(watched, "action: rebuild")
    watch = Watch(watched)
    before = watched.identities()
    watched.file("src/page", "two")
    watch.says("web is up with what was saved")
    assert watched.says("web", "cat", "/app/src/page") == "two"
    assert watched.identities() != before
    interrupt(watch.process)


def test_what_runs_goes_on_when_a_build_fails(watched: App) -> None:
    _has(watched, "action: rebuild")
    watch = Watch(watched)
    before = watched.identities()
    watched.file("Dockerfile", "FROM busybox\nRUN false\n")
    watched.file("src/page", "two")
    watch.says("RUN false ended with exit code 1")
    assert watched.identities() == before
    watched.file("Dockerfile", BUILT)
    watched.file("src/page", "three")
    watch.says("web is up with what was saved")
    interrupt(watch.process)


def test_a_container_is_restarted(watched: App) -> None:
    _has(watched, "action: sync+restart, target: /app/src")
    watch = Watch(watched)
    watched.says("web", "touch", "/tmp/kept")
    watched.file("src/page", "two")
    watch.says("web restarted")
    assert watched.says("web", "cat", "/app/src/page") == "two"
    assert watched.says("web", "ls", "/tmp") == "kept"
    interrupt(watch.process)


def test_a_command_follows(watched: App) -> None:
    command = "exec: {command: cp /app/src/page /copied}"
    _has(watched, f"action: sync+exec, target: /app/src, {command}")
    watch = Watch(watched)
    watched.file("src/page", "two")
    watch.says("synced")
    watched.file("src/other", "three")
    watch.says("synced")
    assert watched.says("web", "cat", "/copied") == "two"
    interrupt(watch.process)


def test_what_is_ignored_is_not_synced(watched: App) -> None:
    watched.file("src/cache/old", "")
    _has(watched, "action: sync, target: /app/src, ignore: [cache/, '*.log']")
    watch = Watch(watched)
    watched.file("src/cache/new", "1")
    watched.file("src/a.log", "1")
    watched.file("src/b.txt", "1")
    watch.says("1 file synced")
    assert watched.says("web", "ls", "/app/src").split() == ["b.txt", "cache", "page"]
    interrupt(watch.process)


def test_all_files_are_in_step_from_the_start(watched: App) -> None:
    watched.file(".dockerignore", "src\n")
    _has(watched, "action: sync, target: /app/src, initial_sync: true")
    watch = Watch(watched)
    assert "1 file synced" in watch.seen
    assert watched.says("web", "cat", "/app/src/page") == "one"
    interrupt(watch.process)


def test_the_compose_file_is_watched_too(watched: App) -> None:
    _has(watched, "action: sync, target: /app/src")
    watch = Watch(watched)
    text = (watched.folder / "compose.yaml").read_text()
    watched.has(text + "    environment: {MORE: 'yes'}\n")
    watch.says("the compose file was saved")
    watch.says("Removed")
    assert watched.says("web", "sh", "-c", "echo $MORE") == "yes"
    watched.has("services: [\n")
    watch.says("compose.yaml:")
    watched.has(text)
    watch.says("Removed")
    interrupt(watch.process)


def test_with_what_they_write(watched: App) -> None:
    _has(watched, "action: sync, target: /app/src")
    watch = Watch(watched, "up", "--watch", "--progress", "plain")
    watched.file("src/page", "two")
    watch.says("1 file synced")
    assert interrupt(watch.process).code == 130


def test_nothing_is_watched(app: App) -> None:
    app.has("services:\n  web: {image: busybox}\n")
    done = app.compose("watch", code=1)
    assert "None of the selected services is configured for watch" in done.err


def test_files_of_variables_and_included_ones_are_watched_too(watched: App) -> None:
    watched.file(".env", "MORE=one\n")
    watched.file("more.yaml", "services: {db: {image: busybox, command: sleep 9}}\n")
    _has(watched, "action: sync, target: /app/src")
    text = (watched.folder / "compose.yaml").read_text()
    watched.has(f"include: [more.yaml]\n{text}    environment: {{MORE: '${{MORE}}'}}\n")
    watch = Watch(watched)
    watched.file(".env", "MORE=two\n")
    watch.says("Removed")
    assert watched.says("web", "sh", "-c", "echo $MORE") == "two"
    watched.file("more.yaml", "services: {new: {image: busybox, command: sleep 9}}\n")
    watch.says(f"Container {watched.folder.name}-new-1  Started")
    interrupt(watch.process)
