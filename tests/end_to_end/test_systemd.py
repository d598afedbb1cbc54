"""Limits where systemd has the cgroups, all of version 2: for root and for a user who
has logged in. On a whole machine, for this one may have its controllers elsewhere."""

from __future__ import annotations

import json
import re
import shutil
from typing import Any

import pytest

from tests.runtime.launches import make_root
from tests.runtime.oci import base_config
from tests.runtime.people import open_to_all
from tests.systems.whole import KERNEL, LAMINA, RUNTIME, UID, Answer, visit

pytestmark = [
    pytest.mark.root("it boots a machine that sees root's files"),
    pytest.mark.skipif(KERNEL is None, reason="no user-mode Linux"),
    pytest.mark.slow,
]

MIB = 1 << 20
RUN = f"{LAMINA} run --network none"
IMPORT = f"tar -C / -c bin/busybox | {LAMINA} import - busybox"
SHOW = "/bin/busybox cat /proc/self/cgroup"
FILES = " ".join(f"/sys/fs/cgroup/{f}" for f in ("memory.max", "cpu.max", "pids.max"))
LIMITS = "-m 64m --cpus 0.5 --pids-limit 30"
SLEEP = "busybox /bin/busybox sleep 1000"
APPS = f"/sys/fs/cgroup/user.slice/user-{UID}.slice/user@{UID}.service/app.slice"
OCI = f"{RUNTIME} --root /run/oci --systemd-cgroup"
# systemd sees a little later that nothing is left.
GONE = (
    "timeout 60 sh -c 'while systemctl list-units | grep lamina-; do sleep 0.2; done'"
)
USER_GONE = GONE.replace("systemctl", "systemctl --user")
FREE = f"{LAMINA} ps -q --no-trunc -f name=free"
OWN = f"unshare -Urm {RUNTIME} --systemd-cgroup run --bundle BUNDLE/own oci"
PODMAN = (
    f"podman --cgroup-manager systemd --storage-driver vfs --runtime {RUNTIME}"
    " --events-backend file"
)
PODMAN_RUN = f"{PODMAN} run --network none -m 64m --pids-limit 33"
PROPERTIES = "MemoryMax,TasksMax,CPUQuotaPerSecUSec,CPUWeight"

