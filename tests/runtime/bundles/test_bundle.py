"""config.json: what is written is read back, and runc makes the same of it."""

from __future__ import annotations

import json
import subprocess
import uuid
from pathlib import Path

import pytest

from lamina.runtime.bundles.bundle import to_config
from lamina.runtime.bundles.config import read_config
from lamina.runtime.spec import (
    DEFAULT_MOUNTS,
    Device,
    DeviceRule,
    Mount,
    Process,
    Resources,
    Rlimit,
    Spec,
    Throttle,
)
from tests.runtime.launches import Bench

FULL = Spec(
    process=Process(
        args=("sh", "-c", "true"),
        env=("A=b", "PATH=/bin"),
        cwd="/tmp",
        ids=(1000, 1000),
        groups=(63,),
        terminal=True,
        console_size=(24, 80),
        capabilities=("CAP_CHOWN", "CAP_KILL"),
        effective=("CAP_CHOWN", "CAP_KILL"),
        permitted=("CAP_CHOWN", "CAP_KILL"),
        inheritable=("CAP_KILL",),
        ambient=("CAP_KILL",),
        no_new_privileges=True,
        rlimits=(Rlimit("RLIMIT_NOFILE", 100, -1),),
        oom_score_adj=0,
        umask=0o077,
    ),
    hostname="box",
    domainname="example",
    root_readonly=True,
    mounts=(*DEFAULT_MOUNTS, Mount("/x", "bind", "/tmp", ("rbind", "ro"))),
    devices=(Device("/dev/fuse", "c", 10, 229, 0o600, 1, 2),),
    resources=Resources(
        memory=1 << 20,
        memory_swap=-1,
        memory_reservation=1,
        cpu_quota=1,
        cpu_period=2,
        cpu_shares=3,
        cpuset_cpus="0",
        cpuset_mems="0",
        pids=9,
        blkio_weight=10,
        derive_swap=False,
        swappiness=0,
        cpu_idle=1,
        throttles=(
            Throttle("read_bps", 8, 0, 1000),
            Throttle("write_iops", 8, 0, 10),
            Throttle("weight", 8, 0, 20),
        ),
        hugepages=(("2MB", 1 << 21),),
        rdma=(("mlx5_1", 3, None),),
        class_id=1,
        priorities=(("eth0", 2),),
        devices=(DeviceRule(False), DeviceRule(True, "c", 1, None, "rw")),
        unified={"memory.high": "1"},
    ),
    sysctl={"net.ipv4.ip_forward": "1"},
    cgroup="/lamina/x",
    seccomp={"defaultAction": "SCMP_ACT_ALLOW"},
    annotations={"a": "b"},
)


def test_all_of_a_spec_comes_back() -> None:
    data = to_config(FULL, "/the/root", (1000, 1000, (63,)))
    config = read_config(json.loads(data), "/the/bundle")
    assert (config.spec, config.root) == (FULL, "/the/root")


def test_what_says_nothing_is_left_out() -> None:
    config = json.loads(to_config(Spec(Process(("true",))), "rootfs", (0, 0, ())))
    assert set(config) == {"ociVersion", "process", "root", "mounts", "linux"}
    assert config["process"]["user"] == {
        "uid": 0,
        "gid": 0,
        "umask": 0o022,
        "additionalGids": [],
    }


@pytest.mark.root
def test_runc_makes_the_same_container(bench: Bench, tmp_path: Path) -> None:
    script = (
        "hostname; id; pwd; umask; ulimit -n; grep Cap /proc/self/status; "
        "cut -d' ' -f5,6 /proc/self/mountinfo | grep -v ^/sys/fs/cgroup | sort; "
        "ls /dev; ls /proc/self/fd; env | sort"
    )
    process = Process(
        ("sh", "-c", script),
        env=("PATH=/bin", "HOME=/root"),
        cwd="/tmp",
        user="1000:1000",
        rlimits=(Rlimit("RLIMIT_NOFILE", 64, 64),),
    )
    spec = Spec(process, hostname="box", mounts=DEFAULT_MOUNTS)
    config = to_config(spec, str(bench.root), (1000, 1000, (1000,)))
    (tmp_path / "config.json").write_bytes(config)
    name = f"lamina-test-{uuid.uuid4().hex}"
    done = subprocess.run(
        ["runc", "--root", tmp_path / "runc", "run", "-b", tmp_path, name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    _, ours = bench.run(*process.args, spec=spec)
    assert normal(ours) == normal(done.stdout)


def normal(text: str) -> list[str]:
    """Lines in which two runtimes may differ are made alike.

    runc's masks are writable, and its /dev/core depends on the host's /proc/kcore.
    """
    lines = []
    for line in text.splitlines():
        path, _, options = line.partition(" ")
        if options.startswith(("rw", "ro")):
            lines.append(path if path.startswith(("/proc/", "/sys/")) else line)
        elif line != "core":
            lines.append(line)
    return lines
