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
    expected = ["create", "attach", "start", "detach", "attach", "detach"]
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
        found = [json.loads(following.stdout.readline()) for _ in range(5)]
    finally:
        following.terminate()
        following.communicate()
    expected = ["create", "attach", "start", "die", "destroy"]
    assert [event["Action"] for event in found] == expected
    assert found[3]["Actor"]["Attributes"]["exitCode"] == "0"
    assert {event["Actor"]["Attributes"]["name"] for event in found} == {"seen"}


def _watches(pid: int, path: str) -> bool:
    folder = f"/proc/{pid}/fd"
    links = []
    for name in os.listdir(folder):
        # It opens and closes others meanwhile.
        with contextlib.suppress(FileNotFoundError):
            links.append(os.readlink(f"{folder}/{name}"))
    return path in links and any("inotify" in link for link in links)


def test_networks_and_volumes_come_and_go_with_a_container(lamina: Machine) -> None:
    lamina("network", "create", "shop")
    run = ("run", "-d", "--name", "mounts", "-v", "data:/d:ro", "-v", "/anonymous")
    identity = lamina.out(*run, "busybox", "sleep", "100")
    lamina("network", "connect", "shop", "mounts")
    lamina("network", "disconnect", "bridge", "mounts")
    lamina("kill", "mounts")
    lamina("wait", "mounts")
    words = ("--filter", "type=network", "--filter", "type=volume", "--format", "json")
    lines = lamina.out("events", "--since", "1h", "--until", "0s", *words).splitlines()
    found = [
        event
        for event in map(json.loads, lines)
        if event["Actor"]["Attributes"].get("container") == identity
    ]
    (anonymous,) = {
        event["Actor"]["ID"] for event in found if event["Action"] == "mount"
    } - {"data"}
    shop = lamina.out("network", "inspect", "-f", "{{.Id}}", "shop")
    bridge = lamina.out("network", "inspect", "-f", "{{.Id}}", "bridge")
    seen = [(event["Action"], event["Actor"]["ID"]) for event in found]
    mounts = {"data", anonymous}
    assert seen[0] == ("connect", bridge)
    assert set(seen[1:3]) == {("mount", name) for name in mounts}
    expected = [("connect", shop), ("disconnect", bridge), ("disconnect", shop)]
    assert seen[3:6] == expected
    assert set(seen[6:]) == {("unmount", name) for name in mounts}
    modes = {
        event["Actor"]["ID"]: event["Actor"]["Attributes"]["read/write"]
        for event in found
        if event["Action"] == "mount"
    }
    assert modes == {"data": "false", anonymous: "true"}


def test_files_that_are_copied_and_what_is_pruned(lamina: Machine) -> None:
    lamina("create", "--name", "copied", "--network", "none", "busybox", "true")
    lamina("cp", "copied:/etc", "-")
    lamina("cp", str(lamina.store / "events"), "copied:/here")
    lamina("commit", "copied", "copied:1")
    lamina("container", "prune", "-f")
    found = told(lamina, "--filter", "container=copied")
    actions = ["create", "archive-path", "extract-to-dir", "commit", "destroy"]
    assert found == [f"container {action}" for action in actions]
    assert told(lamina, "--filter", "image=copied") == ["image tag"]
    assert "container prune" in told(lamina, "--filter", "event=prune")


def test_a_signal_that_is_passed_on_is_told_of(lamina: Machine) -> None:
    command = "trap 'exit 7' INT; echo ready; while :; do sleep 0.1; done"
    process = lamina.begin("run", "--name", "signalled", "busybox", "sh", "-c", command)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(2)
    assert process.wait(60) == 7
    process.communicate()
    expected = ["create", "attach", "start", "kill", "die"]
    found = told(lamina, "--filter", "container=signalled")
    assert found == [f"container {action}" for action in expected]


def test_sizes_of_a_terminal_are_told_of(lamina: Machine) -> None:
    terminal = Terminal(lamina, "run", "-it", "--name", "sized", "busybox", "sh")
    terminal.type(b"echo rea''dy\n")
    terminal.wait_for(b"ready")
    for rows, columns in ((33, 77), (33, 77), (20, 40)):
        terminal.resize(rows, columns)
        # The kernel tells its client of it, in its own time.
        size = f"{rows} {columns}".encode()
        terminal.type(
            f"until stty size | grep '{rows} {columns}'; do :; done\n".encode()
        )
        terminal.wait_for(b"\n" + size)
    terminal.type(b"exit\n")
    assert terminal.exit_code() == 0
    sizes = "{{.Actor.Attributes.height}}x{{.Actor.Attributes.width}}"
    words = ("--filter", "container=sized", "--filter", "event=resize")
    events = ("events", "--since", "1h", "--until", "0s", "--format", sizes)
    assert lamina.out(*events, *words).splitlines() == ["33x77", "20x40"]


def test_a_command_that_never_ran_does_not_die(lamina: Machine) -> None:
    lamina(
        "run", "-d", "--network", "none", "--name", "tried", "busybox", "sleep", "99"
    )
    lamina("exec", "tried", "nothere", code=127)
    lamina("exec", "tried", "sh", "-c", "exit 127", code=127)
    lamina("exec", "tried", "true")
    expected = ["exec_create: nothere", "exec_start: nothere"]
    expected += [f"exec_{what}: sh -c exit 127" for what in ("create", "start")]
    expected += ["exec_die", "exec_create: true", "exec_start: true", "exec_die"]
    found = told(lamina, "--filter", "container=tried")
    assert found == [f"container {one}" for one in ["create", "start", *expected]]
