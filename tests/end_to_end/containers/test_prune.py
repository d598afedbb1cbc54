"""`container prune`, `image prune`, and docker's other spelling of the rest."""

from __future__ import annotations

import json

from tests.end_to_end.containers.machine import Machine

_QUIET = ("--network", "none")


def test_stopped_containers_go_and_no_others(lamina: Machine) -> None:
    lamina("run", "-d", *_QUIET, "--name", "runs", "busybox", "sleep", "1000")
    lamina("create", *_QUIET, "--name", "kept", "--label", "a=b", "busybox", "true")
    lamina("run", *_QUIET, "--name", "done", "busybox", "sh", "-c", "echo abc > /f")
    done = lamina("container", "prune", "--filter", "label!=a", stdin=b"y\n")
    lines = done.stdout.decode().splitlines()
    assert lines[0] == "WARNING! This will remove all stopped containers."
    assert lines[1].endswith("Deleted Containers:") and len(lines[2]) == 64
    assert lines[-1] == "Total reclaimed space: 4B"
    names = lamina.out("container", "ls", "-a", "--format", "{{.Names}}").split()
    assert sorted(names) == ["kept", "runs"]
    lamina("container", "prune", "-f", "--filter", "until=24h")
    assert lamina.out("container", "inspect", "-f", "{{.Name}}", "kept") == "/kept"
    lamina("container", "prune", stdin=b"n\n", code=1)
    lamina("container", "prune", "-f")
    assert lamina.out("ps", "-a", "--format", "{{.Names}}") == "runs"
    assert (
        b"label=..." in lamina("container", "prune", "--filter", "x=y", code=1).stderr
    )


def test_images_without_a_name_go(lamina: Machine) -> None:
    lamina("create", *_QUIET, "--name", "box", "busybox", "true")
    nameless = lamina.out("commit", "box")
    named = lamina.out("commit", "box", "named")
    out = lamina.out("image", "prune", "-f")
    assert f"deleted: {nameless}" in out and "Total reclaimed space:" in out
    assert lamina("image", "inspect", nameless, code=1).returncode == 1
    found = json.loads(lamina.out("image", "inspect", "named"))
    assert found[0]["Id"] == named
    # What a container has stays, whatever is asked for.
    lamina("rmi", "named")
    assert lamina.out("image", "ls", "-q", "busybox")


def test_a_group_by_itself_lists_its_commands(lamina: Machine) -> None:
    done = lamina("container", code=0)
    assert b"prune" in done.stdout and b"unpause" in done.stdout
    assert b"no command 'nothing'" in lamina("image", "nothing", code=1).stderr


def test_codes_are_those_of_the_command_that_is_meant(lamina: Machine) -> None:
    lamina("create", *_QUIET, "--name", "box", "busybox", "true")
    lamina("run", "-d", *_QUIET, "--name", "runs", "busybox", "sleep", "1000")
    for words, code in (
        (("container", "run", "--rm", "--bogus", "busybox"), 125),
        (("container", "run", "--rm", "--cpus", "x", "busybox"), 125),
        (("container", "run", "--rm", *_QUIET, "busybox", "nothing"), 127),
        (("run", "--rm", *_QUIET, "busybox", "/etc"), 126),
        (("create", "--name", "box", "busybox"), 1),
        (("rename", "box", "no name"), 1),
        (("logs", "--tail", "x", "box"), 1),
        (("exec", "box"), 1),
        (("exec", "box", "true"), 1),
        (("exec", "runs", "nothing"), 127),
        (("exec", "runs", "/etc"), 126),
        (("exec", "-w", "/nowhere", "runs", "true"), 126),
        (("exec", "-u", "nobodyx", "runs", "true"), 126),
        (("container", "inspect", "nobody"), 1),
    ):
        assert lamina(*words, code=None).returncode == code, words
