"""`lamina logs` of containers that write much, anything, or for long."""

from __future__ import annotations

import hashlib
import os

from tests.end_to_end.containers.machine import Machine, until

_COUNT = "i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done"


def test_a_rotated_log_is_one(lamina: Machine) -> None:
    limits = ("--log-opt", "max-size=20k", "--log-opt", "max-file=10")
    lamina("run", "--name", "rotated", *limits, "busybox", "sh", "-c", _COUNT)
    identity = lamina.out("inspect", "--format", "{{.Id}}", "rotated")
    files = [p.name for p in (lamina.store / "containers" / identity).glob("log*")]
    assert sorted(files) == ["log", "log.1"]
    lines = [f"line {number}" for number in range(500)]
    assert lamina.out("logs", "rotated").split("\n") == lines
    assert lamina.out("logs", "--tail", "400", "rotated").split("\n") == lines[100:]


def test_following_goes_on_across_rotations_and_ends_with_the_container(
    lamina: Machine,
) -> None:
    limits = ("--log-opt", "max-size=20k", "--log-opt", "max-file=10")
    wait = "until [ -e /go ]; do sleep 0.05; done; "
    lamina("run", "-d", "--name", "much", *limits, "busybox", "sh", "-c", wait + _COUNT)
    following = lamina.begin("logs", "-f", "much")
    lamina("exec", "much", "touch", "/go")
    out, _ = following.communicate(timeout=60)
    assert out.decode().split("\n") == [*(f"line {n}" for n in range(500)), ""]
    assert following.returncode == 0


def test_rotated_files_are_compressed_and_read(lamina: Machine) -> None:
    words = ("max-size=4k", "max-file=20", "compress=true")
    limits = [word for text in words for word in ("--log-opt", text)]
    wait = "until [ -e /go ]; do sleep 0.05; done; "
    command = ("sh", "-c", f"{wait}{_COUNT}; sleep 100")
    lamina("run", "-d", "--init", "--name", "zipped", *limits, "busybox", *command)
    following = lamina.begin("logs", "-f", "zipped")
    lamina("exec", "zipped", "touch", "/go")
    lines = [f"line {number}" for number in range(500)]
    until(lambda: lamina.out("logs", "--tail", "1", "zipped") == lines[-1])
    assert lamina.out("logs", "zipped").split("\n") == lines
    assert lamina.out("logs", "--tail", "400", "zipped").split("\n") == lines[100:]
    lamina("stop", "-t", "1", "zipped")
    assert following.communicate(timeout=60)[0].decode().split("\n")[:-1] == lines
    identity = lamina.out("inspect", "--format", "{{.Id}}", "zipped")
    names = [p.name for p in (lamina.store / "containers" / identity).glob("log*")]
    assert len(names) > 5
    assert sorted(names) == sorted(
        ["log", *(f"log.{n}.gz" for n in range(1, len(names)))]
    )


def test_following_ends_when_the_keeper_is_killed(lamina: Machine) -> None:
    lamina("run", "-d", "--name", "killed", "busybox", "sh", "-c", "echo a; sleep 100")
    following = lamina.begin("logs", "-f", "killed")
    assert following.stdout is not None
    assert following.stdout.readline() == b"a\n"
    os.kill(lamina.keeper("killed"), 9)
    assert following.wait(60) == 0
    following.communicate()


def test_bytes_come_back_as_they_were(lamina: Machine) -> None:
    data = os.urandom(300_000)
    lamina("run", "-i", "--name", "bytes", "busybox", "cat", stdin=data)
    found = lamina("logs", "bytes").stdout
    assert hashlib.sha256(found).digest() == hashlib.sha256(data).digest()


def test_until_the_beginning_of_time_is_nothing(lamina: Machine) -> None:
    lamina("run", "--network", "none", "--name", "said", "busybox", "echo", "hi")
    assert lamina.out("logs", "--until", "1970-01-01T00:00:00Z", "said") == ""
    assert lamina.out("logs", "--since", "1970-01-01T00:00:00Z", "said") == "hi"


def test_following_ends_at_the_moment_that_was_said(lamina: Machine) -> None:
    lamina("run", "-d", "--name", "box", "busybox", "sh", "-c", "echo a; sleep 1000")
    until(lambda: lamina.out("logs", "box") == "a")
    assert lamina.out("logs", "-f", "--until", "0s", "box") == "a"


def test_where_nothing_is_kept_nothing_can_be_read(lamina: Machine) -> None:
    lamina("run", "--name", "unkept", "--log-driver", "none", "busybox", "true")
    done = lamina("logs", "unkept", code=1)
    assert b"keeps nothing" in done.stderr


def test_output_of_which_nobody_reads_a_byte_stops_nothing(lamina: Machine) -> None:
    """A client that does not read makes the container wait, and no command."""
    stuck = lamina.begin("run", "--name", "stuck", "busybox", "yes")
    until(lambda: lamina.out("ps", "-q", "--filter", "name=stuck") != "")
    lamina("exec", "stuck", "true")
    assert lamina.out("logs", "--tail", "1", "stuck") == "y"
    lamina("rm", "-f", "stuck")
    stuck.communicate(timeout=60)


def test_details_are_labels_variables_and_a_tag(lamina: Machine) -> None:
    words = [
        *("--name", "told", "--label", "tier=web", "-e", "WHO=x y&=\u20ac"),
        *("--log-opt", "labels=tier", "--log-opt", "env-regex=^WH"),
        *("--log-opt", "tag={{.Name}}", "--log-opt", "mode=non-blocking"),
    ]
    lamina("run", "--network", "none", *words, "busybox", "echo", "hi")
    # As docker escapes them.
    details = "WHO=x+y%26%3D%E2%82%AC,tag=told,tier=web"
    assert lamina.out("logs", "--details", "told") == f"{details} hi"
    assert lamina.out("logs", "told") == "hi"
    time, *rest = lamina.out("logs", "-t", "--details", "told").split(" ")
    assert time.endswith("Z") and rest == [details, "hi"]
    config = lamina.out("inspect", "-f", "{{.HostConfig.LogConfig.Config.tag}}", "told")
    assert config == "{{.Name}}"
    lamina("run", "--network", "none", "--name", "plain", "busybox", "echo", "hi")
    assert lamina("logs", "--details", "plain").stdout == b" hi\n"
