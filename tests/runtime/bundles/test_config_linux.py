"""config.md and config-linux.md of the runtime specification: what a container gets.

Each test is named after the property. The cases are those of opencontainers/
runtime-tools, validation/.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamina.runtime import syscalls
from tests.runtime.bundles.running import created, output, started
from tests.runtime.oci import Failed, Runtime, base_config

pytestmark = pytest.mark.root

Config = dict[str, Any]


@pytest.fixture
def show(runtime: Runtime, busybox_root: Path) -> Callable[..., str]:
    """What a script prints in a container whose config.json was changed."""

    def run(script: str, change: Callable[[Config], Any] = lambda _: None) -> str:
        return output(runtime, busybox_root, script, change)

    return run


Show = Callable[..., str]


def process(**changes: Any) -> Callable[[Config], None]:
    return lambda config: config["process"].update(changes)


def linux(**changes: Any) -> Callable[[Config], None]:
    return lambda config: config["linux"].update(changes)


def mounts(*rows: dict[str, Any]) -> Callable[[Config], None]:
    return lambda config: config["mounts"].extend(rows)


# config.md: version, root, mounts


@pytest.mark.parametrize("version", ["", "2.0.0", "0.5.0", "1", "x", None, 1])
def test_an_oci_version_that_is_not_supported(
    runtime: Runtime, busybox_root: Path, version: Any
) -> None:
    with pytest.raises(Failed, match="ociVersion"):
        created(
            runtime, busybox_root, "true", change=lambda c: c.update(ociVersion=version)
        )


def test_root_readonly(show: Show) -> None:
    readonly = {"path": "rootfs", "readonly": True}
    text = show("touch /x 2>&1 || true", lambda c: c.update(root=readonly))
    assert "Read-only file system" in text


def test_root_path_is_relative_to_the_bundle(
    runtime: Runtime, busybox_root: Path
) -> None:
    bundle = runtime.bundle(base_config("cat", "/etc/passwd"), busybox_root)
    config = json.loads((bundle / "config.json").read_text())
    config["root"]["path"] = os.path.relpath(busybox_root, bundle)
    (bundle / "config.json").write_text(json.dumps(config))
    text = runtime("run", "--bundle", str(bundle), runtime.new_id())
    assert text == (busybox_root / "etc/passwd").read_text()


def test_mounts_are_made_in_their_order(show: Show, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "first/below").mkdir()
    (tmp_path / "second").mkdir()
    (tmp_path / "second/file").write_text("second\n")
    rows = mounts(
        {
            "destination": "/v",
            "type": "bind",
            "source": str(tmp_path / "first"),
            "options": ["rbind"],
        },
        {
            "destination": "/v/below",
            "source": str(tmp_path / "second"),
            "options": ["bind", "ro"],
        },
    )
    assert show("cat /v/below/file", rows) == "second\n"


def options_of(show: Show, place: str, row: dict[str, Any]) -> list[str]:
    script = f"grep ' {place} ' /proc/self/mountinfo | tail -1"
    return show(script, mounts({"destination": place, **row})).split()[5].split(",")


@pytest.mark.parametrize(
    ("options", "has"),
    [
        (["ro"], {"ro", "relatime"}),
        (["nosuid", "nodev", "noexec"], {"rw", "nosuid", "nodev", "noexec"}),
        (["noatime"], {"noatime"}),
        (["nodiratime"], {"nodiratime"}),
        (["nosymfollow"], {"nosymfollow"}),
        (["ro", "rw"], {"rw"}),
        (["nosuid", "suid"], {"rw"}),
        (["rro"], {"ro"}),
        (["rnosuid", "rnodev", "rnoexec", "rnoatime"], {"nosuid", "noexec", "noatime"}),
    ],
)
@pytest.mark.parametrize("kind", ["bind", "tmpfs"])
def test_mount_options(
    show: Show, tmp_path: Path, kind: str, options: list[str], has: set[str]
) -> None:
    row = {"type": "tmpfs", "source": "tmpfs", "options": options}
    if kind == "bind":
        row = {"type": "bind", "source": str(tmp_path), "options": ["rbind", *options]}
    found = options_of(show, "/there", row)
    assert has <= set(found)
    assert "suid" not in found
    assert ("nosuid" in found) == ("nosuid" in has)


def test_ro_is_the_mount_s_alone_and_rro_is_for_all_below(
    show: Show, tmp_path: Path
) -> None:
    (tmp_path / "below").mkdir()
    script = (
        "touch /v/x 2>/dev/null && echo top;"
        "touch /v/below/x 2>/dev/null && echo below; true"
    )
    with mounted_tmpfs(tmp_path / "below"):
        for option, text in (("ro", "below\n"), ("rro", ""), ("rw", "top\nbelow\n")):
            row = {
                "destination": "/v",
                "type": "bind",
                "source": str(tmp_path),
                "options": ["rbind", option],
            }
            assert show(script, mounts(row)) == text


class mounted_tmpfs:
    """A tmpfs on a directory of the host, for as long as the block lasts."""

    def __init__(self, place: Path) -> None:
        self._place = str(place)

    def __enter__(self) -> None:
        syscalls.mount("tmpfs", self._place, "tmpfs", 0)

    def __exit__(self, *_: object) -> None:
        syscalls.umount2(self._place, syscalls.MNT_DETACH)


def test_an_option_that_nobody_knows(runtime: Runtime, busybox_root: Path) -> None:
    for row in (
        {"type": "tmpfs", "options": ["nosuchoption=1"]},
        {"type": "bind", "source": "/tmp", "options": ["bind", "nosuchoption"]},
    ):
        with pytest.raises(Failed, match="nosuchoption"):
            change = mounts({"destination": "/x", **row})
            created(runtime, busybox_root, "true", change=change)


def test_tmpcopyup(show: Show) -> None:
    row = {
        "destination": "/etc",
        "type": "tmpfs",
        "options": ["tmpcopyup", "mode=0755"],
    }
    script = "stat -f -c %T /etc; ls /etc; cat /etc/passwd; touch /etc/new"
    text = show(script, mounts(row))
    assert text.startswith("tmpfs\n")
    assert "group\npasswd\nroot:x:0" in text


@pytest.mark.parametrize("kind", ["idmap", "ridmap", ""])
def test_idmapped_mounts(show: Show, tmp_path: Path, kind: str) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "file").touch()
    os.chown(tmp_path / "file", 1000, 1001)
    rows = [{"containerID": 0, "hostID": 5000, "size": 65536}]
    row = {
        "destination": "/v",
        "type": "bind",
        "source": str(tmp_path),
        "options": ["bind", *([kind] if kind else [])],
        "uidMappings": rows,
        "gidMappings": rows,
    }
    assert show("stat -c %u:%g /v/file", mounts(row)) == "6000:6001\n"


@pytest.mark.parametrize(
    ("option", "field"),
    [("rprivate", ""), ("rslave", "master:"), ("rshared", "shared:")],
)
def test_propagation_of_a_mount(
    show: Show, tmp_path: Path, option: str, field: str
) -> None:
    row = {
        "destination": "/v",
        "type": "bind",
        "source": str(tmp_path),
        "options": ["rbind", option],
    }
    with mounted_tmpfs(tmp_path):
        syscalls.mount("", str(tmp_path), "", syscalls.MS_SHARED)
        found = show("grep ' /v ' /proc/self/mountinfo", mounts(row)).split()
    optional = found[6 : found.index("-")]
    assert [word for word in optional if word.startswith(field or "x")] == optional
    assert bool(optional) == bool(field)


@pytest.mark.parametrize(
    ("named", "field"),
    [("shared", "shared:"), ("private", ""), ("unbindable", "unbindable")],
)
def test_rootfs_propagation(show: Show, named: str, field: str) -> None:
    script = "grep ' / / ' /proc/self/mountinfo || grep ' / ' /proc/self/mountinfo"
    rows = show(script, linux(rootfsPropagation=named)).splitlines()
    found = next(row.split() for row in rows if row.split()[4] == "/")
    optional = found[6 : found.index("-")]
    assert bool(optional) == bool(field)
    assert not optional or optional[0].startswith(field)


# config.md: process


def test_user(show: Show) -> None:
    user = {"uid": 1000, "gid": 1001, "additionalGids": [63, 100], "umask": 0o077}
    text = show("id -u; id -g; id -G; umask", process(user=user))
    assert text.split() == ["1000", "1001", "1001", "63", "100", "0077"]


@pytest.mark.parametrize("uid", [-1, 2**32, 2**32 - 1, "0", 1.5, True])
def test_a_user_that_is_none(runtime: Runtime, busybox_root: Path, uid: Any) -> None:
    """CVE-2024-40635."""
    with pytest.raises(Failed, match="uid"):
        change = process(user={"uid": uid, "gid": 0})
        created(runtime, busybox_root, "true", change=change)


def test_a_number_is_no_name_of_the_image(runtime: Runtime, tmp_path: Path) -> None:
    """CVE-2026-30892. A user of the image who is called 1000 has no part in it."""
    from tests.runtime.launches import make_root

    root = make_root(tmp_path / "root")
    (root / "etc/passwd").write_text("1000:x:0:0::/evil:/bin/sh\n")
    user = process(user={"uid": 1000, "gid": 1000})
    assert output(runtime, root, "id -u; id -g", user) == "1000\n1000\n"


def test_args_env_and_cwd(show: Show) -> None:
    change = process(
        args=["sh", "-c", 'echo "$0" "$1" $A $PWD', "zero", "one two"],
        env=["PATH=/bin", "A=b=c"],
        cwd="/etc",
    )
    assert show("", change) == "zero one two b=c /etc\n"


def test_a_working_directory_that_is_missing_is_made(show: Show) -> None:
    assert show("pwd", process(cwd="/made/here")) == "/made/here\n"


@pytest.mark.parametrize("change", [{"args": []}, {"cwd": ""}, {"cwd": "relative"}])
def test_a_process_that_is_none(
    runtime: Runtime, busybox_root: Path, change: dict[str, Any]
) -> None:
    with pytest.raises(Failed, match=r"config\.json: `process\."):
        created(runtime, busybox_root, "true", change=process(**change))


def test_rlimits(show: Show) -> None:
    rows = [
        {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 2**64 - 1},
    ]
    assert show("ulimit -n; ulimit -Hn; ulimit -c", process(rlimits=rows)) == (
        "100\n200\n0\n"
    )


@pytest.mark.parametrize(
    "rows",
    [
        [{"type": "RLIMIT_NONE", "soft": 1, "hard": 1}],
        [{"type": "RLIMIT_CORE", "soft": 1, "hard": 1}] * 2,
    ],
)
def test_rlimits_that_are_none(
    runtime: Runtime, busybox_root: Path, rows: list[dict[str, Any]]
) -> None:
    with pytest.raises(Failed, match="rlimits"):
        created(runtime, busybox_root, "true", change=process(rlimits=rows))


def capabilities(text: str) -> dict[str, int]:
    rows = (line.split() for line in text.splitlines() if line.startswith("Cap"))
    return {name.removesuffix(":"): int(number, 16) for name, number in rows}


def test_capabilities_in_all_five_sets(show: Show) -> None:
    chown, kill, raw = 1 << 0, 1 << 5, 1 << 13
    given = {
        "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"],
        "permitted": ["CAP_CHOWN", "CAP_KILL"],
        "effective": ["CAP_CHOWN"],
        "inheritable": ["CAP_KILL"],
        "ambient": ["CAP_KILL"],
    }
    user = {"uid": 1000, "gid": 1000}
    change = process(capabilities=given, user=user)
    found = capabilities(show("cat /proc/self/status", change))
    assert found["CapBnd"] == chown | kill | raw
    assert found["CapInh"] == kill
    assert found["CapAmb"] == kill
    assert found["CapPrm"] == found["CapEff"] == kill
    as_root = capabilities(show("cat /proc/self/status", process(capabilities=given)))
    # For root, execve gives what is in the bounding and the inheritable set.
    assert as_root["CapPrm"] == chown | kill | raw


def test_without_capabilities_there_are_none(show: Show) -> None:
    change = process(capabilities=None)
    found = capabilities(show("cat /proc/self/status", change))
    assert set(found.values()) == {0}


def test_capabilities_of_a_later_kernel_are_a_warning(show: Show) -> None:
    sets = {"bounding": ["CAP_FROM_THE_FUTURE", "CAP_KILL"]}
    text = show("true", process(capabilities=sets))
    assert "this kernel does not have: CAP_FROM_THE_FUTURE" in text


def test_no_new_privileges(show: Show) -> None:
    for value in (True, False):
        text = show("grep NoNewPrivs /proc/self/status", process(noNewPrivileges=value))
        assert text.split() == ["NoNewPrivs:", str(int(value))]


def test_oom_score_adj(show: Show) -> None:
    text = show("cat /proc/self/oom_score_adj", process(oomScoreAdj=100))
    assert text == "100\n"


def test_scheduler_io_priority_and_cpus(show: Show) -> None:
    change = process(
        scheduler={"policy": "SCHED_BATCH", "nice": 5},
        ioPriority={"class": "IOPRIO_CLASS_BE", "priority": 6},
        execCPUAffinity={"initial": "0-1", "final": "0"},
    )
    text = show("cat /proc/self/stat; grep Cpus_allowed_list /proc/self/status", change)
    fields = text.partition(") ")[2].split()
    assert fields[16] == "5"  # nice, field 19 of proc_pid_stat(5)
    assert fields[38] == "3"  # policy: SCHED_BATCH
    assert text.split()[-1] == "0"


@pytest.mark.parametrize(
    "change",
    [
        {"apparmorProfile": "some-profile"},
        {"selinuxLabel": "system_u:system_r:svirt_lxc_net_t:s0"},
        {"scheduler": {"policy": "SCHED_NONE"}},
        {"ioPriority": {"class": "NONE"}},
        {"execCPUAffinity": {"final": "a-b"}},
    ],
)
def test_what_is_not_to_be_had_is_an_error(
    runtime: Runtime, busybox_root: Path, change: dict[str, Any]
) -> None:
    if os.path.exists("/sys/module/apparmor") and "apparmorProfile" in change:
        pytest.skip("this machine has AppArmor")
    with pytest.raises(Failed):
        created(runtime, busybox_root, "true", change=process(**change))
    assert not list(runtime.root.glob("*"))


def test_hostname_and_domainname(show: Show) -> None:
    change = {"hostname": "box", "domainname": "example"}
    text = show("hostname; cat /proc/sys/kernel/domainname", lambda c: c.update(change))
    assert text == "box\nexample\n"


# config-linux.md


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


# config-linux.md: control groups


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


# config-linux.md: seccomp


def seccomp(**changes: Any) -> Callable[[Config], None]:
    base = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"][:1],
    }
    return linux(seccomp={**base, **changes})


def test_seccomp_errno_with_a_number_of_its_own(show: Show) -> None:
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}
    text = show("mkdir /x 2>&1 || true", seccomp(syscalls=[rule]))
    assert "No space left on device" in text


def test_seccomp_kills(show: Show) -> None:
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_KILL_PROCESS"}
    text = show("mkdir /x || echo $?", seccomp(syscalls=[rule]))
    assert "159" in text  # SIGSYS


def test_seccomp_arguments(show: Show) -> None:
    rule = {
        "names": ["kill"],
        "action": "SCMP_ACT_ERRNO",
        "args": [{"index": 1, "value": 10, "op": "SCMP_CMP_EQ"}],
    }
    script = "sleep 10 & kill -USR1 $! 2>&1 || true; kill -USR2 $! && echo sent"
    text = show(script, seccomp(syscalls=[rule]))
    assert "Operation not permitted" in text
    assert "sent" in text


def test_seccomp_flags(show: Show) -> None:
    change = seccomp(
        flags=["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]
    )
    assert show("grep Seccomp: /proc/self/status", change).split()[-1] == "2"


@pytest.mark.parametrize(
    "changes",
    [
        {"flags": ["SECCOMP_FILTER_FLAG_NONE"]},
        {"defaultAction": "SCMP_ACT_NONE"},
        {"architectures": ["SCMP_ARCH_NONE"]},
        {"syscalls": [{"names": ["read"], "action": "SCMP_ACT_NOTIFY"}]},
        {"syscalls": [{"names": None, "action": "SCMP_ACT_ERRNO"}]},
        {"syscalls": None, "defaultAction": None},
    ],
)
def test_seccomp_that_is_none(
    runtime: Runtime, busybox_root: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(Failed, match=r"seccomp|SCMP_ARCH_NONE"):
        created(runtime, busybox_root, "true", change=seccomp(**changes))


# The command line


def test_terminal_over_a_console_socket(runtime: Runtime, busybox_root: Path) -> None:
    """CVE-2025-52565: only by descriptors."""
    path = str(runtime.place / "console")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        config = base_config("sh", "-c", "tty; stty size; ls -l /dev/console")
        size = {"height": 33, "width": 77}
        config["process"].update(terminal=True, consoleSize=size)
        bundle = runtime.bundle(config, busybox_root)
        identity = runtime.new_id()
        runtime(
            *("create", "--bundle", str(bundle), "--console-socket", path, identity)
        )
        connection, _ = listener.accept()
        with connection:
            _, rights, _, _ = connection.recvmsg(100, socket.CMSG_SPACE(4))
    master = struct.unpack("i", rights[0][2])[0]
    runtime("start", identity)
    text = read_terminal(master)
    assert text.startswith("/dev/pts/0\r\n33 77\r\n")
    assert "5,   1" in text or "136,   0" in text
    with pytest.raises(Failed, match="no --console-socket"):
        runtime("create", "--bundle", str(bundle), runtime.new_id())


def read_terminal(master: int) -> str:
    data = b""
    try:
        while piece := os.read(master, 4096):
            data += piece
    except OSError:
        pass  # EIO: nobody has its other side open
    os.close(master)
    return data.decode()


def test_run_on_a_terminal(runtime: Runtime, busybox_root: Path) -> None:
    """`run` without a socket moves the bytes itself."""
    config = base_config("sh", "-c", "tty; stty size")
    config["process"]["terminal"] = True
    bundle = runtime.bundle(config, busybox_root)
    words = runtime.command("run", "--bundle", str(bundle), runtime.new_id())
    line = " ".join(words)
    done = subprocess.run(
        ["script", "-qec", f"stty rows 20 cols 60; {line}", "/dev/null"],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    assert "/dev/pts/0" in done.stdout
    assert "20 60" in done.stdout


def test_run_ends_with_whom_it_writes_to(runtime: Runtime, busybox_root: Path) -> None:
    """A terminal's output goes through `run`: `... | head` is its end."""
    config = base_config("sh", "-c", "while echo y; do :; done")
    config["process"]["terminal"] = True
    bundle = runtime.bundle(config, busybox_root)
    words = runtime.command("run", "--bundle", str(bundle), runtime.new_id())
    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(2) == b"y\r"
        process.stdout.close()
        process.wait()
    assert list(runtime.root.iterdir()) == []


