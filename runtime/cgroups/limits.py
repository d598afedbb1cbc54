"""Resources as what is written into the files of a cgroup, v1 and v2.

Pure: the names and units of the kernel's Documentation/admin-guide/cgroup-v2.rst and
cgroup-v1/*.rst, the conversions of the OCI runtimes.
"""

from __future__ import annotations

from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.spec import Resources, Throttle

_PERIOD = 100_000  # the kernel's, microseconds


@value
class Setting:
    """One write. What is `optional` is left out where the kernel lacks the file."""

    controller: str
    file: str
    text: str
    optional: bool = False


def controllers(resources: Resources) -> frozenset[str]:
    """The controllers that these limits need, named as in v2 (`io` is v1's `blkio`)."""
    # On version 2 these mean nothing, and need none either.
    old = (
        *_given(resources.swappiness, "memory", "memory.swappiness"),
        *_write(resources.oom_kill_disabled, "memory", "memory.oom_control"),
    )
    every = (*v2_settings(resources), *old, *_of_networks(resources))
    return frozenset(setting.controller for setting in every)


def settings(resources: Resources, version: int) -> tuple[Setting, ...]:
    """What to write for these limits; a later write may need an earlier one."""
    return v1_settings(resources) if version == 1 else v2_settings(resources)


def v1_settings(resources: Resources) -> tuple[Setting, ...]:
    """The writes for hierarchies of version 1."""
    r = resources
    swap = swap_limit(r)
    quota = r.cpu_quota if r.cpu_quota > 0 else -1
    derived = not r.memory_swap
    return (
        *_write(r.memory, "memory", "memory.limit_in_bytes"),
        *_write(swap, "memory", "memory.memsw.limit_in_bytes", optional=derived),
        *_write(r.memory_reservation, "memory", "memory.soft_limit_in_bytes"),
        *_given(r.swappiness, "memory", "memory.swappiness"),
        *_write(r.oom_kill_disabled, "memory", "memory.oom_control", "1"),
        *_write(r.cpu_shares, "cpu", "cpu.shares"),
        *_write(r.cpu_period, "cpu", "cpu.cfs_period_us"),
        *_write(r.cpu_quota, "cpu", "cpu.cfs_quota_us", str(quota)),
        *_write(r.cpu_burst, "cpu", "cpu.cfs_burst_us"),
        *_given(r.cpu_idle, "cpu", "cpu.idle"),
        *_write(r.realtime_period, "cpu", "cpu.rt_period_us"),
        *_write(r.realtime_runtime, "cpu", "cpu.rt_runtime_us"),
        *_write(r.cpuset_cpus, "cpuset", "cpuset.cpus"),
        *_write(r.cpuset_mems, "cpuset", "cpuset.mems"),
        *_write(r.pids, "pids", "pids.max", _count(r.pids)),
        *_write(r.blkio_weight, "io", "blkio.bfq.weight"),
        *_write(r.leaf_weight, "io", "blkio.leaf_weight", optional=True),
        *(_v1_throttle(limit) for limit in r.throttles),
        *(
            Setting("hugetlb", f"hugetlb.{size}.limit_in_bytes", str(limit))
            for size, limit in r.hugepages
        ),
        *_rdma(r),
        *_of_networks(r),
    )


