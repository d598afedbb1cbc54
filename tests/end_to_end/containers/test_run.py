"""Containers from the command line, in a store of their own, as a user types them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.end_to_end.containers.machine import (
    LAMINA,
    PATIENCE,
    ROOT,
    Machine,
    run_by_user,
    until,
)

# Run


def test_run_gives_output_errors_and_exit_code(lamina: Machine) -> None:
    run = ("run", "--rm", "--network", "none", "busybox")
    done = lamina(*run, "sh", "-c", "echo out; echo err >&2; exit 7", code=7)
    assert (done.stdout, done.stderr) == (b"out\n", b"err\n")
    assert lamina.left() == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("busybox", "no-such-command"), 127),
        (("busybox", ""), 127),
        (("--entrypoint", "-x", "busybox"), 127),
        (("busybox", "/etc/passwd"), 126),
        (("busybox", "/etc"), 126),
        (("--user", "nobody-here", "busybox", "true"), 125),
        (("--name", "-", "busybox"), 125),
        (("--pull", "never", "no-such-image"), 125),
        (("-v", "/no/such/source:/x:bad", "busybox"), 125),
    ],
)
def test_what_cannot_start_says_so(
    lamina: Machine, words: tuple[str, ...], code: int
) -> None:
    done = lamina("run", "--rm", "--network", "none", *words, code=code)
    assert done.stderr.startswith(b"lamina: ")
    assert b"Traceback" not in done.stderr
    assert lamina.left() == []


def test_a_missing_image_says_where_it_was_looked_for(lamina: Machine) -> None:
    done = lamina("run", "--pull", "never", "nowhere:1", code=125)
    assert str(lamina.store).encode() in done.stderr
    # Port 1 refuses: no registry is there.
    done = lamina("run", "localhost:1/nowhere:1", code=125)
    assert b"'localhost:1/nowhere:1' locally" in done.stderr
    assert b"bootstrap" in done.stderr


def test_a_failed_start_stays_as_created(lamina: Machine) -> None:
    lamina("run", "--network", "none", "--name", "bad", "busybox", "nope", code=127)
    found = lamina.out("ps", "-a", "--format", "{{.Names}} {{.Status}}")
    assert found == "bad Created"


def test_what_was_made_and_could_not_start_is_named(lamina: Machine) -> None:
    run = ("run", "-d", "--network", "none", "busybox")
    made = lamina.out(*run, "nope", code=127)
    assert made == lamina.out("ps", "-aq", "--no-trunc")
    assert lamina.out("run", "-d", "--pull=never", "nowhere:1", code=125) == ""


def test_killed_by_a_signal_is_128_and_the_signal(lamina: Machine) -> None:
    lamina.quiet("busybox", "sh", "-c", "sh -c 'kill -TERM $$'; exit $?", code=143)
    run = ("run", "-d", "-i", "--network", "none", "--name", "k2", "busybox")
    lamina(*run, "cat")
    lamina("kill", "k2")
    assert lamina.out("wait", "k2") == "137"


def test_stdin_is_passed_on_and_closed(lamina: Machine) -> None:
    data = os.urandom(300_000)
    run = ("run", "--rm", "-i", "--network", "none", "busybox")
    assert lamina(*run, "cat", stdin=data).stdout == data
    # Without -i there is none.
    assert lamina.quiet("busybox", "cat", stdin=b"x") == ""


def test_a_command_that_reads_nothing_ends_with_stdin_open(lamina: Machine) -> None:
    process = lamina.begin(
        *("run", "--rm", "-i", "--network", "none", "busybox", "echo", "hi")
    )
    assert process.stdout is not None
    assert process.stdout.read() == b"hi\n"
    assert process.wait(PATIENCE) == 0
    process.communicate()


def test_a_reader_that_goes_ends_the_writer(lamina: Machine) -> None:
    process = lamina.begin("run", "--rm", "--network", "none", "busybox", "yes")
    assert process.stdout is not None
    assert process.stdout.readline() == b"y\n"
    process.stdout.close()
    assert process.wait(PATIENCE) != 0
    for pipe in (process.stdin, process.stderr):
        assert pipe is not None
        pipe.close()


def test_the_container_sees_what_was_asked_for(lamina: Machine) -> None:
    flags = (
        *("-e", "A=b c", "-w", "/tmp/deep", "-u", "guest", "-h", "box"),
        *("--add-host", "db:10.1.2.3", "--dns", "10.9.9.9", "--ulimit", "nofile=99"),
    )
    script = (
        "echo $A; pwd; id -un; hostname; grep db /etc/hosts; cat /etc/resolv.conf; "
        "ulimit -n"
    )
    found = lamina.quiet(*flags, "busybox", "sh", "-c", script).splitlines()
    assert found[:4] == ["b c", "/tmp/deep", "guest", "box"]
    assert found[4].split() == ["10.1.2.3", "db"]
    assert "nameserver 10.9.9.9" in found
    assert found[-1] == "99"


def test_isolation_is_docker_s(lamina: Machine) -> None:
    script = (
        "grep -E 'CapEff|Seccomp:|NoNewPrivs' /proc/self/status; ps | wc -l; "
        "(mknod /dev/disk b 254 0 && cat /dev/disk) 2>&1 | head -1; "
        "echo 1 > /proc/sys/kernel/core_pattern; ls /sys/class/net"
    )
    run = ("run", "--rm", "--network", "none", "busybox", "sh", "-c", script)
    done = lamina(*run)
    text = done.stdout.decode()
    assert "00000000a80425fb" in text and "Seccomp:\t2" in text
    # root may make the device, and not open it; a user not even that.
    assert "/dev/disk" in text and "Operation not permitted" in text
    assert b"Read-only file system" in done.stderr
    assert text.split()[-1] == "lo"
    hardened = lamina.quiet(
        *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only"),
        *("busybox", "sh", "-c", "grep -E 'CapEff|NoNew' /proc/self/status; touch /x"),
        code=1,
    )
    assert "0000000000000000" in hardened and "NoNewPrivs:\t1" in hardened


def test_the_host_s_view_of_cgroups(lamina: Machine) -> None:
    """An ordinary user's kernel mounts none without a cgroup namespace of their own."""
    script = "cat /proc/self/cgroup; cat /sys/fs/cgroup/*/cgroup.procs; touch /sys/fs/x"
    done = lamina(
        *("run", "--rm", "--network", "none", "--cgroupns", "host"),
        *("busybox", "sh", "-c", script),
        code=1,
    )
    assert b"Read-only" in done.stderr
    rows = Path("/proc/self/cgroup").read_text().splitlines()
    host = {row.split(":", 2)[1] for row in rows}
    found = [line.split(":", 2) for line in done.stdout.decode().splitlines()]
    assert {line[1] for line in found if len(line) == 3} == host


