"""`lamina events`: a container's life as it is told, and an image's."""

from __future__ import annotations

import contextlib
import json
import os

from tests.end_to_end.containers.machine import Machine, Terminal, until


def told(lamina: Machine, *words: str) -> list[str]:
    form = ("--format", "{{.Type}} {{.Action}}")
    return lamina.out("events", "--since", "1h", "--until", "0s", *form, *words).split(
        "\n"
    )


def test_a_life_is_told_as_docker_tells_it(lamina: Machine) -> None:
    lamina("run", "-d", "--name", "told", "--label", "a=b", "busybox", "sleep", "100")
    lamina("exec", "told", "true")
    lamina("pause", "told")
    lamina("unpause", "told")
    lamina("rename", "told", "retold")
    lamina("restart", "-t", "0", "retold")
    lamina("kill", "retold")
    lamina("wait", "retold")
    lamina("rm", "retold")
    ends = ["kill", "kill", "die", "stop", "start", "restart", "kill", "die", "destroy"]
    first = ["create", "start", "exec_create: true", "exec_start: true", "exec_die"]
    expected = [*first, "pause", "unpause", "rename", *ends]
    words = ("--filter", "label=a=b")
    assert told(lamina, *words) == [f"container {action}" for action in expected]


def test_images_are_told_of(lamina: Machine) -> None:
    lamina("tag", "busybox", "other:1")
    lamina("save", "-o", str(lamina.store.parent / "other.tar"), "other:1")
    lamina("rmi", "other:1")
    lamina("load", "-i", str(lamina.store.parent / "other.tar"))
    lamina("rmi", "other:1")
    actions = ["tag", "save", "untag", "load", "untag"]
    assert told(lamina, "--filter", "image=other") == [f"image {a}" for a in actions]


def test_who_types_the_detach_keys_is_told_of(lamina: Machine) -> None:
    run = ("run", "-it", "--name", "left", "busybox", "sh")
    for leave in (run, ("attach", "left"), ("exec", "-it", "left", "sh")):
        terminal = Terminal(lamina, *leave)
        # Who attaches sees no prompt, and knows so when it is being listened to.
        terminal.type(b"echo rea''dy\n")
        terminal.wait_for(b"ready")
        terminal.type(b"\x10\x11")
        terminal.exit_code()
    expected = ["create", "start", "detach", "attach", "detach"]
    expected += ["exec_create: sh", "exec_start: sh", "exec_detach"]
    found = told(lamina, "--filter", "container=left")
    assert found == [f"container {action}" for action in expected]


def test_events_are_shown_as_they_come(lamina: Machine) -> None:
    following = lamina.begin("events", "--filter", "type=container", "--format", "json")
    journal = lamina.store / "events"
    try:
        # From when on it listens is its own affair: until the first one is seen.
        assert following.stdout is not None
        until(lambda: _watches(following.pid, str(journal)))
        lamina("run", "--rm", "--name", "seen", "busybox", "true")
        found = [json.loads(following.stdout.readline()) for _ in range(4)]
    finally:
        following.terminate()
        following.communicate()
    assert [event["Action"] for event in found] == ["create", "start", "die", "destroy"]
    assert found[2]["Actor"]["Attributes"]["exitCode"] == "0"
    assert {event["Actor"]["Attributes"]["name"] for event in found} == {"seen"}


def _watches(pid: int, path: str) -> bool:
    folder = f"/proc/{pid}/fd"
    links = []
    for name in os.listdir(folder):
        # It opens and closes others meanwhile.
        with contextlib.suppress(FileNotFoundError):
            links.append(os.readlink(f"{folder}/{name}"))
    return path in links and any("inotify" in link for link in links)
