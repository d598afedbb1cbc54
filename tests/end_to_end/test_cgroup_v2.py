"""Containers where cgroups are of version 2 alone, as on today's distributions.

A machine with version 1 has that hierarchy too, with the controllers that are left: in
a mount namespace it is put where it would be if it were the only one.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.bases import Lamina, project
from tests.runtime.launches import make_root
from tests.runtime.oci import PROGRAM, base_config

pytestmark = pytest.mark.root("it mounts a hierarchy of cgroups")

_ONLY_V2 = (
    'umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && exec "$0" "$@"'
)
WRAPPER = ("unshare", "-m", "sh", "-c", _ONLY_V2)
RUN = ("run", "--rm", "--network", "none")


def inside(script: str) -> str:
    """What a script of the host prints where version 2 is alone."""
    return subprocess.check_output((*WRAPPER, "sh", "-c", script), text=True)


def below(name: str) -> list[str]:
    """The cgroups in one of Lamina's."""
    found = inside(f"find /sys/fs/cgroup/{name} -mindepth 1 -type d || true")
    return found.split()


def test_a_container_lives_and_leaves_nothing(lamina: Lamina) -> None:
    start = ("run", "-d", "--network", "none", "--name", "lives", "busybox")
    identity = lamina.run(*start, "sleep", "1000", wrapper=WRAPPER).out.strip()
    (place,) = (path for path in below("lamina") if identity in path)
    assert inside(f"grep -c . {place}/cgroup.procs").strip() == "1"
    lamina.run("pause", "lives", wrapper=WRAPPER)
    assert inside(f"cat {place}/cgroup.freeze").strip() == "1"
    lamina.run("unpause", "lives", wrapper=WRAPPER)
    done = lamina.run("exec", "lives", "sh", "-c", "exit 6", code=6, wrapper=WRAPPER)
    assert done.err == ""
    lamina.run("rm", "-f", "lives", wrapper=WRAPPER)
    assert not any(identity in path for path in below("lamina"))


def test_a_step_lives_in_the_build_s(lamina: Lamina, tmp_path: Path) -> None:
    recipe = (
        "FROM busybox\nRUN --network=none grep ^0: /proc/self/cgroup > /cgroup\n"
        "RUN --network=none (setsid sleep 1000 &)\n"
    )
    folder = project(tmp_path / "app", recipe)
    image = lamina.build(folder, wrapper=WRAPPER)
    # By its cgroup namespace it is the root of what the step can see.
    done = lamina.run(*RUN, image, "cat", "/cgroup", wrapper=WRAPPER)
    assert done.out == "0::/\n"


def test_devices_are_filtered_by_a_program(lamina: Lamina) -> None:
    script = (
        "for n in null:1:3 full:1:7 disk:254:0 fuse:10:229 kmsg:1:11; do"
        " IFS=:; set -- $n; mknod /$1 c $2 $3; unset IFS;"
        " (: < /$1) 2>/dev/null && echo $1 yes || echo $1 no; done;"
        " mknod /b b 254 0; (: < /b) 2>/dev/null && echo b yes || echo b no"
    )
    done = lamina.run(*RUN, "busybox", "sh", "-c", script, wrapper=WRAPPER)
    expected = ["null yes", "full yes", "disk no", "fuse no", "kmsg no", "b no"]
    assert done.out.splitlines() == expected
    device = ("--device", "/dev/fuse")
    if os.path.exists("/dev/fuse"):
        words = ("busybox", "sh", "-c", ": < /dev/fuse && echo opened")
        done = lamina.run(*RUN, *device, *words, wrapper=WRAPPER)
        assert done.out == "opened\n"


def test_a_limit_without_its_controller_is_refused(lamina: Lamina) -> None:
    controllers = inside("cat /sys/fs/cgroup/cgroup.controllers").split()
    for controller, flags in (
        ("memory", ("-m", "64m")),
        ("pids", ("--pids-limit", "9")),
    ):
        code = 0 if controller in controllers else 125
        done = lamina.run(*RUN, *flags, "busybox", "true", code=code, wrapper=WRAPPER)
        assert code == 0 or f"no cgroup controller for {controller}" in done.err


def test_lamina_runtime(tmp_path: Path) -> None:
    config = base_config(
        "sh", "-c", "mknod /b b 254 0; cat /b; grep ^0: /proc/1/cgroup"
    )
    config["linux"]["cgroupsPath"] = f"lamina-v2-{os.getpid()}/box"
    config["linux"]["resources"] = {"devices": [{"allow": False, "access": "rwm"}]}
    sets = ("bounding", "effective", "permitted")
    config["process"]["capabilities"] = {name: ["CAP_MKNOD"] for name in sets}
    make_root(tmp_path / "rootfs")
    (tmp_path / "config.json").write_text(json.dumps(config))
    words = (PROGRAM, "--root", f"{tmp_path}/state", "run", "--bundle", tmp_path, "box")
    done = subprocess.run(
        (*WRAPPER, *words), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Operation not permitted" in done.stderr
    assert done.stdout == "0::/\n"
    assert below(f"lamina-v2-{os.getpid()}") == []
    inside(f"rmdir /sys/fs/cgroup/lamina-v2-{os.getpid()} || true")
