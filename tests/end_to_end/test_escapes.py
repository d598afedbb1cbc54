"""Ways out of containers and builds that were open once: one hostile input for each.

Each test is named after what it defends, by the number that the hole had elsewhere, and
uses the command as a user does, as root and as an ordinary user. docs/security.md has
the whole list; archives are tests/oci/archives/test_hostile_archives.py, and what a
bundle or a root can do to a launch is tests/runtime/test_hostile.py.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.busybox import BUSYBOX
from tests.end_to_end.bases import PATIENCE, Lamina, processes_of, project

RUN = ("run", "--rm", "--network", "none")


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A directory of the host; what changes it, or tells what is in it, has got out."""
    directory = tmp_path / "canary"
    directory.mkdir()
    (directory / "alive").write_text("of the host\n")
    yield directory
    assert os.listdir(directory) == ["alive"]
    assert (directory / "alive").read_text() == "of the host\n"


def outside(path: Path) -> str:
    """A way there for whoever follows `..` out of a root."""
    return "../" * 20 + str(path).lstrip("/")


@pytest.mark.parametrize("number", [3, 7, 8, 9, 12])
def test_cve_2024_21626_working_directories(
    lamina: Lamina, tmp_path: Path, number: int
) -> None:
    place = f"/proc/self/fd/{number}"
    recipe = f"FROM busybox\nWORKDIR {place}\nRUN ls ../../..\n"
    done = lamina.run("build", project(tmp_path / "app", recipe), code=1)
    assert "ended with exit code" not in done.err
    done = lamina.run(*RUN, "-w", place, "busybox", "ls", "../../..", code=125)
    assert "working directory" in done.err
    start = ("run", "-d", "--network", "none", "--name", "long", "busybox")
    lamina.run(*start, "sleep", "1000")
    done = lamina.run("exec", "-w", place, "long", "ls", "../..", code=126)
    assert "working directory" in done.err
    lamina.run("rm", "-f", "long")


def test_cve_2019_5736_the_interpreter_as_a_command(lamina: Lamina) -> None:
    """What runs as /proc/self/exe is the container's own program, or nothing."""
    done = lamina.run(*RUN, "busybox", "readlink", "/proc/1/exe")
    assert done.out == "/bin/readlink\n"
    done = lamina.run(*RUN, "busybox", "/proc/self/exe", "-c", "1", code=None)
    assert done.code and "python" not in done.out
    lamina.run(*RUN, "busybox", "true")


@pytest.mark.parametrize("name", ["console", "ptmx", "pts"])
def test_cve_2025_52565_terminals_that_are_links(
    lamina: Lamina, tmp_path: Path, canary: Path, name: str
) -> None:
    recipe = (
        f"FROM busybox\nRUN --network=none mkdir -p /x/dev && "
        f"ln -s {outside(canary)}/alive /x/dev/{name}\n"
        "FROM busybox\nCOPY --from=0 /x/ /\n"
    )
    image = lamina.build(project(tmp_path / "app", recipe))
    done = lamina.run(*RUN, "-t", image, "sh", "-c", "tty; echo x > /dev/console")
    assert "/dev/pts/0" in done.out


def test_cve_2021_30465_and_2024_45310_mount_points_that_are_links(
    lamina: Lamina, tmp_path: Path, canary: Path
) -> None:
    """Neither is something mounted outside, nor a directory made there."""
    recipe = f"FROM busybox\nRUN --network=none ln -s {outside(canary)} /data\n"
    image = lamina.build(project(tmp_path / "app", recipe))
    (tmp_path / "given").write_text("given\n")
    lamina.run(*RUN, "-v", f"{tmp_path}/given:/data", image, "true", code=None)
    volume = f"{tmp_path}/given:/data/sub/file"
    done = lamina.run(*RUN, "-v", volume, image, "cat", "/data/sub/file")
    assert done.out == "given\n"
    lamina.run(*RUN, "--tmpfs", "/data/new/place", image, "touch", "/data/new/place/x")