def test_preserved_descriptors(runtime: Runtime, busybox_root: Path) -> None:
    reader, writer = os.pipe()
    config = base_config("sh", "-c", "echo through >&3; ls /proc/self/fd | wc -l")
    bundle = runtime.bundle(config, busybox_root)
    words = ("run", "--bundle", str(bundle), "--preserve-fds", "1", runtime.new_id())
    # The number 3 is taken in this process: a shell has it.
    moved = f'exec 3>&{writer}; exec {writer}>&-; exec "$@"'
    text = subprocess.check_output(
        ["bash", "-c", moved, "sh", *runtime.command(*words)],
        pass_fds=(writer,),
        text=True,
    )
    os.close(writer)
    with open(reader, "rb") as pipe:
        assert pipe.read() == b"through\n"
    # 0, 1, 2, the preserved one, and that of `ls` itself.
    assert text == "5\n"


def test_features(runtime: Runtime) -> None:
    found = json.loads(runtime("features"))
    assert found["ociVersionMin"] == "1.0.0"
    assert found["ociVersionMax"] == "1.2.0"
    assert {"rro", "tmpcopyup", "rslave"} <= set(found["mountOptions"])
    assert "SCMP_ACT_NOTIFY" in found["linux"]["seccomp"]["actions"]
    assert found["linux"]["namespaces"] == sorted(
        ("cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts")
    )


def test_spec_writes_a_config_that_runs(runtime: Runtime, busybox_root: Path) -> None:
    place = runtime.place / "fresh"
    place.mkdir()
    runtime("spec", "--bundle", str(place))
    with pytest.raises(Failed, match="is there already"):
        runtime("spec", "--bundle", str(place))
    config = json.loads((place / "config.json").read_text())
    config["process"].update(terminal=False, args=["echo", "ran"])
    config["root"]["path"] = str(busybox_root)
    (place / "config.json").write_text(json.dumps(config))
    assert runtime("run", "--bundle", str(place), runtime.new_id()) == "ran\n"