SYSTEM = {
    "controllers": "cat /sys/fs/cgroup/cgroup.controllers",
    "import": IMPORT,
    "limited": f"{RUN} --rm {LIMITS} busybox /bin/busybox cat {FILES}",
    "in a slice": f"{RUN} -d --name shop --cgroup-parent shop-web.slice -m 64m {SLEEP}",
    "slice": "systemctl show -p MemoryMax shop-web.slice; systemd-cgls --no-pager",
    "slice's limits": "systemctl set-property --runtime shop-web.slice MemoryMax=99M;"
    " cat /sys/fs/cgroup/shop.slice/shop-web.slice/memory.max",
    "slice's end": f"{LAMINA} rm -f shop; {GONE}; systemctl list-units '*.scope'",
    "create": f"{OCI} create --bundle BUNDLE oci >BUNDLE/out 2>&1 </dev/null",
    "unit": f"systemctl daemon-reload; systemctl show -p {PROPERTIES} docker-oci.scope",
    "files": "cd /sys/fs/cgroup/system.slice/docker-oci.scope;"
    " head -n 1 memory.max pids.max cpu.max cpu.weight",
    "update": f"{OCI} update --memory 32m --pids-limit 20 oci; systemctl daemon-reload;"
    " cat /sys/fs/cgroup/system.slice/docker-oci.scope/memory.max;"
    " systemctl show -p MemoryMax,TasksMax docker-oci.scope",
    "start": f"{OCI} start oci; {OCI} events --stats oci",
    "delete": f"{OCI} delete -f oci; systemctl show -p LoadState docker-oci.scope",
}
USER = {
    "user's import": IMPORT,
    "session": "cat /proc/self/cgroup",
    "unlimited": f"{RUN} --rm busybox {SHOW}",
    "user's limits": f"{RUN} --rm {LIMITS} busybox /bin/busybox cat {FILES}",
    "out of memory": f"{RUN} --rm -m 16m busybox /bin/busybox tail /dev/zero",
    "detached": f"{RUN} -d --name web -m 64m {SLEEP}",
    "status": "systemctl --user status --no-pager 'lamina-*'",
    "exec": f"{LAMINA} exec web {SHOW}",
    "stats": f"{LAMINA} stats --no-stream web",
    "pause": f"{LAMINA} pause web; {LAMINA} ps; {LAMINA} unpause web",
    "user's update": f"{LAMINA} update -m 32m web; systemctl --user daemon-reload;"
    f" cat {APPS}/lamina-*/container/memory.max",
    "free": f"{RUN} -d --name free busybox /bin/busybox sh -c"
    " 'while /bin/busybox true; do /bin/busybox usleep 20000; done'",
    "free's pause": f"{LAMINA} pause free; {LAMINA} ps;"
    f" cat {APPS}/lamina-$({FREE}).scope/container/cgroup.events;"
    f" {LAMINA} unpause free",
    "free's limits": f"{LAMINA} update -m 48m free; {LAMINA} exec free {SHOW};"
    f" cat {APPS}/lamina-$({FREE}).scope/container/memory.max",
    "free's end": f"{LAMINA} stop -t 0 free; {LAMINA} start free; {LAMINA} rm -f free",
    "delegated": "systemd-run --user --scope --quiet -p Delegate=yes"
    f" {RUN} -d --name inner -m 40m {SLEEP}; {LAMINA} update -m 30m inner;"
    f" {LAMINA} pause inner; {LAMINA} ps; {LAMINA} rm -f inner",
    "build": f'printf \'FROM busybox\\nRUN ["/bin/busybox", "cat", '
    '"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/cpu.max"]\\n\' >Dockerfile;'
    f" {LAMINA} build --memory 64m --cpus 0.5 --network none --progress plain . 2>&1",
    "no controller": f"{RUN} --rm --blkio-weight 100 {SLEEP}",
    "user's slice": f"{RUN} -d --name it --cgroup-parent my.slice -m 64m {SLEEP};"
    " systemctl --user status --no-pager my.slice",
    "end": f"{LAMINA} rm -f web it; {USER_GONE}; systemctl --user list-units '*.scope';"
    f" find {APPS} -name 'lamina*'",
    "runtime": f"{OWN} & timeout 60 sh -c"
    " 'until systemctl --user status docker-oci.scope; do sleep 0.2; done';"
    " systemctl --user kill -s KILL docker-oci.scope;"
    " wait; systemctl --user list-units --no-pager '*.scope'",
    "runtime by the bus": "cd /run/user/$(id -u)/systemd; mv private aside;"
    f" touch BUNDLE/own/rootfs/once; {OWN}; mv aside private",
    "runtime's exec": "unshare -Urm sh -c '"
    f"{RUNTIME} --systemd-cgroup run -d --bundle BUNDLE/long long >/dev/null;"
    f" {RUNTIME} exec long cat /proc/self/cgroup; {RUNTIME} delete -f long';"
    " systemctl --user list-units '*.scope'",
    "podman's import": f"tar -C / -c bin/busybox | {PODMAN} import - localhost/box",
    "podman": f"{PODMAN_RUN} --rm localhost/box /bin/busybox cat {FILES}",
    "podman -d": f"{PODMAN_RUN} -d --name pod localhost/box /bin/busybox sleep 1000;"
    " systemctl --user status --no-pager 'libpod-*'",
    "podman exec": f"{PODMAN} exec pod {SHOW}",
    "podman rm": f"{PODMAN} rm -f -t 0 pod;"
    " systemctl --user list-units --no-pager '*.scope'",
    "no systemd": f"XDG_RUNTIME_DIR=/run/user/none {RUN} --rm -m 64m busybox {SHOW}",
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    """What all these commands say, on one machine."""
    place = tmp_path_factory.mktemp("machine")
    bundle = place / "bundle"
    make_root(bundle / "rootfs")
    (bundle / "config.json").write_text(json.dumps(limited_config("sleep", "1000")))
    make_root(bundle / "own" / "rootfs")
    (bundle / "own" / "rootfs").chmod(0o777)
    own = ("sh", "-c", "cat /sys/fs/cgroup/memory.max; test -e /once || sleep 1000")
    (bundle / "own" / "config.json").write_text(json.dumps(limited_config(*own)))
    system, user = (
        {name: text.replace("BUNDLE", str(bundle)) for name, text in commands.items()}
        for commands in (SYSTEM, USER)
    )
    shutil.copytree(bundle / "rootfs", bundle / "long" / "rootfs", symlinks=True)
    long = {**limited_config("sleep", "1000"), "annotations": {}}
    long["linux"]["cgroupsPath"] = "user.slice:docker:long"
    (bundle / "long" / "config.json").write_text(json.dumps(long))
    open_to_all(bundle)
    return visit(place, system, user)


def limited_config(*command: str) -> dict[str, Any]:
    config = base_config(*command)
    config["linux"]["cgroupsPath"] = "system.slice:docker:oci"
    config["linux"]["resources"] = {
        "memory": {"limit": 64 * MIB},
        "cpu": {"quota": 25000, "period": 50000, "shares": 1024},
        "pids": {"limit": 50},
        "devices": [{"allow": False, "access": "rwm"}],
    }
    return config


def properties(answer: Answer) -> dict[str, str]:
    rows = (line.split("=", 1) for line in answer.out.splitlines() if "=" in line)
    return {row[0]: row[1] for row in rows}


def test_the_machine_has_controllers(said: dict[str, Answer]) -> None:
    assert {"cpu", "memory", "pids"} <= {*said["controllers"].out.split()}
    assert said["import"].code == said["user's import"].code == 0, said


class TestRoot:
    def test_limits_hold_without_systemd_s_help(self, said: dict[str, Answer]) -> None:
        assert said["limited"].out.split("\n") == [
            f"{64 * MIB}",
            "50000 100000",
            "30",
            "",
        ]

    def test_a_slice_is_systemd_s(self, said: dict[str, Answer]) -> None:
        identity = said["in a slice"].out.strip()
        tree = said["slice"].out
        below = tree[tree.index("shop.slice") :]
        names = (
            "shop-web.slice",
            f"lamina-{identity}.scope",
            "container",
            "sleep 1000",
        )
        assert [below.index(name) for name in names] == sorted(map(below.index, names))
        assert said["slice's limits"].out.strip() == str(99 * MIB)
        assert "lamina-" not in said["slice's end"].out

    def test_lamina_runtime(self, said: dict[str, Answer]) -> None:
        assert said["create"].code == 0
        assert properties(said["unit"]) == {
            "MemoryMax": str(64 * MIB),
            "TasksMax": "50",
            "CPUQuotaPerSecUSec": "500ms",
            "CPUWeight": "100",
        }
        values = re.findall(r"^[0-9].*", said["files"].out, re.MULTILINE)
        assert values == [str(64 * MIB), "50", "25000 50000", "100"]
        assert said["update"].out.startswith(f"{32 * MIB}\n")
        shown = properties(said["update"])
        assert shown == {"MemoryMax": str(32 * MIB), "TasksMax": "20"}
        stats = json.loads(said["start"].out)
        assert stats["data"]["memory"]["usage"]["limit"] == 32 * MIB
        assert properties(said["delete"]) == {"LoadState": "not-found"}


class TestUser:
    def test_a_session_has_no_cgroup_to_give(self, said: dict[str, Answer]) -> None:
        path = said["session"].out
        assert re.fullmatch(
            rf"0::/user.slice/user-{UID}.slice/session-\d+.scope\n", path
        )
        # Without limits systemd is not asked.
        assert "session-" in said["unlimited"].out

    def test_limits_hold(self, said: dict[str, Answer]) -> None:
        assert said["user's limits"].err == ""
        lines = said["user's limits"].out.split("\n")
        assert lines == [f"{64 * MIB}", "50000 100000", "30", ""]
        assert said["out of memory"].code == 137

    def test_the_scope_is_seen(self, said: dict[str, Answer]) -> None:
        status = said["status"].out
        assert "lamina container web" in status
        assert "app.slice/lamina-" in status
        keeper, container = status.index("keeper"), status.index("─container")
        assert "sleep 1000" in status[container:keeper]

    def test_what_a_cgroup_is_good_for(self, said: dict[str, Answer]) -> None:
        assert said["exec"].out == "0::/\n"
        assert "64MiB" in said["stats"].out
        assert "(Paused)" in said["pause"].out
        assert said["user's update"].out.endswith(f"{32 * MIB}\n")

    def test_one_that_had_no_limits(self, said: dict[str, Answer]) -> None:
        assert said["free"].code == 0
        assert "(Paused)" in said["free's pause"].out
        assert "frozen 1" in said["free's pause"].out
        _, place, limit, _ = said["free's limits"].out.split("\n")
        assert place.endswith(".scope/container")
        assert limit == str(48 * MIB)
        assert said["free's end"].code == 0

    def test_one_of_a_delegated_shell_from_another(
        self, said: dict[str, Answer]
    ) -> None:
        shown = said["delegated"]
        assert "(Paused)" in shown.out, shown

    def test_steps_of_a_build(self, said: dict[str, Answer]) -> None:
        assert said["build"].code == 0, said["build"]
        assert f"{64 * MIB}\n" in said["build"].out
        assert "50000 100000\n" in said["build"].out

    def test_what_is_not_given_to_users(self, said: dict[str, Answer]) -> None:
        assert said["no controller"].code == 125
        assert "systemd does not let this user limit by io" in said["no controller"].err
        assert "Delegate=" in said["no controller"].err

    def test_a_slice_of_one_s_own(self, said: dict[str, Answer]) -> None:
        status = said["user's slice"].out
        assert status.index("my.slice") < status.index("sleep 1000")

    def test_lamina_runtime(self, said: dict[str, Answer]) -> None:
        """By somebody who is root in a user namespace."""
        shown = said["runtime"].out
        assert str(64 * MIB) in shown
        assert f"user@{UID}.service/system.slice/docker-oci.scope" in shown
        assert "limit: 50" in shown
        assert "docker-oci" not in shown[shown.index("ACTIVE SUB") :]
        exec_, *units = said["runtime's exec"].out.split("\n")
        assert exec_ == "0::/", said["runtime's exec"]
        assert not any("docker" in line or "lamina" in line for line in units)
        assert said["runtime by the bus"].out == f"{64 * MIB}\n"

    def test_podman_as_a_user(self, said: dict[str, Answer]) -> None:
        lines = said["podman"].out.split("\n")
        assert lines == [f"{64 * MIB}", "max 100000", "33", ""]
        identity, *status = said["podman -d"].out.split("\n")
        shown = "\n".join(status)
        assert f"libpod-{identity}.scope - lamina-runtime container" in shown
        assert said["podman exec"].out == "0::/\n"
        assert f"libpod-{identity}" not in said["podman rm"].out

    def test_nothing_stays(self, said: dict[str, Answer]) -> None:
        assert "lamina" not in said["end"].out.replace("web", "")

    def test_no_systemd_to_ask(self, said: dict[str, Answer]) -> None:
        assert said["no systemd"].code == 0
        assert "no limit of memory" in said["no systemd"].err
