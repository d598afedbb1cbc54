"""Containers from the command line, in a store of their own, as a user types them."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import tarfile
import termios
import time
from io import BytesIO
from pathlib import Path

import pytest

from tests.end_to_end.containers.machine import (
    LAMINA,
    PATIENCE,
    ROOT,
    Machine,
    Terminal,
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


# Terminals


def test_a_terminal_has_a_size_and_a_code(lamina: Machine) -> None:
    run = ("run", "-it", "--rm", "--network", "none", "busybox", "sh")
    terminal = Terminal(lamina, *run)
    terminal.resize(33, 99)
    terminal.wait_for(b"# ")
    terminal.type(b"tty; stty size; echo mark\n")
    assert b"/dev/pts/0\r\n33 99" in terminal.wait_for(b"\nmark\r\n")
    terminal.resize(44, 111)
    terminal.type(b"sleep 0.3; stty size; echo mark\n")
    assert b"44 111" in terminal.wait_for(b"\nmark\r\n")
    # Ctrl-C is the terminal's affair: the shell goes on.
    terminal.type(b"sleep 1000\n")
    terminal.wait_for(b"sleep 1000")
    time.sleep(0.3)
    terminal.type(b"\x03")
    terminal.type(b"exit 5\n")
    assert terminal.exit_code() == 5
    assert lamina.left() == []


def test_the_caller_s_terminal_stays_out_of_reach(lamina: Machine) -> None:
    """Without -t the container has pipes: nothing to push characters into."""
    run = ("run", "--rm", "-i", "--network", "none", "busybox", "sh", "-c")
    script = "exec 2>&1; ls -l /proc/self/fd/; tty; (echo x > /dev/tty); echo mark"
    terminal = Terminal(lamina, *run, script)
    seen = terminal.wait_for(b"\nmark\r\n")
    assert b"/dev/pts" not in seen and b"not a tty" in seen
    assert b"can't create /dev/tty" in seen
    assert terminal.exit_code() == 0


def test_ctrl_c_at_a_terminal_reaches_the_command_alone(lamina: Machine) -> None:
    """The terminal signals the whole group; what keeps the container stays."""
    script = "trap 'echo got; exit 9' INT; echo ready; while :; do sleep 0.1; done"
    run = ("run", "--rm", "--network", "none", "busybox", "sh", "-c", script)
    terminal = Terminal(lamina, *run)
    terminal.wait_for(b"ready\r\n")
    terminal.type(b"\x03")
    terminal.wait_for(b"got\r\n")
    assert terminal.exit_code() == 9
    assert lamina.left() == []


def test_the_terminal_is_as_before_afterwards(lamina: Machine) -> None:
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    run = (*LAMINA, "run", "-it", "--rm", "--network", "none", "busybox", "true")
    subprocess.run(run, env=lamina.env, cwd=ROOT, stdin=slave, stdout=slave, check=True)
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)


def test_it_needs_a_terminal(lamina: Machine) -> None:
    done = lamina("run", "-it", "busybox", code=125)
    assert b"not a TTY" in done.stderr


# Detached


def test_a_detached_container_lives_on(lamina: Machine) -> None:
    script = "echo one; echo two >&2; sleep 1000"
    run = ("run", "-d", "--network", "none", "--name", "job", "-l", "k=v")
    identity = lamina.out(*run, "busybox", "sh", "-c", script)
    assert len(identity) == 64
    row = lamina.out("ps", "--format", "{{.ID}} {{.Image}} {{.Names}} {{.State}}")
    assert row == f"{identity[:12]} busybox job running"
    until(lambda: lamina("logs", "job").stdout == b"one\n")
    assert lamina("logs", "job").stderr == b"two\n"
    assert "sleep 1000" in lamina.out("top", "job")
    done = lamina("rm", "job", code=1)
    assert b"running container" in done.stderr
    assert lamina.out("stop", "-t", "0", "job") == "job"
    assert lamina.out("wait", "job") == "137"
    assert lamina.out("ps").count("\n") == 0
    assert lamina.out("ps", "-a", "--format", "{{.Status}}").startswith("Exited (137)")
    assert lamina.out("rm", "job") == "job"
    assert lamina.left() == []


def test_a_name_is_given_once(lamina: Machine) -> None:
    run = ("run", "-d", "--network", "none", "--name", "once", "busybox")
    lamina(*run, "sleep", "1000")
    done = lamina(*run, "true", code=125)
    assert b'"/once" is already in use' in done.stderr
    lamina("rename", "once", "other")
    assert lamina.out("ps", "--format", "{{.Names}}") == "other"
    lamina(*run, "true")
    assert lamina.out("wait", "once") == "0"


def test_a_detached_start_that_fails_has_the_code(lamina: Machine) -> None:
    done = lamina("run", "-d", "--rm", "--network", "none", "busybox", "nope", code=127)
    assert b"nope" in done.stderr and done.stdout == b""
    assert lamina.left() == []


def test_the_stop_signal_and_the_code_that_comes_of_it(lamina: Machine) -> None:
    script = "trap 'exit 4' USR1; echo ready; while :; do sleep 0.1; done"
    run = ("run", "-d", "--network", "none", "--stop-signal", "USR1", "--name", "st")
    lamina(*run, "busybox", "sh", "-c", script)
    until(lambda: lamina("logs", "st").stdout == b"ready\n")
    lamina("stop", "st")
    assert lamina.out("wait", "st") == "4"
    done = lamina("kill", "st", code=1)
    assert b"not running" in done.stderr


def test_what_is_removed_at_its_end_leaves_nothing(lamina: Machine) -> None:
    run = ("run", "-d", "--rm", "--network", "none", "busybox")
    lamina(*run, "sleep", "0.2")
    until(lambda: lamina.left() == [])


def test_a_killed_keeper_takes_its_container_along(lamina: Machine) -> None:
    run = ("run", "-d", "--network", "none", "--name", "orphan", "busybox")
    lamina(*run, "sleep", "4242")
    pid = lamina.out("inspect", "--format", "{{.State.Pid}}", "orphan")
    os.kill(lamina.keeper("orphan"), signal.SIGKILL)
    until(lambda: not os.path.exists(f"/proc/{pid}"))
    assert lamina.out("ps", "-a", "--format", "{{.Status}}").startswith("Exited (137)")
    assert os.listdir(lamina.store / "live") == []
    lamina("rm", "orphan")
    assert lamina.left() == []


def test_a_killed_foreground_run_leaves_nothing_running(lamina: Machine) -> None:
    process = lamina.begin(
        *("run", "--rm", "--network", "none", "busybox", "sh", "-c"),
        "echo ready; sleep 4243",
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    pid = lamina.out("ps", "-q")
    init = lamina.out("inspect", "--format", "{{.State.Pid}}", pid)
    process.kill()
    process.communicate()
    until(lambda: not os.path.exists(f"/proc/{init}"))
    assert lamina.out("ps", "-aq") == ""
    assert lamina.left() == []


def test_runs_killed_at_any_moment_leave_nothing(lamina: Machine) -> None:
    """What a death leaves is given back by the next command that looks."""
    for moment in range(15):
        run = ("run", "--network", "none", "-v", "/own", "busybox", "sleep", "0.02")
        process = lamina.begin(*run)
        time.sleep(0.02 * moment)
        process.kill()
        process.communicate()
    made = lamina.out("ps", "-aq").split()
    if made:
        lamina("rm", "-f", "-v", *made)
    lamina("ps", "-a")
    # A deletion that was cut short is finished by `system prune`.
    assert [name for name in lamina.left() if not name.startswith("trash/")] == []
    lamina("system", "prune", "-f")
    assert lamina.left() == []


def test_a_process_in_the_background_dies_with_the_container(lamina: Machine) -> None:
    assert lamina.quiet("busybox", "sh", "-c", "sleep 1000 & echo hi") == "hi"


def test_a_damaged_record_hides_no_other_and_can_be_removed(lamina: Machine) -> None:
    for name in ("hurt", "fine"):
        lamina("run", "--network", "none", "--name", name, "busybox", "true")
    identity = lamina.out("inspect", "--format", "{{.Id}}", "hurt")
    (lamina.store / "containers" / identity / "state.json").write_bytes(b"")
    done = lamina("ps", "-a", "--format", "{{.Names}}")
    assert done.stdout == b"fine\n" and identity[:12].encode() in done.stderr
    lamina("rm", "hurt", code=1)
    lamina("rm", "-f", "hurt", "fine")
    assert lamina("ps", "-a").stderr == b""
    lamina("run", "--rm", "--network", "none", "--name", "hurt", "busybox", "true")


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


def test_exec_on_a_terminal(lamina: Machine) -> None:
    lamina(
        *("run", "-d", "--network", "none", "--name", "tt", "busybox"), "sleep", "99"
    )
    terminal = Terminal(lamina, "exec", "-it", "tt", "sh")
    terminal.resize(30, 70)
    terminal.wait_for(b"# ")
    terminal.type(b"stty size; echo mark\n")
    assert b"30 70" in terminal.wait_for(b"\nmark\r\n")
    terminal.type(b"exit 3\n")
    assert terminal.exit_code() == 3


# Changes


def test_diff_commit_and_the_new_image(lamina: Machine) -> None:
    script = (
        "echo x >> /etc/passwd; rm /etc/motd; mkdir -p /new/dir; echo a > /new/dir/f; "
        "rm -rf /data; mkdir /data"
    )
    run = ("run", "--network", "none", "--name", "work", "-v", "/vol", "busybox")
    lamina(*run, "sh", "-c", script)
    assert lamina.out("diff", "work").splitlines() == [
        *("C /data", "D /data/inner", "C /etc", "D /etc/motd", "C /etc/passwd"),
        *("A /new", "A /new/dir", "A /new/dir/f"),
    ]
    changes = ("-c", 'CMD ["cat", "/new/dir/f"]', "-c", "ENV K=v", "-c", "WORKDIR /new")
    lamina("commit", "-m", "note", "-a", "me", *changes, "work", "made:1")
    assert lamina.quiet("made:1") == "a"
    script = "pwd; echo $K; ls /data /etc/motd"
    found = lamina.quiet("made:1", "sh", "-c", script, code=1)
    assert found == "/new\nv\n/data:"
    assert "note" in lamina.out("history", "made:1")
    lamina("commit", "-c", "RUN true", "work", code=1)
    # The container can go and be changed no more; the image stays.
    lamina("rm", "-v", "work")
    assert lamina.quiet("made:1") == "a"
    lamina("rmi", "made:1")


def test_commit_of_a_running_container(lamina: Machine) -> None:
    run = ("run", "-d", "--network", "none", "--name", "on", "busybox", "sh", "-c")
    lamina(*run, "echo 1 > /file; sleep 1000")
    until(lambda: "A /file" in lamina.out("diff", "on"))
    lamina("commit", "on", "snap")
    lamina("exec", "on", "sh", "-c", "echo 2 > /file")
    assert lamina.quiet("snap", "cat", "/file") == "1"
    lamina("rmi", "snap")


def test_export_is_a_tar_of_all(lamina: Machine, tmp_path: Path) -> None:
    run = ("run", "--network", "none", "--name", "ex", "busybox", "sh", "-c")
    lamina(*run, "rm /etc/motd; echo hi > /hello")
    data = lamina("export", "ex").stdout
    with tarfile.open(fileobj=BytesIO(data)) as tar:
        names = tar.getnames()
    assert "hello" in names and "bin/busybox" in names and "etc/motd" not in names
    place = str(tmp_path / "files.tar")
    lamina("export", "-o", place, "ex")
    assert Path(place).read_bytes() == data == lamina("export", "-o-", "ex").stdout
    for wrong in ("/nowhere/files.tar", str(tmp_path)):
        said = lamina("export", "-o", wrong, "ex", code=1).stderr.decode()
        assert said.startswith(f"lamina: '{wrong}") and "cannot be written" in said
    assert list(tmp_path.iterdir()) == [Path(place)]


def test_inspect_has_docker_s_shape(lamina: Machine) -> None:
    run = ("run", "-d", "--network", "none", "--name", "seen", "-m", "64m", "busybox")
    identity = lamina.out(*run, "sleep", "1000")
    found = json.loads(lamina.out("inspect", "seen"))[0]
    assert found["Id"] == identity
    assert found["Name"] == "/seen"
    assert (found["Path"], found["Args"]) == ("sleep", ["1000"])
    assert found["State"]["Status"] == "running"
    assert found["HostConfig"]["Memory"] == 64 << 20
    assert found["Config"]["Image"] == "busybox"


def test_filters(lamina: Machine) -> None:
    for name, label in (("aa", "x=1"), ("bb", "x=2")):
        run = ("run", "--network", "none", "--name", name, "-l", label, "busybox")
        lamina(*run, "true")

    def listed(*filters: str) -> str:
        words = [word for text in filters for word in ("-f", text)]
        return lamina.out("ps", "-a", "--format", "{{.Names}}", *words)

    assert listed() == "bb\naa"
    assert listed("name=a") == "aa"
    assert listed("label=x") == "bb\naa"
    assert listed("label=x=2") == "bb"
    assert listed("status=running") == ""
    assert listed("exited=0", "name=b") == "bb"
    assert listed("ancestor=busybox") == "bb\naa"
    lamina("ps", "-f", "nonsense=1", code=1)


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
def test_an_ordinary_user_has_the_same_commands(tmp_path: Path) -> None:
    from tests.runtime.people import public_package, run_as

    user = 61_234
    with public_package() as package:
        subprocess.run(["cp", "-r", ROOT / "tests", f"{package}/tests"], check=True)
        subprocess.run(["chmod", "-R", "a+rX", package], check=True)
        place = Path(package) / "place"
        place.mkdir()
        os.chown(place, user, user)
        done = run_as(user, package, _AS_USER, str(place))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("\n")
    assert lines[0:2] == ["0", "0"], (lines, done.stderr)
    assert lines[3:] == ["5", "A /new", "0", "u1", "0", "u1", "0", "[]", ""], (
        lines,
        done.stderr,
    )
