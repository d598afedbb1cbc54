"""Resources of a bundle as what is written into cgroup files, v1 and v2."""

from __future__ import annotations

import pytest

from lamina.runtime.cgroups.limits import (
    Setting,
    controllers,
    v1_settings,
    v2_settings,
    weight,
)
from lamina.runtime.spec import Resources, Throttle
from tests.runtime.cgroups.inside import MIB

ALL = Resources(
    cpu_burst=1000,
    cpu_idle=0,
    realtime_runtime=5,
    realtime_period=6,
    swappiness=0,
    oom_kill_disabled=True,
    throttles=(
        Throttle("read_bps", 8, 0, 100),
        Throttle("write_iops", 8, 16, 7),
        Throttle("weight", 8, 0, 50),
    ),
    hugepages=(("2MB", 4 << 20),),
    rdma=(("mlx5_1", 3, None), ("mlx5_2", None, 4)),
    class_id=1048577,
    priorities=(("eth0", 5),),
)


def written(settings: object) -> dict[str, str]:
    return {s.file: s.text for s in settings}  # type: ignore[attr-defined]


def test_version_1() -> None:
    assert written(v1_settings(ALL)) == {
        "cpu.cfs_burst_us": "1000",
        "cpu.idle": "0",
        "cpu.rt_period_us": "6",
        "cpu.rt_runtime_us": "5",
        "memory.swappiness": "0",
        "memory.oom_control": "1",
        "blkio.throttle.read_bps_device": "8:0 100",
        "blkio.throttle.write_iops_device": "8:16 7",
        "blkio.bfq.weight_device": "8:0 50",
        "hugetlb.2MB.limit_in_bytes": str(4 << 20),
        "rdma.max": "mlx5_2 hca_object=4",
        "net_cls.classid": "1048577",
        "net_prio.ifpriomap": "eth0 5",
    }


def test_version_2() -> None:
    rows = [(s.file, s.text) for s in v2_settings(ALL)]
    assert rows == [
        ("cpu.max.burst", "1000"),
        ("cpu.rt_period_us", "6"),
        ("cpu.rt_runtime_us", "5"),
        ("cpu.idle", "0"),
        ("io.max", "8:0 rbps=100"),
        ("io.max", "8:16 wiops=7"),
        ("io.bfq.weight", "8:0 50"),
        ("hugetlb.2MB.max", str(4 << 20)),
        ("rdma.max", "mlx5_1 hca_handle=3"),
        ("rdma.max", "mlx5_2 hca_object=4"),
    ]


def test_what_only_version_1_has_needs_its_controllers() -> None:
    assert controllers(Resources(class_id=1)) == {"net_cls"}
    assert controllers(ALL) >= {"net_prio", "net_cls", "hugetlb", "rdma", "io", "cpu"}


def test_swap_is_derived_only_where_that_is_asked_for() -> None:
    both = written(v1_settings(Resources(memory=10)))
    assert both["memory.memsw.limit_in_bytes"] == "20"
    alone = written(v1_settings(Resources(memory=10, derive_swap=False)))
    assert alone == {"memory.limit_in_bytes": "10"}


class TestUnits:
    """What is asked for, in the words of each version."""

    asked = Resources(memory=64 * MIB, cpu_quota=150_000, cpu_period=100_000, pids=-1)

    def test_version_1(self) -> None:
        assert v1_settings(self.asked) == (
            Setting("memory", "memory.limit_in_bytes", str(64 * MIB)),
            Setting("memory", "memory.memsw.limit_in_bytes", str(128 * MIB), True),
            Setting("cpu", "cpu.cfs_period_us", "100000"),
            Setting("cpu", "cpu.cfs_quota_us", "150000"),
            Setting("pids", "pids.max", "max"),
        )

    def test_version_2(self) -> None:
        assert v2_settings(self.asked) == (
            Setting("memory", "memory.max", str(64 * MIB)),
            Setting("memory", "memory.swap.max", str(64 * MIB), True),
            Setting("cpu", "cpu.max", "150000 100000"),
            Setting("pids", "pids.max", "max"),
        )

    def test_swap_without_end(self) -> None:
        asked = Resources(memory=64 * MIB, memory_swap=-1)
        assert Setting("memory", "memory.swap.max", "max") in v2_settings(asked)

    @pytest.mark.parametrize(
        ("shares", "expected"), [(2, 1), (1024, 100), (262144, 10000), (512, 59)]
    )
    def test_shares_as_weight(self, shares: int, expected: int) -> None:
        assert weight(shares) == expected
