"""The commands behind `lamina compose`."""

from __future__ import annotations

import json
import os

import pytest

from tests.end_to_end.composed.app import App

# What is printed, and how words are read, does not depend on who asks; that containers
# come up and go does (test_up.py, test_down.py).
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="asked when root runs the tests"
)

SLEEP = "{image: busybox, init: true, command: sleep 999}"


def test_ps_shows_services_and_what_they_publish(app: App) -> None:
    app.has(
        f"services:\n  web: {SLEEP[:-1]}, ports: ['127.0.0.1::80']}}\n  db: {SLEEP}\n"
    )
    app.up()
    rows = app.compose("ps").out.splitlines()
    assert rows[0].split() == [
        *("NAME", "IMAGE", "COMMAND", "SERVICE", "CREATED", "STATUS", "PORTS")
    ]
    assert "127.0.0.1:" in rows[2]
    assert "->80/tcp" in rows[2]
    assert app.compose("ps", "--services").out.split() == ["db", "web"]
    where = app.compose("port", "web", "80").out.strip()
    assert where.startswith("127.0.0.1:")
    assert app.compose("port", "web", "81", code=1)


def test_ps_of_states(app: App) -> None:
    app.has(f"services:\n  web: {SLEEP}\n  db: {SLEEP}\n")
    app.up()
    app.compose("stop", "-t", "0", "db")
    name = app.folder.name
    assert f"{name}-db-1" not in app.compose("ps").out
    only = app.compose("ps", "--status", "exited", "--format", "{{.Name}}").out
    assert only == f"{name}-db-1\n"


def test_projects_are_listed(app: App) -> None:
    app.has(f"services:\n  web: {SLEEP}\n  db: {SLEEP}\n")
    app.up()
    app.compose("stop", "-t", "0", "db")
    (row,) = app.compose("ls", "--format", "json").out.splitlines()
    found = json.loads(row)
    assert found["Name"] == app.folder.name
    assert found["Status"] == "running(1)"
    assert found["ConfigFiles"].endswith("compose.yaml")
    assert "exited(1), running(1)" in app.compose("ls", "-a").out


def test_logs(app: App) -> None:
    app.has(
        "services:\n"
        "  web: {image: busybox, command: sh -c 'echo one; echo two'}\n"
        "  db: {image: busybox, command: echo data}\n"
    )
    app("up")
    assert app.compose("logs", "web").out == "web-1  | one\nweb-1  | two\n"
    assert app.compose("logs", "-n", "1", "web").out == "web-1  | two\n"
    assert app.compose("logs", "--no-log-prefix", "db").out == "data\n"
    assert "| data" in app.compose("logs", "-f").out
    assert "Z data" in app.compose("logs", "-t", "db").out


def test_exec_in_one_of_several_containers(app: App) -> None:
    app.has(f"services:\n  web: {SLEEP[:-1]}, scale: 2, environment: {{A: '1'}}}}\n")
    app.up()
    first = app.says("web", "hostname")
    second = app.compose("exec", "-T", "--index", "2", "web", "hostname").out.strip()
    assert first != second
    told = app.compose("exec", "-T", "-e", "A=2", "-u", "7", "web", "sh", "-c",
                       "echo $A; id -u")  # fmt: skip
    assert told.out.split() == ["2", "7"]
    app.compose("exec", "-T", "web", "sh", "-c", "exit 9", code=9)
    missing = app.compose("exec", "-T", "--index", "3", "web", "true", code=1)
    assert 'service "web" is not running container #3' in missing.err
    app.compose("stop", "-t", "0")
    stopped = app.compose("exec", "-T", "web", "true", code=1)
    assert 'service "web" is not running\n' in stopped.err


def test_run_has_what_the_service_has_and_another_command(app: App) -> None:
    app.has(
        "services:\n"
        "  web:\n"
        "    image: busybox\n"
        "    command: sleep 999\n"
        "    environment: {A: one}\n"
        "    ports: ['127.0.0.1::80']\n"
        "    depends_on: [db]\n"
        f"  db: {SLEEP}\n"
    )
    done = app.compose("run", "--rm", "-T", "web", "sh", "-c", "echo $A; nslookup db")
    assert done.out.startswith("one\n")
    assert set(app.states()) == {f"{app.folder.name}-db-1"}


def test_run_goes_on_without_what_it_may_do_without(app: App) -> None:
    waits = "{condition: service_completed_successfully, required: false}"
    app.has(
        "services:\n"
        f"  web: {SLEEP[:-1]}, depends_on: {{db: {waits}}}}}\n"
        "  db: {image: busybox, command: 'false'}\n"
    )
    assert app.compose("run", "--rm", "-T", "web", "echo", "up").out == "up\n"


