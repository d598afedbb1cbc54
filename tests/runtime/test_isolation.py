"""What a process in a container sees and may do, as Docker's default has it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from lamina.runtime.cgroups import owned
from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation.binds import clone_source
from lamina.runtime.isolation.sandbox import ExitStatus
from lamina.runtime.spec import (
    DEFAULT_MOUNTS,
    MASKED_PATHS,
    READONLY_PATHS,
    Device,
    Mount,
    Process,
    Resources,
    Rlimit,
    Spec,
)
from tests.runtime.launches import Bench

pytestmark = pytest.mark.root


def spec(**changes: object) -> Spec:
    return Spec(Process(()), **changes)  # type: ignore[arg-type]


def mounts(bench: Bench, **options: object) -> dict[str, str]:
    """Mount points with their type and options, from /proc/self/mountinfo."""
    found = {}
    for line in bench.sh("cat /proc/self/mountinfo", **options).splitlines():
        fields = line.split()
        kind = fields[fields.index("-") + 1]
        found[fields[4]] = f"{kind} {fields[5]}"
    return found


def test_every_mount_is_one_that_was_planned(bench: Bench) -> None:
    seen = mounts(bench)
    masked = {p for p in MASKED_PATHS if p in seen}
    readonly = {p for p in READONLY_PATHS if p in seen}
    wanted = {m.destination for m in DEFAULT_MOUNTS}
    assert set(seen) - masked - readonly - wanted == {"/"}
    assert seen["/"].startswith("overlay rw")
    assert seen["/sys"] == "sysfs ro,nosuid,nodev,noexec,relatime"
    assert seen["/proc"] == "proc rw,nosuid,nodev,noexec,relatime"
    assert seen["/dev/shm"] == "tmpfs rw,nosuid,nodev,noexec,relatime"
    assert all("ro" in seen[path].split()[1].split(",") for path in readonly | masked)


def test_masked_files_are_empty_and_masked_directories_too(bench: Bench) -> None:
    script = "cat /proc/keys /proc/timer_list /proc/interrupts; ls -A /sys/firmware"
    assert bench.sh(script) == ""


def test_a_mask_cannot_be_used_to_change_the_device(bench: Bench) -> None:
    before = os.stat("/dev/null").st_mode
    script = "chmod 600 /proc/keys; chmod 600 /dev/null; stat -c %a /dev/null"
    _, text = bench.run("sh", "-c", script)
    assert "Read-only file system" in text
    assert text.endswith("600\n")
    assert os.stat("/dev/null").st_mode == before


def test_proc_sys_is_read_only(bench: Bench) -> None:
    _, text = bench.run("sh", "-c", "echo x > /proc/sys/kernel/core_pattern")
    assert "Read-only file system" in text


def test_namespaces_are_its_own(bench: Bench) -> None:
    kinds = ("mnt", "pid", "uts", "ipc", "net")
    script = "for n in mnt pid uts ipc net; do readlink /proc/self/ns/$n; done"
    inside = bench.sh(script).split()
    ours = [os.readlink(f"/proc/self/ns/{kind}") for kind in kinds]
    assert not set(inside) & set(ours)


def test_the_command_is_pid_1_and_alone(bench: Bench) -> None:
    assert bench.sh("echo $$; ls -d /proc/[0-9]* | wc -l").split()[0] == "1"


def test_only_the_three_streams_are_open(bench: Bench) -> None:
    # The shell's glob itself has the directory open.
    assert bench.sh("cd /proc/self/fd; echo *") in ("0 1 2\n", "0 1 2 3\n")
    _, text = bench.run("ls", "/proc/self/fd")
    assert text.split() == ["0", "1", "2", "3"], "ls has only its own directory open"


def test_capabilities_are_dockers_fourteen(bench: Bench) -> None:
    status = dict(
        line.split(":\t") for line in bench.sh("cat /proc/self/status").splitlines()
    )
    assert status["CapInh"] == status["CapAmb"] == "0" * 16
    assert (
        status["CapPrm"] == status["CapEff"] == status["CapBnd"] == "00000000a80425fb"
    )
    assert status["NoNewPrivs"].strip() == "0"


def test_a_user_has_no_capabilities(bench: Bench) -> None:
    text = bench.sh("grep Cap /proc/self/status; id", process={"user": "app"})
    assert "CapEff:\t0000000000000000" in text
    assert "CapPrm:\t0000000000000000" in text
    assert "CapBnd:\t00000000a80425fb" in text
    assert "uid=1000(app) gid=1000(app) groups=63(audio),1000(app)" in text


def test_dropped_capabilities_are_gone(bench: Bench) -> None:
    status, _ = bench.run("chown", "5", "/tmp", process={"capabilities": ()})
    assert status.code == 1


def test_no_new_privileges(bench: Bench) -> None:
    text = bench.sh(
        "grep NoNewPrivs /proc/self/status", process={"no_new_privileges": True}
    )
    assert text == "NoNewPrivs:\t1\n"


def test_signals_are_as_a_fresh_process_has_them(bench: Bench) -> None:
    _, text = bench.run("grep", "-E", "Sig(Ign|Blk)", "/proc/self/status")
    assert text == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"


def test_devices_work_and_are_these(bench: Bench) -> None:
    listed = bench.sh("ls /dev").split()
    nodes = ["full", "null", "random", "tty", "urandom", "zero"]
    links = ["core", "fd", "ptmx", "stderr", "stdin", "stdout"]
    assert sorted(listed) == sorted([*nodes, *links, "mqueue", "pts", "shm"])
    bench.sh(
        "head -c 8 /dev/urandom > /dev/null; test $(head -c 8 /dev/zero | wc -c) = 8"
    )


def test_a_device_that_was_asked_for(bench: Bench) -> None:
    device = Device("/dev/net/tun", "c", 10, 200, mode=0o660, gid=63)
    text = bench.sh("ls -l /dev/net/tun", spec=spec(devices=(device,)))
    assert text.startswith("crw-rw----    1 root     audio      10, 200")


def test_host_name_and_limits(bench: Bench) -> None:
    limits = (Rlimit("nofile", 100, 200), Rlimit("RLIMIT_CORE", 0, 0))
    text = bench.sh(
        "hostname; ulimit -n; ulimit -Hn; ulimit -c; umask",
        spec=spec(hostname="box"),
        process={"rlimits": limits},
    )
    assert text.split() == ["box", "100", "200", "0", "0022"]


def test_sysctls_of_its_own_namespaces(bench: Bench) -> None:
    changed = spec(sysctl={"net.ipv4.ip_unprivileged_port_start": "0"})
    path = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
    assert bench.sh(f"cat {path}", spec=changed) == "0\n"
    with pytest.raises(ContainerError, match=r"the sysctl net\.such=1"):
        bench.run("true", spec=spec(sysctl={"net.such": "1"}))


def test_a_cgroup_of_its_own(bench: Bench) -> None:
    group = owned.create("test-launch", Resources(pids=50, memory=64 << 20))
    try:
        script = (
            "cut -d: -f3 /proc/self/cgroup | sort -u; touch /sys/fs/cgroup/x;"
            "cat /sys/fs/cgroup/*/pids.max /sys/fs/cgroup/pids.max; sleep 1000"
        )
        reader, writer = os.pipe2(os.O_CLOEXEC)
        streams = (reader, writer, writer)
        arguments = ("sh", "-c", script)
        with bench.start(
            *arguments, stdio=streams, cgroups=group.directories
        ) as sandbox:
            os.close(writer)
            text = b""
            while b"50\n" not in text:
                text += os.read(reader, 4096)
            assert text.startswith(b"/\n"), "the namespace makes it the root"
            assert b"Read-only file system" in text
            assert sandbox.pid in group.procs()
            more = Process(("cat", "/proc/self/cgroup"))
            with bench.zygote.launch_exec(
                sandbox.pidfd, more, (reader,) * 3, cgroups=group.directories
            ) as joined:
                joined.wait()
            group.kill()
            assert sandbox.wait().signal == 9
        os.close(reader)
    finally:
        group.delete()


def test_an_empty_network_has_a_loopback(bench: Bench) -> None:
    text = bench.sh("ip addr; ls /sys/class/net")
    assert "inet 127.0.0.1/8" in text
    assert text.endswith("\nlo\n")


def test_the_network_that_it_is_given(bench: Bench) -> None:
    script = "readlink /proc/self/ns/net"
    ours = os.readlink("/proc/self/ns/net")
    assert bench.sh(script, network="host").strip() == ours
    fd = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        assert bench.sh(script, network=fd).strip() == ours
    finally:
        os.close(fd)


def test_an_own_network_has_no_abstract_sockets_of_the_host(bench: Bench) -> None:
    """CVE-2020-15257."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0lamina-test-{os.getpid()}")
        assert f"lamina-test-{os.getpid()}" not in bench.sh("cat /proc/net/unix")