def v2_settings(resources: Resources) -> tuple[Setting, ...]:
    """The writes for the one hierarchy of version 2."""
    r = resources
    swap = swap_limit(r)
    beside = "max" if swap < 0 else str(max(swap - max(r.memory, 0), 0))
    derived = not r.memory_swap
    cpu = f"{_count(r.cpu_quota)} {r.cpu_period or _PERIOD}"
    weight_of_io = str(io_weight(r.blkio_weight))
    return (
        *_write(r.memory, "memory", "memory.max", _count(r.memory)),
        *_write(swap, "memory", "memory.swap.max", beside, optional=derived),
        *_write(r.memory_reservation, "memory", "memory.low"),
        *_write(r.cpu_shares, "cpu", "cpu.weight", str(weight(r.cpu_shares))),
        *_write(r.cpu_quota or r.cpu_period, "cpu", "cpu.max", cpu),
        *_write(r.cpu_burst, "cpu", "cpu.max.burst"),
        # Not to be had there: that the file is missing is what is said.
        *_write(r.realtime_period, "cpu", "cpu.rt_period_us"),
        *_write(r.realtime_runtime, "cpu", "cpu.rt_runtime_us"),
        *_given(r.cpu_idle, "cpu", "cpu.idle"),
        *_write(r.cpuset_cpus, "cpuset", "cpuset.cpus"),
        *_write(r.cpuset_mems, "cpuset", "cpuset.mems"),
        *_write(r.pids, "pids", "pids.max", _count(r.pids)),
        *_write(r.blkio_weight, "io", "io.weight", weight_of_io),
        *(_v2_throttle(limit) for limit in r.throttles if limit.kind != "leaf_weight"),
        *(
            Setting("hugetlb", f"hugetlb.{size}.max", str(limit))
            for size, limit in r.hugepages
        ),
        *_rdma(r),
        *(Setting(f.partition(".")[0], f, text) for f, text in r.unified.items()),
    )


_V1_THROTTLES = {
    "read_bps": "blkio.throttle.read_bps_device",
    "write_bps": "blkio.throttle.write_bps_device",
    "read_iops": "blkio.throttle.read_iops_device",
    "write_iops": "blkio.throttle.write_iops_device",
    "weight": "blkio.bfq.weight_device",
    "leaf_weight": "blkio.leaf_weight_device",
}
_V2_THROTTLES = {
    "read_bps": "rbps",
    "write_bps": "wbps",
    "read_iops": "riops",
    "write_iops": "wiops",
}


def _v1_throttle(limit: Throttle) -> Setting:
    text = f"{limit.major}:{limit.minor} {limit.rate}"
    return Setting("io", _V1_THROTTLES[limit.kind], text, limit.kind == "leaf_weight")


def _v2_throttle(limit: Throttle) -> Setting:
    node = f"{limit.major}:{limit.minor}"
    if limit.kind == "weight":
        return Setting("io", "io.bfq.weight", f"{node} {limit.rate}")
    return Setting("io", "io.max", f"{node} {_V2_THROTTLES[limit.kind]}={limit.rate}")


def _rdma(resources: Resources) -> tuple[Setting, ...]:
    found = []
    for device, handles, objects in resources.rdma:
        words = [device]
        words += [] if handles is None else [f"hca_handle={handles}"]
        words += [] if objects is None else [f"hca_object={objects}"]
        found.append(Setting("rdma", "rdma.max", " ".join(words)))
    return tuple(found)


def _of_networks(resources: Resources) -> tuple[Setting, ...]:
    """What only version 1 has."""
    r = resources
    return (
        *_write(r.class_id, "net_cls", "net_cls.classid"),
        *(
            Setting("net_prio", "net_prio.ifpriomap", f"{name} {priority}")
            for name, priority in r.priorities
        ),
    )


def swap_limit(resources: Resources) -> int:
    """Memory and swap together; as much swap as memory where only that is limited."""
    if resources.memory > 0 and not resources.memory_swap and resources.derive_swap:
        return 2 * resources.memory
    return resources.memory_swap


def weight(shares: int) -> int:
    """cpu.shares (2 to 262144, usually 1024) as cpu.weight (1 to 10000, usually 100).

    The curve that runc and crun took in 2025: it keeps both ends and the usual value.
    """
    import math

    if shares <= 2:
        return 1
    if shares >= 262144:
        return 10000
    log = math.log2(shares)
    return math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34) - 1e-9)


def io_weight(blkio: int) -> int:
    """blkio.weight (10 to 1000) as io.weight (1 to 10000)."""
    return 1 + (blkio - 10) * 9999 // 990 if blkio else 0


def _write(
    given: int | str, controller: str, file: str, text: str = "", optional: bool = False
) -> tuple[Setting, ...]:
    """One setting, or none where no limit is given; its text is the limit itself."""
    return (Setting(controller, file, text or str(given), optional),) if given else ()


def _given(given: int | None, controller: str, file: str) -> tuple[Setting, ...]:
    """One setting, or none; 0 is one."""
    return () if given is None else (Setting(controller, file, str(given)),)


def _count(number: int) -> str:
    return "max" if number <= 0 else str(number)