def test_run_with_input_and_a_code(app: App) -> None:
    app.has(f"services:\n  web: {SLEEP}\n")
    done = app.compose("run", "--rm", "-T", "web", "cat", given="typed")
    assert done.out == "typed"
    app.compose("run", "--rm", "-T", "web", "sh", "-c", "exit 5", code=5)


def test_run_leaves_it_running(app: App) -> None:
    app.has(f"services:\n  web: {SLEEP}\n")
    name = app.compose("run", "-d", "web").out.strip()
    assert name.startswith(f"{app.folder.name}-web-run-")
    assert app.states() == {name: "running"}
    app.up()
    assert app.states()[name] == "running"
    app("down", "-t", "0")
    assert app.states() == {}


def test_run_overrides(app: App) -> None:
    app.has(f"services:\n  web: {SLEEP[:-1]}, entrypoint: [echo, said]}}\n")
    run = ("run", "--rm", "-T")
    assert app.compose(*run, "web", "more").out == "said more\n"
    done = app.compose(*run, "--entrypoint", "id", "-u", "9", "web", "-u")
    assert done.out == "9\n"
    done = app.compose(*run, "-e", "B=2", "-w", "/tmp", "--entrypoint", "sh", "web",
                       "-c", "echo $B; pwd")  # fmt: skip
    assert done.out.split() == ["2", "/tmp"]


def test_stop_start_and_restart(app: App) -> None:
    app.has(f"services:\n  web: {SLEEP}\n  db: {SLEEP}\n")
    app.up()
    before = app.identities()
    app.compose("stop", "-t", "0")
    assert set(app.states().values()) == {"exited"}
    app.compose("start")
    app.compose("restart", "-t", "0", "web")
    assert set(app.states().values()) == {"running"}
    assert app.identities() == before


def test_pause_kill_and_rm(app: App) -> None:
    app.has(f"services:\n  web: {SLEEP}\n")
    app.up()
    app.compose("pause")
    assert set(app.states().values()) == {"paused"}
    app.compose("unpause")
    assert "No stopped containers" in app.compose("rm", "-f").out
    app.compose("kill")
    app.compose("wait", "web", code=137)
    app.compose("rm", "-f")
    assert app.states() == {}


def test_containers_are_made_and_not_started(app: App) -> None:
    app.has(f"services:\n  web: {SLEEP}\n")
    app.compose("create")
    assert set(app.states().values()) == {"created"}
    app.up()
    assert set(app.states().values()) == {"running"}


def test_images_top_and_volumes(app: App) -> None:
    app.has(f"services:\n  web: {SLEEP[:-1]}, volumes: [d:/d]}}\nvolumes: {{d: }}\n")
    app.up()
    name = app.folder.name
    assert f"{name}-web-1" in app.compose("images").out
    assert "sleep 999" in app.compose("top").out
    assert app.compose("volumes", "-q").out == f"{name}_d\n"


def test_the_file_as_it_is_understood(app: App) -> None:
    app.has(f"services:\n  web: {SLEEP[:-1]}, ports: ['80:${{PORT:-8080}}']}}\n")
    tree = json.loads(app.compose("config", "--format", "json").out)
    assert tree["services"]["web"]["ports"][0]["target"] == 8080
    assert app.compose("config", "--services").out == "web\n"
    assert app.compose("config", "-q").out == ""
    hashed = app.compose("config", "--hash", "*").out.split()
    assert hashed[0] == "web"
    again = app.file("again.yaml", app.compose("config").out)
    same = app("compose", "-f", str(again), "config").out
    assert same == app.compose("config").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("up", "-d", "wbe"), "no such service: wbe"),
        (("down", "wbe"), "no such service: wbe"),
        (("up", "-d", "--scale", "web"), "It is SERVICE=NUMBER"),
        (("up", "-d", "--scale", "wbe=2"), "no such service: wbe"),
        (("up", "--build", "--no-build"), "do not go together"),
        (("compose", "exec", "web", "true"), 'service "web" is not running'),
        (("compose", "exec", "web"), "needs a command"),
        (("compose", "stop", "wbe"), "no such service: wbe"),
        (("up", "-f", "none.yaml"), "none.yaml"),
    ],
)
def test_mistakes(app: App, words: tuple[str, ...], said: str) -> None:
    app.has(f"services:\n  web: {SLEEP}\n")
    done = app(*words, code=None)
    assert done.code != 0
    assert said in done.err


def test_where_there_is_no_file(app: App) -> None:
    (app.folder / "compose.yaml").rename(app.folder / "gone")
    done = app("up", code=1)
    assert "There is no compose file" in done.err
    (app.folder / "gone").rename(app.folder / "compose.yaml")