def test_a_read_only_root(bench: Bench) -> None:
    _, text = bench.run("touch", "/x", spec=spec(root_readonly=True))
    assert "Read-only file system" in text
    bench.sh("touch /dev/shm/x", spec=spec(root_readonly=True))


def test_bind_mounts(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/file").write_text("from the host\n")
    (tmp_path / "hosts").write_text("127.0.0.1 localhost\n")
    extra = (
        Mount("/data/deep", "bind", str(tmp_path / "shared")),
        Mount("/etc/hosts", "bind", str(tmp_path / "hosts"), ("ro", "noexec")),
    )
    asked = spec(mounts=(*DEFAULT_MOUNTS, *extra))
    script = "cat /data/deep/file /etc/hosts; echo new > /data/deep/new"
    assert bench.sh(script, spec=asked) == "from the host\n127.0.0.1 localhost\n"
    assert (tmp_path / "shared/new").read_text() == "new\n"
    seen = mounts(bench, spec=asked)
    assert seen["/etc/hosts"].split()[1].startswith("ro,noexec")


def test_bind_mounts_by_descriptor(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("by descriptor\n")
    tree = clone_source(Mount("", "bind", str(tmp_path / "file")))
    asked = spec(mounts=(*DEFAULT_MOUNTS, Mount("/file", "bind", "", ("ro",))))
    try:
        _, text = bench.run(
            "sh", "-c", "cat /file; >/file", spec=asked, mount_fds=(tree,)
        )
    finally:
        os.close(tree)
    assert "by descriptor\n" in text
    assert "Read-only file system" in text


def test_a_tmpfs_with_its_size(bench: Bench) -> None:
    extra = Mount("/scratch", "tmpfs", "tmpfs", ("size=1m", "mode=1777", "noexec"))
    asked = spec(mounts=(*DEFAULT_MOUNTS, extra))
    text = bench.sh("df -k /scratch | tail -1; stat -c %a /scratch", spec=asked)
    assert text.split()[1] == "1024"
    assert text.split()[-1] == "1777"


def test_a_missing_source_is_an_error(bench: Bench) -> None:
    asked = spec(mounts=(*DEFAULT_MOUNTS, Mount("/x", "bind", "/no/such/place")))
    with pytest.raises(ContainerError, match="/no/such/place on /x: it does not exist"):
        bench.run("true", spec=asked)


def test_the_working_directory_is_made(bench: Bench) -> None:
    text = bench.sh("pwd; stat -c %u:%a .", process={"cwd": "/a/b", "user": "app"})
    assert text == "/a/b\n0:755\n"


def test_a_command_more_makes_no_working_directory(bench: Bench) -> None:
    with bench.start("sleep", "1000") as container:
        with pytest.raises(ContainerError, match="directory /a/b: No such file"):
            bench.zygote.launch_exec(container.pidfd, Process(("ls",), cwd="/a/b"))
        container.kill()
        container.wait()


def test_home_and_path_have_defaults(bench: Bench) -> None:
    assert bench.sh("echo $HOME", process={"user": "app"}) == "/home/app\n"
    assert bench.sh("echo $HOME", process={"user": "77"}) == "/\n"
    env = {"env": ("HOME=/mine", "A=b=c", "E=")}
    assert bench.sh('echo $HOME "$A" "[$E]"', process=env) == "/mine b=c []\n"


def test_oom_score(bench: Bench) -> None:
    text = bench.sh("cat /proc/self/oom_score_adj", process={"oom_score_adj": 500})
    assert text == "500\n"


def test_a_user_can_open_its_own_streams(bench: Bench) -> None:
    text = bench.sh("echo out > /dev/stdout", process={"user": "app"})
    assert text == "out\n"


def test_texts_are_utf8_whatever_the_locale(bench: Bench) -> None:
    status, text = bench.run("echo", "Grüße", process={"env": ("Ü=ä", "X=\udcff")})
    assert (status, text) == (ExitStatus(0), "Grüße\n")


def test_nothing_of_the_environment_leaks(bench: Bench) -> None:
    assert bench.sh("env | cut -d= -f1 | sort").split() == [
        "HOME",
        "PATH",
        "PWD",
        "SHLVL",
    ]