@pytest.mark.parametrize("name", ["proc", "sys", "dev"])
def test_cve_2019_19921_and_2023_27561_proc_that_is_a_link(
    lamina: Lamina, tmp_path: Path, canary: Path, name: str
) -> None:
    place = tmp_path / "root"
    (place / "bin").mkdir(parents=True)
    (place / "bin/sh").write_bytes(Path(BUSYBOX).read_bytes())
    (place / "bin/sh").chmod(0o755)
    (place / name).symlink_to(outside(canary))
    with tarfile.open(tmp_path / "root.tar", "w") as tar:
        tar.add(place, ".")
    lamina.run("import", f"{tmp_path}/root.tar", "linked")
    done = lamina.run(*RUN, "linked", "/bin/sh", "-c", "exit 0", code=125)
    assert f"The image's /{name} is not a directory" in done.err


def test_cve_2019_16884_a_volume_over_proc(
    lamina: Lamina, tmp_path: Path, canary: Path
) -> None:
    recipe = 'FROM busybox\nVOLUME ["/proc", "/proc/sys"]\n'
    image = lamina.build(project(tmp_path / "app", recipe))
    done = lamina.run(
        *RUN, image, "sh", "-c", "echo 1 > /proc/sys/kernel/sysrq", code=None
    )
    assert done.code
    done = lamina.run(*RUN, "-v", f"{canary}:/proc", "busybox", "true", code=None)
    done = lamina.run(*RUN, "-v", f"{canary}:/proc/1", "busybox", "true", code=125)
    assert "inside /proc" in done.err


@pytest.mark.parametrize(
    "user", ["4294967296:4294967296", "4294967295", "-1", "0x0:-1"]
)
def test_cve_2024_40635_ids_that_wrap_around(
    lamina: Lamina, tmp_path: Path, user: str
) -> None:
    done = lamina.run(*RUN, "-u", user, "busybox", "id", code=125)
    assert "uid=0" not in done.out
    recipe = f"FROM busybox\nUSER {user}\nRUN --network=none id\n"
    done = lamina.run("build", project(tmp_path / "app", recipe), code=1)
    assert "uid=0" not in done.err


def test_cve_2022_36109_and_2022_2990_groups_are_complete(
    lamina: Lamina, tmp_path: Path
) -> None:
    """A file that is closed to a group stays closed to who gives up that group."""
    recipe = (
        "FROM busybox\nRUN --network=none echo secret > /file && "
        "chown 0:1000 /file && chmod 604 /file\n"
    )
    image = lamina.build(project(tmp_path / "app", recipe))
    for user, group in (("guest", "1000"), ("1000:1000", "1000"), ("7:5", "5")):
        words = ("grep", "Groups", "/proc/self/status")
        done = lamina.run(*RUN, "-u", user, image, *words)
        assert group in done.out.split()[1:], (user, done.out)
    done = lamina.run(*RUN, "-u", "guest", image, "cat", "/file", code=1)
    assert "secret" not in done.out


def test_cve_2022_24769_no_capability_is_inherited(lamina: Lamina) -> None:
    for flags in ((), ("-u", "1000"), ("--cap-add", "NET_ADMIN")):
        words = ("busybox", "grep", "-E", "CapInh|CapAmb", "/proc/self/status")
        done = lamina.run(*RUN, *flags, *words)
        assert {line.split()[1] for line in done.out.splitlines()} == {"0" * 16}


def test_cve_2024_1753_the_source_of_a_bind_is_a_link(
    lamina: Lamina, tmp_path: Path, canary: Path
) -> None:
    recipe = (
        "FROM busybox AS base\n"
        f"RUN --network=none ln -s / /rootdir && ln -s {outside(canary)} /far\n"
        "FROM busybox\n"
        "RUN --network=none --mount=type=bind,from=base,source=/rootdir,"
        "target=/x,rw touch /x/B\n"
        "RUN --network=none --mount=type=bind,from=base,source=/far,target=/x,rw "
        "touch /x/B\n"
    )
    lamina.run("build", project(tmp_path / "app", recipe), code=None)
    assert not os.path.exists("/B")