def test_volumes(lamina: Machine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("of the host\n")
    bind = ("-v", f"{tmp_path}:/host:ro")
    done = lamina.quiet(*bind, "busybox", "cat", "/host/file")
    assert done == "of the host"
    lamina.quiet(*bind, "busybox", "touch", "/host/new", code=1)
    assert os.listdir(tmp_path) == ["file"]
    # A new named volume has what the image has there, and keeps what is written.
    named = ("-v", "things:/data")
    lamina.quiet(*named, "busybox", "sh", "-c", "echo more > /data/new")
    assert lamina.quiet(*named, "busybox", "ls", "/data") == "inner\nnew"
    assert lamina.quiet("--tmpfs", "/mnt/x:size=1m", "busybox", "df", "/mnt/x").count(
        "1024"
    )
    lamina.quiet("-v", f"{tmp_path}/made:/made", "busybox", "touch", "/made/it")
    assert (tmp_path / "made/it").exists()


def test_a_volume_of_the_image_goes_with_rm(lamina: Machine) -> None:
    assert lamina.quiet("guest", "ls", "/data/inner") == "file"
    assert lamina.left() == []
    lamina("run", "--network", "none", "--name", "v1", "guest", "true")
    assert len(os.listdir(lamina.store / "volumes")) == 1
    lamina("rm", "-v", "v1")
    assert lamina.left() == []
    # Without -v it stays, as docker's does.
    lamina("run", "--network", "none", "--name", "v2", "guest", "true")
    lamina("rm", "v2")
    assert len(os.listdir(lamina.store / "volumes")) == 1


def test_an_image_s_volume_takes_no_other_along(lamina: Machine) -> None:
    lamina("volume", "create", "precious")
    place = "/x\nprecious /y"
    lamina("run", "--rm", "--network", "none", "-v", place, "busybox", "true")
    assert os.listdir(lamina.store / "volumes") == ["precious"]
    lamina("run", "--name", "v3", "--network", "none", "-v", place, "busybox", "true")
    assert len(os.listdir(lamina.store / "volumes")) == 2
    lamina("rm", "-v", "v3")
    assert os.listdir(lamina.store / "volumes") == ["precious"]


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_streams_that_the_caller_has_closed(lamina: Machine, closed: str) -> None:
    """Their numbers are those of the next files: what is printed would go there."""
    script = f'"$@" {closed}; code=$?; [ $code = 0 ] || echo "$code" >&3'
    for words in (
        ("run", "--rm", "--network", "none", "busybox", "echo", "hi"),
        ("ps", "-a"),
        ("run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "99"),
        ("exec", "box", "echo", "hi"),
        ("inspect", "box"),
        ("logs", "box"),
        ("rm", "-f", "box"),
    ):
        done = subprocess.run(
            ("sh", "-c", f"exec 3>&1; {script}", "sh", *LAMINA, *words),
            env=lamina.env,
            cwd=ROOT,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=True,
        )
        said = done.stdout + done.stderr
        assert b"Traceback" not in said, said
        assert done.stdout.rsplit(b"\n", 2)[-2:] not in ([b"1", b""], [b"125", b""])
    assert lamina.left() == []


@pytest.mark.parametrize("encoding", ["utf-8:strict", ""])
def test_bytes_that_are_no_text_are_printed(lamina: Machine, encoding: str) -> None:
    """Python is strict under a locale of UTF-8, which this machine may lack."""
    odd = b"\xff"
    command = ("run", "--name", "odd", "--network", "none", "busybox", "touch")
    env = {**lamina.env, "PYTHONIOENCODING": encoding}

    def out(*words: str | bytes) -> bytes:
        return subprocess.run(
            (*LAMINA, *words), env=env, cwd=ROOT, capture_output=True, check=True
        ).stdout

    out(*command, b"/" + odd)
    assert out("diff", "odd") == b"A /" + odd + b"\n"
    (found,) = json.loads(out("inspect", "odd"))
    assert found["Args"] == ["/\ufffd"]
    assert b"\xff" not in out("ps", "-a", "--format", "json")
    out("ps", "-a")
    out("rm", "odd")


def test_cidfile(lamina: Machine, tmp_path: Path) -> None:
    file = tmp_path / "cid"
    lamina("run", "--network", "none", "--cidfile", str(file), "busybox", "true")
    assert file.read_text() in lamina.out("ps", "-aq", "--no-trunc")
    done = lamina("run", "--cidfile", str(file), "busybox", "true", code=125)
    assert b"is there already" in done.stderr


def test_signals_go_to_the_command(lamina: Machine) -> None:
    script = "trap 'echo got; exit 9' TERM; echo ready; while :; do sleep 0.1; done"
    process = lamina.begin(
        *("run", "--rm", "--network", "none", "busybox", "sh", "-c", script)
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=PATIENCE)[0] == b"got\n"
    assert process.returncode == 9
    assert lamina.left() == []


def test_ctrl_c_three_times_kills_what_ignores_it(lamina: Machine) -> None:
    process = lamina.begin(
        *("run", "--rm", "--network", "none", "busybox"),
        *("sh", "-c", "trap '' INT; echo ready; exec sleep 1000"),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 137
    assert lamina.left() == []


# Logs


def test_logs_follow_until_the_end(lamina: Machine) -> None:
    script = "for i in 1 2 3; do echo $i; sleep 0.2; done"
    run = ("run", "-d", "--network", "none", "--name", "talk", "busybox")
    lamina(*run, "sh", "-c", script)
    assert lamina.out("logs", "-f", "talk") == "1\n2\n3"
    assert lamina.out("logs", "--tail", "1", "talk") == "3"
    stamped = lamina.out("logs", "-t", "-n", "1", "talk")
    assert stamped.endswith("Z 3")
    assert lamina.out("logs", "--since", stamped.split()[0], "talk") == "3"
    assert lamina.out("logs", "--since", "1h", "--tail", "0", "talk") == ""


def test_a_foreground_container_has_a_log_as_well(lamina: Machine) -> None:
    lamina("run", "--network", "none", "--name", "fore", "busybox", "echo", "kept")
    assert lamina.out("logs", "fore") == "kept"


# Exec


def test_exec(lamina: Machine) -> None:
    run = ("run", "-d", "--network", "none", "--name", "host", "-e", "A=1", "busybox")
    lamina(*run, "sleep", "1000")
    assert lamina.out("exec", "host", "sh", "-c", "echo $A $HOSTNAME").startswith("1 ")
    words = ("-e", "A=2", "-w", "/tmp", "-u", "guest", "host", "sh", "-c")
    found = lamina.out("exec", *words, "echo $A; pwd; id -u; id -G; exit 6", code=6)
    assert found == "2\n/tmp\n1000\n1000 50"
    assert lamina.out("exec", "-i", "host", "cat", stdin=b"hello") == "hello"
    lamina("exec", "host", "nope", code=127)
    lamina("exec", "host", "/etc/passwd", code=126)
    lamina("exec", "nobody", "true", code=1)
    lamina("exec", "-d", "host", "sh", "-c", "sleep 0.2; touch /done")
    until(lambda: lamina("exec", "host", "ls", "/done", code=None).returncode == 0)
    status = "grep -E 'CapEff|Seccomp:' /proc/self/status"
    assert "a80425fb" in lamina.out("exec", "host", "sh", "-c", status)
    lamina("kill", "host")
    lamina("wait", "host")
    assert b"not running" in lamina("exec", "host", "true", code=1).stderr


# Networks


def test_the_default_network_has_an_address_and_gives_it_back(lamina: Machine) -> None:
    script = "ip -o -4 addr show eth0; ip route; cat /etc/hosts"
    found = lamina.out("run", "--rm", "busybox", "sh", "-c", script)
    address = found.split("inet ")[1].split("/")[0]
    assert f"{address}\t" in found and "default via" in found
    assert lamina.left() == []


def test_a_published_port_answers(lamina: Machine) -> None:
    page = "mkdir /www; echo hello > /www/index.html; exec httpd -f -p 80 -h /www"
    run = ("run", "-d", "-P", "--name", "server", "--expose", "80", "busybox")
    lamina(*run, "sh", "-c", page)
    host = lamina.out("port", "server", "80").rpartition(":")[2]
    fetch = ["/bin/busybox", "wget", "-qO-", f"http://127.0.0.1:{host}/"]

    def answers() -> bool:
        done = subprocess.run(fetch, capture_output=True, check=False, timeout=PATIENCE)
        return done.stdout == b"hello\n"

    until(answers)
    assert f":{host}->80/tcp" in lamina.out("ps", "--format", "{{.Ports}}")
    taken = lamina("run", "--rm", "-p", f"{host}:80", "busybox", "true", code=125)
    assert host.encode() in taken.stderr
    lamina("rm", "-f", "server")
    assert lamina.left() == []


def test_the_host_s_network(lamina: Machine) -> None:
    name = lamina.out("run", "--rm", "--network", "host", "busybox", "hostname")
    assert name == os.uname().nodename


# Limits


def test_a_limit_of_processes_stops_a_fork_bomb(lamina: Machine) -> None:
    script = "for i in $(seq 40); do sleep 5 & done; echo end"
    done = lamina(
        *("run", "--rm", "--network", "none", "--pids-limit", "10", "busybox"),
        *("sh", "-c", script),
        code=None,
    )
    assert b"can't fork" in done.stderr
    assert lamina.left() == []


def test_a_limit_of_memory_kills_and_is_recorded(lamina: Machine) -> None:
    run = ("run", "--network", "none", "--name", "fat", "-m", "32m", "busybox")
    lamina(*run, "sh", "-c", "x=$(head -c 200m /dev/zero | tr '\\0' x)", code=None)
    state = json.loads(lamina.out("inspect", "fat"))[0]["State"]
    assert state["OOMKilled"] and state["ExitCode"] != 0


# An ordinary user


_AS_USER = """
import os, sys
from pathlib import Path
from lamina.cli.main import main
from tests.busybox import make_image, open_store

place = Path(sys.argv[1])
os.environ["LAMINA_ROOT"] = str(place / "store")
def lamina(*words):
    # In a child: some commands change the user namespace of their process.
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = main(words)
        sys.stdout.flush()
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
store = open_store(place)
make_image(store)
store.close()
print(lamina("run", "--rm", "--network", "none", "busybox", "id", "-u"))
lamina("run", "-d", "--network", "none", "--name", "u1", "busybox", "sleep", "1000")
print(lamina("exec", "u1", "sh", "-c", "touch /new; exit 5"))
print(lamina("diff", "u1"))
print(lamina("stop", "-t", "0", "u1"))
print(lamina("rm", "u1"))
print(os.listdir(place / "store" / "containers"))
"""


@pytest.mark.root("it becomes a user")
def test_an_ordinary_user_has_the_same_commands() -> None:
    done = run_by_user(61_234, _AS_USER)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("\n")
    assert lines[0:2] == ["0", "0"], (lines, done.stderr)
    assert lines[3:] == ["5", "A /new", "0", "u1", "0", "u1", "0", "[]", ""], (
        lines,
        done.stderr,
    )
