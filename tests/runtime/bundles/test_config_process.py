"""config.md of the runtime specification: what a container's process gets.

The cases are those of opencontainers/runtime-tools, validation/.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.bundles.configs import Show, process
from tests.runtime.bundles.running import created, output
from tests.runtime.oci import Failed, Runtime

pytestmark = pytest.mark.root


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