@pytest.mark.parametrize(
    "mount",
    [
        "type=bind,bind-propagation=shared,source=.,target=/x",
        "type=bind,from=busybox,source=/..,target=/x,rw=dev",
        "type=tmpfs,target=/x,size=1m:suid",
        "type=cache,target=/x,sharing=locked\\,dev",
    ],
)
def test_cve_2024_9407_mount_options_are_from_a_list(
    lamina: Lamina, tmp_path: Path, mount: str
) -> None:
    recipe = f"FROM busybox\nRUN --network=none --mount={mount} true\n"
    done = lamina.run("build", project(tmp_path / "app", recipe), code=1)
    assert "at app/Recipe:2" in done.err


def test_cve_2024_9675_a_cache_id_is_no_path(
    lamina: Lamina, tmp_path: Path, canary: Path
) -> None:
    recipe = (
        "FROM busybox\nRUN --network=none "
        f"--mount=type=cache,id={outside(canary)},target=/x "
        "touch /x/B && ls /x > /seen\n"
    )
    image = lamina.build(project(tmp_path / "app", recipe))
    assert lamina.run(*RUN, image, "cat", "/seen").out == "B\n"


def test_cve_2024_23651_and_2024_11218_stages_that_race(
    lamina: Lamina, tmp_path: Path, canary: Path
) -> None:
    """One stage swaps a folder of a cache for a link; others mount it meanwhile."""
    cache = "--network=none --mount=type=cache,id=shared,target=/c"
    recipe = (
        "FROM busybox AS attacker\n"
        f"RUN {cache} mkdir -p /c/d && ln -sfn {outside(canary)} /c/out;"
        " i=0; while [ $i -lt 100 ]; do mv /c/d /c/e; mv /c/out /c/d; mv /c/d /c/out;"
        " mv /c/e /c/d; i=$((i+1)); done; echo done > /one\n"
    )
    for number in range(4):
        recipe += (
            f"FROM busybox AS victim{number}\nRUN --network=none "
            "--mount=type=cache,id=shared,source=d,target=/x"
            f" touch /x/B{number}; cat /x/alive; true\n"
        )
    recipe += "FROM busybox\nCOPY --from=attacker /one /\n"
    for number in range(4):
        recipe += f"COPY --from=victim{number} /etc/motd /{number}\n"
    folder = project(tmp_path / "app", recipe)
    done = lamina.run("build", "--jobs", "4", folder, code=None)
    assert "of the host" not in done.err


def test_cve_2024_23652_a_mount_point_that_became_a_link(
    lamina: Lamina, tmp_path: Path, canary: Path
) -> None:
    """What is removed after a step is what was made for it."""
    recipe = (
        "FROM busybox\nRUN --network=none --mount=type=tmpfs,target=/a/b/c "
        f"umount /a/b/c; mv /a /z; ln -s {outside(canary)} /a; true\n"
    )
    lamina.run("build", project(tmp_path / "app", recipe), code=None)


def test_cve_2024_23650_recipes_that_are_hardly_there(
    lamina: Lamina, tmp_path: Path
) -> None:
    for number, recipe in enumerate(("", "\n", "# x\n", "ARG A\n", "RUN x\n", "\0")):
        folder = project(tmp_path / f"app{number}", recipe)
        done = lamina.run("build", folder, code=1)
        assert "lamina: " in done.err


def test_cve_2024_23653_privileges_need_a_grant(lamina: Lamina, tmp_path: Path) -> None:
    for flag in ("--security=insecure", "--network=host"):
        recipe = f"FROM busybox\nRUN {flag} true\n"
        folder = project(tmp_path / flag.strip("-"), recipe)
        assert "--allow" in lamina.run("build", folder, code=1).err


