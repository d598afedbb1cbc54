"""config-linux.md of the runtime specification: devices, namespaces, settings."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.runtime.bundles.configs import Config, Show, linux
from tests.runtime.bundles.running import created, output, started
from tests.runtime.oci import Failed, Runtime

pytestmark = pytest.mark.root


def test_default_devices_and_links_without_any_mount(
    runtime: Runtime, tmp_path: Path
) -> None:
    """Also where the bundle mounts no /dev."""
    from tests.runtime.launches import make_root

    root = make_root(tmp_path / "root")
    script = (
        "cd /dev; stat -c '%n %t:%T' null zero full random urandom tty; "
        "for f in fd stdin stdout stderr ptmx; do readlink $f; done"
    )

    def bare(config: Config) -> None:
        config["mounts"] = [m for m in config["mounts"] if m["destination"] == "/proc"]

    assert output(runtime, root, script, bare).split("\n")[:11] == [
        *("null 1:3", "zero 1:5", "full 1:7", "random 1:8", "urandom 1:9", "tty 5:0"),
        *("/proc/self/fd", "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2"),
        "pts/ptmx",
    ]


def test_devices(show: Show) -> None:
    rows = [
        {
            "path": "/dev/mine",
            "type": "c",
            "major": 1,
            "minor": 5,
            "fileMode": 0o640,
            "uid": 1,
            "gid": 2,
        },
        {"path": "/srv/pipe", "type": "p"},
        {"path": "/dev/ptmx", "type": "c", "major": 5, "minor": 2},
    ]
    script = "stat -c '%n %F %t:%T %a %u:%g' /dev/mine /srv/pipe"
    assert show(script, linux(devices=rows)).splitlines() == [
        "/dev/mine character special file 1:5 640 1:2",
        "/srv/pipe fifo 0:0 666 0:0",
    ]


def test_new_namespaces_are_new_and_absent_ones_are_shared(show: Show) -> None:
    kinds = {
        "pid": "pid",
        "ipc": "ipc",
        "uts": "uts",
        "network": "net",
        "cgroup": "cgroup",
    }
    script = "for n in pid ipc uts net cgroup; do readlink /proc/self/ns/$n; done"
    everything = show(script).split()
    ours = [os.readlink(f"/proc/self/ns/{name}") for name in kinds.values()]
    assert not set(everything) & set(ours)

    def shared(config: Config) -> None:
        config["linux"]["namespaces"] = [{"type": "mount"}]

    assert show(script, shared).split() == ours


def test_namespaces_by_path(runtime: Runtime, busybox_root: Path) -> None:
    other = started(runtime, busybox_root)
    pid = runtime.state(other)["pid"]
    names = {"pid": "pid", "ipc": "ipc", "uts": "uts", "network": "net"}

    def joined(config: Config) -> None:
        config["linux"]["namespaces"] = [
            {"type": "mount"},
            {"type": "cgroup"},
            *(
                {"type": kind, "path": f"/proc/{pid}/ns/{name}"}
                for kind, name in names.items()
            ),
        ]

    script = "for n in pid ipc uts net; do readlink /proc/self/ns/$n; done"
    found = output(runtime, busybox_root, script, joined).split()
    assert found == [os.readlink(f"/proc/{pid}/ns/{name}") for name in names.values()]


def test_a_namespace_that_is_none(runtime: Runtime, busybox_root: Path) -> None:
    mount = {"type": "mount"}
    for rows in (
        [mount, {"type": "network", "path": "/proc/self/ns/none"}],
        [mount, {"type": "network", "path": "/proc/self/ns/uts"}],
        [mount, {"type": "nothing"}],
        [mount, mount],
        [{"type": "pid"}],
    ):
        with pytest.raises(Failed):
            created(runtime, busybox_root, "true", change=linux(namespaces=rows))


IDS = [{"containerID": 0, "hostID": 100000, "size": 65536}]


def in_user_namespace(config: Config) -> None:
    config["linux"]["namespaces"].append({"type": "user"})
    config["linux"]["uidMappings"] = config["linux"]["gidMappings"] = IDS


def test_user_namespace_with_its_mappings(show: Show, busybox_root: Path) -> None:
    script = (
        "cat /proc/self/uid_map /proc/self/gid_map; id -u; stat -c %u /etc/passwd;"
        "ls -l /dev/null; readlink /proc/self/ns/user"
    )
    words = show(script, in_user_namespace).split()
    assert words[:6] == ["0", "100000", "65536"] * 2
    assert words[6:8] == ["0", "65534"]
    assert words[-1] != os.readlink("/proc/self/ns/user")


def test_user_namespace_by_path(runtime: Runtime, busybox_root: Path) -> None:
    other = started(runtime, busybox_root, change=in_user_namespace)
    pid = runtime.state(other)["pid"]

    def joined(config: Config) -> None:
        path = f"/proc/{pid}/ns/user"
        config["linux"]["namespaces"].append({"type": "user", "path": path})

    text = output(runtime, busybox_root, "cat /proc/self/uid_map", joined)
    assert text.split() == ["0", "100000", "65536"]
    assert runtime("exec", other, "id", "-u") == "0\n"


def test_a_user_namespace_needs_mappings(runtime: Runtime, busybox_root: Path) -> None:
    def alone(config: Config) -> None:
        config["linux"]["namespaces"].append({"type": "user"})

    with pytest.raises(Failed, match="uidMappings"):
        created(runtime, busybox_root, "true", change=alone)
    with pytest.raises(Failed, match="without a user namespace"):
        created(runtime, busybox_root, "true", change=linux(uidMappings=IDS))


def test_time_namespace_with_its_offsets(show: Show) -> None:
    def later(config: Config) -> None:
        config["linux"]["namespaces"].append({"type": "time"})
        offsets = {"boottime": {"secs": 1_000_000}, "monotonic": {"secs": 5}}
        config["linux"]["timeOffsets"] = offsets

    with open("/proc/uptime", encoding="ascii") as file:
        here = float(file.read().split()[0])
    there = float(show("cat /proc/uptime", later).split()[0])
    assert 1_000_000 <= there - here < 1_001_000


def test_sysctl(show: Show) -> None:
    change = linux(sysctl={"net.ipv4.ip_forward": "1", "kernel.msgmax": "4096"})
    script = "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax"
    assert show(script, change) == "1\n4096\n"


def test_a_sysctl_of_the_machine_is_refused(
    runtime: Runtime, busybox_root: Path
) -> None:
    with pytest.raises(Failed, match="is the whole machine's"):
        change = linux(sysctl={"kernel.panic": "1"})
        created(runtime, busybox_root, "true", change=change)


def test_masked_and_readonly_paths(show: Show, tmp_path: Path) -> None:
    change = linux(
        maskedPaths=["/proc/keys", "/etc/passwd", "/tmp", "/not/there"],
        readonlyPaths=["/proc/sys", "/bin", "/not/there"],
    )
    script = (
        "cat /proc/keys /etc/passwd; ls /tmp;"
        "for f in /tmp/x /bin/x /proc/sys/kernel/panic; do touch $f 2>&1 || true; done"
    )
    text = show(script, change)
    assert text.count("Read-only file system") == 3
    assert "root:" not in text


def personality_is(name: str) -> Callable[[Config], None]:
    return linux(personality={"domain": name})


def test_personality(show: Show) -> None:
    assert show("uname -m", personality_is("LINUX32")) == "i686\n"
    assert show("uname -m", personality_is("LINUX")) == f"{os.uname().machine}\n"


@pytest.mark.parametrize("field", ["intelRdt", "mountLabel"])
def test_what_the_machine_does_not_have(
    runtime: Runtime, busybox_root: Path, field: str
) -> None:
    given = {"intelRdt": {"closID": "x"}, "mountLabel": "a:b:c:d"}[field]
    with pytest.raises(Failed, match=field):
        created(runtime, busybox_root, "true", change=linux(**{field: given}))
