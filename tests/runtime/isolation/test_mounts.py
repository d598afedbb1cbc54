"""The mount plan: data, before anything is done."""

from __future__ import annotations

import pytest

from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation.mounts import Plan, describe, plan
from lamina.runtime.spec import DEFAULT_MOUNTS, Device, Mount, Process, Spec
from lamina.values import replace

SPEC = Spec(Process(("true",)))


def with_mounts(*mounts: Mount) -> Plan:
    return plan(replace(SPEC, mounts=(*DEFAULT_MOUNTS, *mounts)))


def lines(planned: Plan) -> list[str]:
    return planned.describe().splitlines()


def test_a_plan_can_be_read() -> None:
    shown = lines(with_mounts(Mount("/etc/hosts", "bind", "/tmp/h", ("ro",))))
    assert shown[:3] == [
        "mount /proc proc (nosuid,nodev,noexec)",
        "mount /dev tmpfs mode=755,size=65536k (nosuid,strictatime)",
        "node /dev/null device=c 1:3,mode=666,owner=0:0",
    ]
    assert shown[-4:] == [
        "adopt /proc",
        "adopt /dev",
        "adopt /sys",
        "bind /etc/hosts -> /tmp/h descriptor 0",
    ]


def test_what_does_not_need_the_root_comes_early() -> None:
    planned = with_mounts(
        Mount("/dev/extra", "tmpfs"), Mount("/data", "tmpfs"), Mount("/v", "bind", "/")
    )
    assert "/dev/extra" in [op.target for op in planned.early]
    assert [op.target for op in planned.late][3:] == ["/data", "/v"]
    assert [mount.destination for mount in planned.binds] == ["/v"]


def test_a_volume_over_a_tree_keeps_the_order() -> None:
    planned = with_mounts(Mount("/sys", "bind", "/"), Mount("/sys/x", "tmpfs"))
    assert [op.verb for op in planned.late[3:5]] == ["bind", "mount"]
    late = [(op.verb, op.target) for op in planned.late]
    assert ("mask", "/sys/firmware") in late
    assert ("mask", "/proc/kcore") not in late


def test_the_terminal_and_the_read_only_root_come_last() -> None:
    process = replace(SPEC.process, terminal=True)
    planned = plan(replace(SPEC, process=process, root_readonly=True))
    assert [describe(op) for op in planned.late[-2:]] == [
        "console /dev/console",
        "readonly /",
    ]


@pytest.mark.parametrize(
    ("mount", "said"),
    [
        (Mount("/", "tmpfs"), "not an absolute path below /"),
        (Mount("data", "tmpfs"), "not an absolute path below /"),
        (Mount("/a/../..", "tmpfs"), "not an absolute path below /"),
        (Mount("/a\0b", "tmpfs"), "not an absolute path below /"),
        (Mount("/proc/sys", "tmpfs"), "inside /proc"),
        (Mount("/x", "ext4", "/dev/vda"), "'ext4' on /x: not a type"),
        (Mount("/x", "tmpfs", "", ("nr_blocks=1,mode=0",)), "unknown option"),
        (Mount("/x", "tmpfs", "", ("huge=always",)), "unknown option 'huge=always'"),
    ],
)
def test_what_may_not_be_mounted(mount: Mount, said: str) -> None:
    with pytest.raises(ContainerError, match=said):
        with_mounts(mount)


def test_files_in_proc_that_may_be_replaced() -> None:
    planned = with_mounts(Mount("/proc/meminfo", "bind", "/tmp/meminfo"))
    assert planned.late[-1].target == "/proc/meminfo"


def test_a_device_has_to_be_below_dev() -> None:
    with pytest.raises(ContainerError, match="not below /dev"):
        plan(replace(SPEC, devices=(Device("/dev/../etc/x", "c", 1, 3),)))


def test_a_label_of_selinux_goes_to_new_file_systems() -> None:
    """All but those that label their files themselves, or that are a host's files."""
    label = "system_u:object_r:container_file_t:s0:c1,c2"
    given = (*DEFAULT_MOUNTS, Mount("/v", "bind", "/tmp"), Mount("/t", "tmpfs"))
    planned = plan(replace(SPEC, mounts=given, mount_label=label))
    made = (*planned.early, *planned.late)
    labelled = {op.target for op in made if ("context", label) in op.options}
    assert labelled == {"/dev", "/dev/pts", "/dev/shm", "/t"}