def test_cve_2021_3602_the_host_s_environment(lamina: Lamina, tmp_path: Path) -> None:
    """A step sees nothing of it, not in PID 1 either; a secret is a file, and gone."""
    recipe = (
        "FROM busybox\nRUN --network=none --mount=type=secret,id=s "
        "test -s /run/secrets/s && cat /proc/*/environ | tr '\\0' '\\n' > /seen\n"
        "RUN --network=none ! test -e /run/secrets/s && ls -A /run >> /seen; true\n"
    )
    (tmp_path / "s").write_text("hidden-word\n")
    given = ("--secret", f"id=s,src={tmp_path}/s")
    folder = project(tmp_path / "app", recipe)
    environment = {"PRIVATE_TOKEN": "hidden-token"}
    done = lamina.run("build", *given, "-t", "seen", folder, env=environment)
    text = lamina.run(*RUN, "seen", "cat", "/seen").out
    assert "PATH=" in text
    for word in ("hidden-word", "hidden-token"):
        assert word not in text + done.err + done.out
        assert word not in lamina.run("inspect", "seen").out
        assert word not in lamina.run("log").out
    found = subprocess.run(
        ("grep", "-rl", "hidden-", lamina.store), capture_output=True, check=False
    )
    assert found.stdout == b""


def test_cve_2020_15257_abstract_sockets_of_the_host(lamina: Lamina) -> None:
    name = f"lamina-escape-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen()
        done = lamina.run(*RUN, "busybox", "cat", "/proc/net/unix")
    assert name not in done.out


def test_cve_2022_0492_release_agents(lamina: Lamina) -> None:
    script = (
        "mkdir /c; mount -t cgroup -o rdma none /c || mount -t cgroup2 none /c;"
        " find / -xdev -name release_agent; find /sys/fs/cgroup -name release_agent"
    )
    done = lamina.run(*RUN, "busybox", "sh", "-c", script, code=None)
    assert done.out == ""
    assert done.err.count("mount: ") >= 2


def test_cve_2024_9676_user_files_without_end(
    lamina: Lamina, tmp_path: Path, canary: Path
) -> None:
    for number, how in enumerate(
        ("ln -s /dev/zero", "mkfifo", f"ln -s {outside(canary)}/alive")
    ):
        recipe = (
            f"FROM busybox\nRUN --network=none rm /etc/passwd && {how} /etc/passwd\n"
            "USER victim\nRUN --network=none true\n"
        )
        folder = project(tmp_path / f"app{number}", recipe)
        done = lamina.run("build", folder, code=1)
        assert "of the host" not in done.err


def test_ghsa_6fw5_f8r9_fgfm_what_is_masked(lamina: Lamina) -> None:
    script = (
        "for f in /proc/interrupts /proc/kcore /proc/keys /proc/sched_debug"
        " /proc/timer_list; do [ ! -s $f ] || head -c 1 $f | wc -c | grep -v 0; done;"
        " ls -A /sys/devices/virtual/powercap /sys/firmware /proc/acpi /proc/scsi"
    )
    done = lamina.run(*RUN, "busybox", "sh", "-c", script, code=None)
    assert [line for line in done.out.split() if not line.endswith(":")] == []


def test_a_build_that_is_killed_takes_its_daemons_along(
    lamina: Lamina, tmp_path: Path
) -> None:
    recipe = (
        'FROM busybox\nRUN --network=none (setsid sh -c \'trap "" TERM HUP INT;'
        " echo up; sleep 1000' &) ; sleep 1000\n"
    )
    process = lamina.start("build", project(tmp_path / "app", recipe))
    assert process.stderr is not None
    for line in process.stderr:
        if line.rstrip().endswith(b"up"):
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    end = time.monotonic() + PATIENCE
    while processes_of(str(lamina.store)):
        assert time.monotonic() < end, processes_of(str(lamina.store))
        time.sleep(0.05)
    # What it was at is removed by who comes next.
    lamina.build(project(tmp_path / "next", "FROM busybox\n"))
