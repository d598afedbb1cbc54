"""The flags of `run`, each looked at from inside the container."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.end_to_end.containers.machine import Machine, Terminal

pytestmark = pytest.mark.root

_NAME = "grep ^{}: /proc/self/status | cut -f2"


@pytest.mark.parametrize(
    ("flags", "script", "shown"),
    [
        # The process
        ("-e A=1 -e B --env C=", "echo $A-${B-unset}-${C-unset}", "1-unset-"),
        ("-u 7:8", "id -u; id -g", "7\n8"),
        ("-u guest --group-add 50 --group-add 60", "id -G", "1000 50 60"),
        ("-w /made/here", "pwd", "/made/here"),
        ("--init", "cat /proc/1/comm", "init"),
        ("--ulimit nofile=20:30 --ulimit core=0", "ulimit -n; ulimit -Hn; ulimit -c",
         "20\n30\n0"),
        ("--oom-score-adj 300", "cat /proc/self/oom_score_adj", "300"),
        ("--entrypoint /bin/busybox", "", ""),
        # Its names
        ("-h box.example", "hostname", "box.example"),
        ("--hostname box --domainname example", "hostname; cat /proc/sys/kernel/"
         "domainname", "box\nexample"),
        ("--add-host db:10.1.2.3", "grep db /etc/hosts", "10.1.2.3\tdb"),
        ("--dns 10.9.9.9 --dns-search example --dns-option ndots:2",
         "grep -v ^# /etc/resolv.conf",
         "nameserver 10.9.9.9\nsearch example\noptions ndots:2"),
        # What docker puts into each container.
        ("", "readlink /etc/mtab; test -f /.dockerenv && echo marked",
         "/proc/mounts\nmarked"),
        ("--uts host", "cat /proc/sys/kernel/hostname", os.uname().nodename),
        # Rights
        ("", _NAME.format("CapEff"), "00000000a80425fb"),
        ("--cap-drop ALL --cap-add chown", _NAME.format("CapEff"), "0" * 15 + "1"),
        ("--cap-add NET_ADMIN", _NAME.format("CapEff"), "00000000a80435fb"),
        ("--cap-drop CAP_CHOWN", _NAME.format("CapEff"), "00000000a80425fa"),
        ("-u guest", _NAME.format("CapEff"), "0" * 16),
        ("--security-opt no-new-privileges", _NAME.format("NoNewPrivs"), "1"),
        ("--security-opt no-new-privileges:false", _NAME.format("NoNewPrivs"), "0"),
        ("", _NAME.format("Seccomp"), "2"),
        ("--security-opt seccomp=unconfined", _NAME.format("Seccomp"), "0"),
        ("--privileged", _NAME.format("Seccomp"), "0"),
        ("--privileged", "test -b /dev/vda -o -c /dev/kmsg && echo devices", "devices"),
        ("--security-opt systempaths=unconfined --security-opt apparmor=unconfined",
         "test -w /proc/sys/kernel/domainname && echo open", "open"),
        ("--device /dev/kmsg:/dev/log:r", "test -c /dev/log && echo there; "
         "(echo x > /dev/log) 2>&1 | grep -o 'not permitted'", "there\nnot permitted"),
        # Files
        ("--read-only", "touch /x 2>&1 | grep -o Read-only; touch /dev/shm/x; "
         "ls /dev/shm", "Read-only\nx"),
        ("--read-only --tmpfs /run:size=64k,mode=700",
         "stat -c %a /run; df -k /run | tail -1 | awk '{print $2}'", "700\n64"),
        ("--shm-size 1m", "df -k /dev/shm | tail -1 | awk '{print $2}'", "1024"),
        ("--mount type=tmpfs,dst=/t,tmpfs-size=64k", "grep -c ' /t tmpfs' /proc/mounts",
         "1"),
        ("--mount type=bind,src=/etc,dst=/e,readonly", "touch /e/x 2>&1 | "
         "grep -o Read-only; test -f /e/passwd && echo there", "Read-only\nthere"),
        ("-v /etc:/e:ro", "grep -c ' /e .*ro,' /proc/mounts", "1"),
        ("-v named:/v", "touch /v/x && ls /v", "x"),
        # The kernel's settings
        ("--sysctl net.ipv4.ip_forward=1 --sysctl kernel.shm_rmid_forced=1",
         "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shm_rmid_forced", "1\n1"),
        ("--ipc none", "test -e /dev/shm || echo none", "none"),
        # Limits
        ("-m 32m", "cat /sys/fs/cgroup/memory/memory.limit_in_bytes "
         "/sys/fs/cgroup/memory.max 2>/dev/null", str(32 << 20)),
        ("-m 32m --memory-swap -1", "cat /sys/fs/cgroup/memory/memory.memsw.limit* "
         "/sys/fs/cgroup/memory.swap.max 2>/dev/null | sed s/9223372036854771712/max/",
         "max"),
        ("-m 32m --memory-reservation 16m", "cat /sys/fs/cgroup/memory/memory.soft_l* "
         "/sys/fs/cgroup/memory.low 2>/dev/null", str(16 << 20)),
        ("--memory-swappiness 7", "cat /sys/fs/cgroup/memory/memory.swappiness", "7"),
        ("--cpus 0.5", "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us "
         "/sys/fs/cgroup/cpu.max 2>/dev/null | cut -d' ' -f1", "50000"),
        ("--cpu-period 20000 --cpu-quota 5000",
         "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu.max 2>/dev/null "
         "| cut -d' ' -f1", "5000"),
        ("-c 512", "cat /sys/fs/cgroup/cpu/cpu.shares /sys/fs/cgroup/cpu.weight "
         "2>/dev/null | sed s/59/512/", "512"),
        ("--cpuset-cpus 0", "nproc", "1"),
        ("--cpuset-mems 0", _NAME.format("Mems_allowed_list"), "0"),
        ("--pids-limit 9", "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max "
         "2>/dev/null", "9"),
        ("--device-read-bps /dev/vda:1mb", "cat "
         "/sys/fs/cgroup/blkio/blkio.throttle.read_bps_device /sys/fs/cgroup/io.max "
         "2>/dev/null | grep -o '[0-9]*$' | tail -1", str(1 << 20)),
    ],
)  # fmt: skip
def test_seen_from_inside(lamina: Machine, flags: str, script: str, shown: str) -> None:
    if "/dev/vda" in flags and not os.path.exists("/dev/vda"):
        pytest.skip("this machine has no /dev/vda")
    words = flags.split()
    # Of two files that may have it there is one.
    command = ("sh", "-c", f"{script}; :") if script else ("echo",)
    assert lamina.quiet(*words, "busybox", *command) == shown


def test_variables_and_labels_of_files(lamina: Machine, tmp_path: Path) -> None:
    (tmp_path / "env").write_text("# a comment\nA=1\n  B=two words\nHOME_OF_ME\nNO\n")
    (tmp_path / "labels").write_text("a=1\n# no\nb.c=two words\nbare\n")
    env = {**lamina.env, "HOME_OF_ME": "here"}
    lamina.env, before = env, lamina.env
    try:
        flags = ("--env-file", str(tmp_path / "env"), "-e", "A=2")
        script = "echo $A-$B-$HOME_OF_ME-${NO-unset}"
        found = lamina.quiet(*flags, "busybox", "sh", "-c", script)
    finally:
        lamina.env = before
    assert found == "2-two words-here-unset"
    given = ("--label-file", str(tmp_path / "labels"), "-l", "a=2", "-l", "d")
    lamina("create", "--network", "none", "--name", "box", *given, "busybox")
    labels = json.loads(lamina.out("inspect", "-f", "{{json .Config.Labels}}", "box"))
    assert labels == {"a": "2", "b.c": "two words", "bare": "", "d": ""}


def test_a_seccomp_profile_of_one_s_own(lamina: Machine, tmp_path: Path) -> None:
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}
    (tmp_path / "profile").write_text(json.dumps(profile))
    flags = ("--security-opt", f"seccomp={tmp_path}/profile")
    script = "mkdir /x 2>&1; touch /y && echo made"
    found = lamina.quiet(*flags, "busybox", "sh", "-c", script)
    assert found.splitlines() == [
        "mkdir: can't create directory '/x': Function not implemented",
        "made",
    ]


def test_an_apparmor_profile_is_had_or_refused(lamina: Machine) -> None:
    flags = ("--rm", "--network", "none", "--security-opt", "apparmor=lamina-nowhere")
    done = lamina("run", *flags, "busybox", "true", code=None)
    assert done.returncode != 0 and b"lamina: " in done.stderr
    assert lamina.left() == []


def test_an_entrypoint_gets_the_command_as_arguments(lamina: Machine) -> None:
    assert lamina.quiet("--entrypoint", "echo", "busybox", "-n", "a") == "a"
    assert lamina.quiet("--entrypoint", "", "busybox", "echo", "b") == "b"
    # The image's command belongs to the image's entrypoint.
    assert lamina.quiet("--entrypoint", "/bin/echo", "busybox") == ""


def test_namespaces_of_another(lamina: Machine) -> None:
    run = ("run", "-d", "--network", "none", "--name", "one", "--ipc", "shareable")
    lamina(*run, "busybox", "sh", "-c", "touch /dev/shm/mark; exec sleep 1234")
    inside = "until test -e /dev/shm/mark; do sleep 0.1; done; ps -o args"
    flags = ("--pid", "container:one", "--ipc", "container:one")
    assert "sleep 1234" in lamina.quiet(*flags, "busybox", "sh", "-c", inside)
    assert lamina.quiet("--pid", "host", "busybox", "ps", "-o", "pid").count("\n") > 5
    done = lamina("run", "--ipc", "container:no", "busybox", "true", code=125)
    assert b"No such container: no" in done.stderr


def test_published_and_exposed_ports(lamina: Machine) -> None:
    words = ("--expose", "90-91/udp", "-P", "--name", "box", "guest", "sleep", "1000")
    lamina("run", "-d", *words)
    ports = lamina.out("port", "box").splitlines()
    assert [line.split(" -> ")[0] for line in sorted(ports)] == [
        *("80/tcp", "90/udp", "91/udp"),
    ]
    place = lamina.out("port", "box", "80").rpartition(":")[2]
    assert int(place) > 1023
    assert b"No public port '9'" in lamina("port", "box", "9", code=1).stderr


def test_how_it_is_to_be_stopped(lamina: Machine) -> None:
    script = "trap 'exit 9' USR1; while :; do sleep 0.1; done"
    flags = ("--network", "none", "--stop-signal", "USR1", "--stop-timeout", "60")
    lamina("run", "-d", *flags, "--name", "box", "busybox", "sh", "-c", script)
    config = json.loads(lamina.out("inspect", "-f", "{{json .Config}}", "box"))
    assert config["StopSignal"] == "USR1" and config["StopTimeout"] == 60
    lamina("exec", "box", "true")
    lamina("stop", "box")
    assert lamina.out("wait", "box") == "9"


def test_attached_streams(lamina: Machine) -> None:
    script = ("sh", "-c", "echo out; echo err >&2; cat")
    run = ("run", "--rm", "--network", "none")
    done = lamina(*run, "-a", "stderr", "busybox", *script)
    assert (done.stdout, done.stderr) == (b"", b"err\n")
    done = lamina(*run, "-a", "stdin", "-a", "stdout", "-i", "busybox", *script,
                  stdin=b"in")  # fmt: skip
    assert (done.stdout, done.stderr) == (b"out\nin", b"")


def test_a_terminal_knows_what_it_is(lamina: Machine) -> None:
    script = "tty; echo $TERM; test -t 0 -a -t 1 && echo both"
    flags = ("run", "--rm", "-it", "--network", "none", "busybox", "sh", "-c", script)
    terminal = Terminal(lamina, *flags)
    terminal.wait_for(b"/dev/pts/0\r\nxterm\r\nboth\r\n")
    assert terminal.exit_code() == 0


def test_what_is_written_down_of_flags(lamina: Machine) -> None:
    """`inspect` has them under docker's names."""
    flags = "--restart on-failure:2 --health-cmd true --health-retries 4 --pids-limit 9"
    flags += " --log-opt max-size=1m --annotation a=b --cap-add NET_ADMIN -e A=b"
    lamina("create", "--network", "none", "--name", "box", *flags.split(), "busybox")
    found = json.loads(lamina.out("inspect", "box"))[0]
    host = found["HostConfig"]
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 2}
    assert host["LogConfig"]["Config"] == {"max-size": str(1 << 20)}
    assert (host["PidsLimit"], host["Annotations"]) == (9, {"a": "b"})
    assert found["Config"]["Healthcheck"]["Test"] == ["CMD-SHELL", "true"]
    assert found["Config"]["Healthcheck"]["Retries"] == 4
    assert "A=b" in found["Config"]["Env"]
