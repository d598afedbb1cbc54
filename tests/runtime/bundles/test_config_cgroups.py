"""config-linux.md of the runtime specification: control groups."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.runtime.bundles.configs import Config, Show, linux
from tests.runtime.bundles.running import created, started
from tests.runtime.oci import Failed, Runtime

pytestmark = pytest.mark.root


def test_cgroups_path_as_given_and_limits(runtime: Runtime, busybox_root: Path) -> None:
    path = f"/lamina-test-{os.getpid()}/inner"
    change = linux(
        cgroupsPath=path,
        resources={
            "memory": {"limit": 64 << 20, "swap": 64 << 20},
            "pids": {"limit": 9},
            "cpu": {"shares": 512, "quota": 50_000, "period": 100_000, "cpus": "0"},
        },
    )
    identity = started(runtime, busybox_root, change=change)
    pid = runtime.state(identity)["pid"]
    rows = dict(
        line.split(":", 2)[1:]
        for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    )
    assert {rows[name] for name in rows if name != "name=systemd"} == {path}
    script = "cd /sys/fs/cgroup; cat */pids.max pids.max 2>/dev/null || true"
    assert runtime("exec", identity, "sh", "-c", script) == "9\n"
    memory = ("--memory", "128m", "--memory-swap", "128m")
    runtime("update", "--pids-limit", "20", *memory, identity)
    assert runtime("exec", identity, "sh", "-c", script) == "20\n"
    runtime(
        *("update", "--resources", "-", identity),
        stdin=piped(json.dumps({"pids": {"limit": 30}})),
    )
    assert runtime("exec", identity, "sh", "-c", script) == "30\n"
    stats = json.loads(runtime("events", "--stats", identity))
    assert stats["data"]["pids"]["limit"] == 30
    assert stats["data"]["memory"]["usage"]["limit"] == 128 << 20
    runtime("delete", "--force", identity)
    for place in Path("/sys/fs/cgroup").glob(f"*/lamina-test-{os.getpid()}"):
        assert not list(place.glob("inner"))
        place.rmdir()


def piped(text: str) -> int:
    reader, writer = os.pipe()
    os.write(writer, text.encode())
    os.close(writer)
    return reader


def test_a_cgroup_of_systemd_s_is_refused_with_a_hint(
    runtime: Runtime, busybox_root: Path
) -> None:
    with pytest.raises(Failed, match="cgroupfs"):
        change = linux(cgroupsPath="system.slice:docker:abc")
        created(runtime, busybox_root, "true", change=change)


def test_a_limit_without_a_controller_is_an_error(
    runtime: Runtime, busybox_root: Path
) -> None:
    rdma = linux(resources={"rdma": {"mlx5_1": {"hcaHandles": 3}}})
    with pytest.raises(Failed, match="rdma"):
        created(runtime, busybox_root, "true", change=rdma)


def test_hugepage_limits(runtime: Runtime, busybox_root: Path) -> None:
    change = linux(
        resources={"hugepageLimits": [{"pageSize": "2MB", "limit": 2 << 21}]}
    )
    identity = started(runtime, busybox_root, change=change)
    found = list(
        Path("/sys/fs/cgroup").glob(f"*/lamina-runtime/{identity}/hugetlb.2MB.*")
    )
    texts = {
        place.name: place.read_text().strip()
        for place in found
        if place.name in ("hugetlb.2MB.max", "hugetlb.2MB.limit_in_bytes")
    }
    assert set(texts.values()) == {str(2 << 21)}


def test_block_io_throttles(runtime: Runtime, busybox_root: Path) -> None:
    disk = os.stat("/").st_dev
    row = {"major": os.major(disk), "minor": os.minor(disk), "rate": 1 << 20}
    change = linux(resources={"blockIO": {"throttleReadBpsDevice": [row]}})
    identity = started(runtime, busybox_root, change=change)
    pattern = f"blkio/lamina-runtime/{identity}/blkio.throttle.read_bps_device"
    (place,) = Path("/sys/fs/cgroup").glob(pattern)
    assert place.read_text().split()[-1] == str(1 << 20)


def test_device_rules(show: Show) -> None:
    rules = [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"},
    ]

    def change(config: Config) -> None:
        config["linux"]["resources"] = {"devices": rules}
        node = {"type": "c", "major": 10}
        config["linux"]["devices"] = [
            {**node, "path": "/dev/fuse", "minor": 229},
            {**node, "path": "/dev/control", "minor": 237},
        ]

    script = (
        "for f in fuse control null; do "
        "(exec 3<>/dev/$f) 2>/dev/null && echo $f; done; true"
    )
    found = show(script, change).split()
    assert "control" not in found
    assert "null" in found
