"""`lamina up` without -d: what all services write, until they have ended or Ctrl-C."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess

from tests.end_to_end.bases import PATIENCE, Done, interrupt
from tests.end_to_end.composed.app import App

SLEEP = "{image: busybox, init: true, command: sleep 999}"


def _reads(process: subprocess.Popen[bytes], text: str, error: bool = False) -> None:
    """Read stdout, or stderr, until it has said `text`."""
    stream = process.stderr if error else process.stdout
    assert stream is not None
    seen = ""
    while text not in seen:
        ready, _, _ = select.select([stream], [], [], PATIENCE)
        data = os.read(stream.fileno(), 1 << 16) if ready else b""
        assert data, f"no {text!r} in {seen}"
        seen += data.decode()


def _lines(done: Done) -> set[str]:
    return {re.sub(r" +\| ", " | ", line) for line in done.out.splitlines()}


def test_each_line_says_who_wrote_it(app: App) -> None:
    app.has(
        "services:\n"
        "  web: {image: busybox, command: echo hello}\n"
        "  database: {image: busybox, command: sh -c 'echo bad >&2; exit 3'}\n"
    )
    assert _lines(app("up")) == {
        "web-1 | hello",
        "web-1 | exited with code 0",
        "database-1 | bad",
        "database-1 | exited with code 3",
    }


def test_the_last_words_of_a_line_without_an_end(app: App) -> None:
    app.has("services:\n  web: {image: busybox, command: printf 'one\\ntwo'}\n")
    assert _lines(app("up")) >= {"web-1 | one", "web-1 | two"}


def test_what_was_written_before_is_not_shown_again(app: App) -> None:
    random = "cat /proc/sys/kernel/random/uuid"
    app.has(f"services:\n  web: {{image: busybox, command: {random}}}\n")
    first, second = app("up"), app("up")
    assert len(_lines(second)) == 2
    assert _lines(first) & _lines(second) == {"web-1 | exited with code 0"}


def test_some_services_show_nothing(app: App) -> None:
    app.has(
        "services:\n"
        "  web: {image: busybox, command: echo web, depends_on: [db]}\n"
        "  db: {image: busybox, command: echo db}\n"
        "  mute: {image: busybox, command: echo mute, attach: false}\n"
    )
    assert "db-1 | db" not in _lines(app("up", "web"))
    assert "mute-1 | mute" not in _lines(app("up", "--no-attach", "db"))


def test_ctrl_c_stops_all_who_depends_on_others_first(app: App) -> None:
    app.has(f"services:\n  web: {SLEEP[:-1]}, depends_on: [db]}}\n  db: {SLEEP}\n")
    process = app.start("up", "--progress", "plain")
    while set(app.states().values()) != {"running"} or len(app.states()) < 2:
        assert process.poll() is None
    done = interrupt(process)
    assert done.code == 130
    assert "Gracefully Stopping..." in done.out
    stopped = [line for line in done.err.splitlines() if line.endswith("Stopped")]
    name = app.folder.name
    assert stopped == [
        f" Container {name}-web-1  Stopped",
        f" Container {name}-db-1  Stopped",
    ]
    assert set(app.states().values()) == {"exited"}


def test_a_second_ctrl_c_kills(app: App) -> None:
    app.has(
        "services:\n"
        "  web:\n"
        "    image: busybox\n"
        "    init: true\n"
        '    command: ["sh", "-c", "trap : TERM; echo up; while :; do sleep 1; done"]\n'
        "    stop_grace_period: 10m\n"
    )
    process = app.start("up", "--progress", "plain")
    _reads(process, "up")
    process.send_signal(signal.SIGINT)
    _reads(process, "Gracefully Stopping...")
    _reads(process, "Stopping", error=True)
    assert interrupt(process).code == 130
    assert set(app.states().values()) == {"exited"}


def test_all_end_with_the_first_and_with_its_code(app: App) -> None:
    app.has(
        "services:\n"
        f"  db: {SLEEP}\n"
        "  test: {image: busybox, command: sh -c 'sleep 0.2; exit 7'}\n"
    )
    app("up", "--abort-on-container-exit", code=7)
    assert set(app.states().values()) == {"exited"}
    app("up", "--exit-code-from", "test", code=7)


def test_all_end_with_the_first_that_fails(app: App) -> None:
    app.has(
        "services:\n"
        f"  db: {SLEEP}\n"
        "  setup: {image: busybox, command: 'true'}\n"
        "  test: {image: busybox, command: sh -c 'sleep 0.3; exit 4'}\n"
    )
    app("up", "--abort-on-container-failure", code=4)


def test_a_container_that_is_added_is_shown_too(app: App) -> None:
    app.has(
        "services:\n"
        "  web: {image: busybox, init: true, command: sh -c 'echo up; sleep 999'}\n"
    )
    process = app.start("up")
    _reads(process, "web-1")
    app.compose("scale", "web=2")
    _reads(process, "web-2")
    interrupt(process)


def test_a_container_that_is_restarted_is_shown_on(app: App) -> None:
    app.has(
        "services:\n"
        "  web: {image: busybox, init: true, command: sh -c 'echo up; sleep 999'}\n"
        f"  db: {SLEEP}\n"
    )
    process = app.start("up")
    _reads(process, "up")
    app.compose("restart", "-t", "0", "web")
    _reads(process, "up")
    interrupt(process)


def test_what_is_written_is_shown_while_others_wait(app: App) -> None:
    app.has(
        "services:\n"
        f"  web: {SLEEP[:-1]}, depends_on: {{db: {{condition: service_healthy}}}}}}\n"
        "  db:\n"
        "    image: busybox\n"
        "    init: true\n"
        "    command: sh -c 'echo recovering; sleep 999'\n"
        "    healthcheck: {test: test -e /ready, interval: 100ms, retries: 1000}\n"
    )
    process = app.start("up", "--progress", "plain")
    _reads(process, "recovering")
    name = app.folder.name
    assert f"{name}-web-1" not in app.states()
    app.says("db", "touch", "/ready")
    _reads(process, f"{name}-web-1  Started", error=True)
    assert interrupt(process).code == 130


def test_ctrl_c_while_others_wait(app: App) -> None:
    app.has(
        "services:\n"
        f"  web: {SLEEP[:-1]}, depends_on: {{db: {{condition: service_healthy}}}}}}\n"
        "  db:\n"
        "    image: busybox\n"
        "    init: true\n"
        "    command: sleep 999\n"
        "    healthcheck: {test: 'false', interval: 100ms, retries: 1000}\n"
    )
    process = app.start("up", "--progress", "plain")
    _reads(process, "Waiting", error=True)
    assert interrupt(process).code == 130
    assert app.states() == {f"{app.folder.name}-db-1": "exited"}


def test_what_fails_is_told_after_what_it_wrote(app: App) -> None:
    app.has(
        "services:\n"
        f"  web: {SLEEP[:-1]}, depends_on: {{db: {{condition: service_healthy}}}}}}\n"
        "  db:\n"
        "    image: busybox\n"
        "    command: sh -c 'echo no disk; exit 3'\n"
        "    healthcheck: {test: 'true', interval: 60s}\n"
    )
    done = app("up", code=1)
    assert "db-1 | no disk" in _lines(done)
    assert "exited (3)" in done.err
