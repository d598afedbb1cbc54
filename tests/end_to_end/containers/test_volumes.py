"""`lamina volume`, and containers that have volumes."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.containers.machine import Machine

KEEP = ("-d", "--network", "none")


def test_made_listed_shown_and_removed(lamina: Machine) -> None:
    made = lamina.out(
        "volume", "create", "--label", "of=test", "--label", "bare", "data"
    )
    assert made == "data"
    # A script's empty variable is no driver.
    nameless = lamina.out("volume", "create", "-d", "")
    assert len(nameless) == 64
    assert lamina.out("volume", "ls", "-q", "--format", "{{.Driver}}") == "local\nlocal"
    assert lamina.out("volume", "ls", "-q").split() == sorted(["data", nameless])
    assert lamina.out(
        "volume", "ls", "-f", "label=of=test", "--format", "{{.Name}}"
    ) == ("data")
    assert lamina.out("volume", "ls", "--filter", "name=dat").splitlines() == [
        "DRIVER    VOLUME NAME",
        "local     data",
    ]
    (shown,) = json.loads(lamina.out("volume", "inspect", "data"))
    assert shown["Labels"] == {"of": "test", "bare": ""}
    assert shown["Mountpoint"] == f"{lamina.store}/volumes/data/_data"
    done = lamina("volume", "rm", "data", "nope", code=1)
    assert done.stdout == b"data\n" and b"No such volume: nope" in done.stderr
    assert lamina.out("volume", "rm", "-f", "nope") == "nope"


def test_who_has_a_volume_keeps_it(lamina: Machine) -> None:
    lamina("create", "-v", "kept:/data", "--name", "c1", "busybox", "true")
    assert lamina.out("volume", "ls", "-q") == "kept"
    assert lamina.out("volume", "ls", "-q", "-f", "dangling=true") == ""
    done = lamina("volume", "rm", "kept", code=1)
    assert b"is in use by" in done.stderr
    assert lamina.out("volume", "prune", "-af") == "Total reclaimed space: 0B"
    lamina("rm", "c1")
    assert lamina.out("volume", "prune", "-f") == "Total reclaimed space: 0B"
    assert "kept\n" in lamina.out("volume", "prune", "-af")


def test_prune_asks_and_takes_the_nameless(lamina: Machine) -> None:
    lamina("volume", "create", "named")
    nameless = lamina.out("volume", "create")
    lamina("volume", "prune", stdin=b"n\n", code=1)
    assert len(lamina.out("volume", "ls", "-q").split()) == 2
    done = lamina("volume", "prune", stdin=b"y\n")
    assert nameless.encode() in done.stdout
    assert b"anonymous local volumes" in done.stdout
    assert lamina.out("volume", "ls", "-q") == "named"


def test_a_prune_of_the_system_takes_the_nameless_if_asked(lamina: Machine) -> None:
    lamina("volume", "create", "named")
    nameless = lamina.out("volume", "create")
    lamina("system", "prune", "-f")
    assert len(lamina.out("volume", "ls", "-q").split()) == 2
    said = lamina.out("system", "prune", "-f", "--volumes")
    assert said.startswith(f"Deleted Volumes:\n{nameless}\n")
    assert lamina.out("volume", "ls", "-q") == "named"


def test_memory_is_shared_by_those_that_have_it(lamina: Machine) -> None:
    options = ("-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m")
    lamina("volume", "create", *options, "mem")
    both = ("-v", "mem:/m", "busybox")
    lamina(
        "run", *KEEP, "--name", "first", *both, "sh", "-c", "echo hi > /m/x; sleep 99"
    )
    script = "until [ -s /m/x ]; do sleep 0.1; done; cat /m/x; df -k /m"
    said = lamina.quiet(*both, "sh", "-c", script)
    assert said.startswith("hi") and " 1024 " in said
    lamina("rm", "-f", "first")
    assert lamina.quiet(*both, "ls", "/m") == ""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[str]:
    """A block device with an empty ext4 on it."""
    image = tmp_path / "disk"
    image.write_bytes(b"")
    os.truncate(image, 8 << 20)
    subprocess.run(("/usr/sbin/mkfs.ext4", "-q", image), check=True)
    attach = ("/usr/sbin/losetup", "--find", "--show", image)
    device = subprocess.run(attach, check=True, capture_output=True, text=True).stdout
    yield device.strip()
    subprocess.run(("/usr/sbin/losetup", "--detach", device.strip()), check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs the super-user: a block device")
def test_a_disk_is_mounted_while_containers_have_it(lamina: Machine, disk: str) -> None:
    options = ("-o", "type=ext4", "-o", f"device={disk}", "-o", "o=noexec")
    lamina("volume", "create", *options, "disk")
    lamina.quiet("-v", "disk:/data", "busybox", "sh", "-c", "echo kept > /data/a")
    script = "cat /data/a; stat -f -c %T /data; ls -d /data/lost+found"
    said = lamina.quiet("-v", "disk:/data:ro", "busybox", "sh", "-c", script)
    assert said.split() == ["kept", "ext2/ext3", "/data/lost+found"]
    assert disk not in Path("/proc/mounts").read_text()


def test_what_cannot_be_mounted_says_why_and_no_password(lamina: Machine) -> None:
    secret = ("-o", "o=username=me,password=hunter2,vers=3.0")
    where = ("-o", "type=ext4", "-o", "device=/dev/null")
    lamina("volume", "create", *where, *secret, "share")
    done = lamina("run", "--rm", "-v", "share:/x", "busybox", "true", code=125)
    said = done.stderr.decode()
    assert "The volume share cannot be mounted: " in said
    assert "type=ext4 device=/dev/null o=username=me,password=***,vers=3.0" in said
    assert "hunter2" not in said


def test_a_volume_that_is_a_directory_of_the_host(
    lamina: Machine, tmp_path: Path
) -> None:
    there = ("-o", "type=none", "-o", "o=bind", "-o", f"device={tmp_path}/d")
    lamina("volume", "create", *there, "bound")
    done = lamina("run", "--rm", "-v", "bound:/data", "busybox", "true", code=125)
    assert b"No such file or directory" in done.stderr
    (tmp_path / "d").mkdir()
    # What the image has there goes in, as with docker.
    assert lamina.quiet("-v", "bound:/data", "busybox", "ls", "/data") == "inner"
    assert (tmp_path / "d/inner/file").exists()
    lamina("volume", "rm", "bound")
    assert (tmp_path / "d/inner/file").exists()


def test_copied_up_once_and_not_again(lamina: Machine) -> None:
    with_it = ("-v", "once:/data", "busybox")
    lamina(
        "run", "--network", "none", "--name", "c1", *with_it, "rm", "-r", "/data/inner"
    )
    lamina("start", "-a", "c1", code=1)  # there is nothing to remove any more
    assert lamina.quiet("-v", "once:/data:nocopy", "busybox", "ls", "/data") == ""
    assert lamina.quiet(*with_it, "ls", "/data") == "inner"


def test_fields_of_a_mount(lamina: Machine) -> None:
    mount = "type=volume,source=sub,destination=/data,volume-label=of=mount"
    lamina.quiet("--mount", mount, "busybox", "true")
    assert lamina.out("volume", "ls", "-q", "-f", "label=of=mount") == "sub"
    below = "type=volume,source=sub,destination=/mnt,volume-subpath=inner"
    assert lamina.quiet("--mount", below, "busybox", "ls", "/mnt") == "file"
    make_link = ("ln", "-s", "/etc", "/data/out")
    lamina.quiet("-v", "sub:/data", "busybox", *make_link)
    for wrong in (
        "volume-subpath=out",
        "volume-subpath=../x",
        "volume-subpath=nope",
        "tmpfs-size=1m",
    ):
        mount = f"type=volume,source=sub,destination=/mnt,{wrong}"
        lamina.quiet("--mount", mount, "busybox", "true", code=125)


def test_a_folder_that_is_made_for_a_bind_is_readable(
    lamina: Machine, tmp_path: Path
) -> None:
    before = os.umask(0o077)
    try:
        lamina.quiet("-v", f"{tmp_path}/new/inner:/x", "busybox", "true")
    finally:
        os.umask(before)
    for name in ("new", "new/inner"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o755


def test_volumes_of_another_container(lamina: Machine) -> None:
    lamina("run", *KEEP, "--name", "one", "guest", "sleep", "99")
    other = ("run", *KEEP, "--volumes-from", "one")
    lamina(*other, "--name", "two", "busybox", "sleep", "99")
    assert lamina.out("exec", "two", "ls", "/data") == "inner"
    lamina.quiet("--volumes-from", "one:ro", "busybox", "touch", "/data/x", code=1)
    # It stays as long as one of them does.
    lamina("rm", "-f", "-v", "one")
    assert lamina.out("exec", "two", "ls", "/data") == "inner"
    lamina("rm", "-f", "-v", "two")
    assert len(lamina.out("volume", "prune", "-f").splitlines()) == 4
    assert lamina.left() == []


def test_hundreds_of_them(lamina: Machine, tmp_path: Path) -> None:
    """More than one message has room for (SCM_MAX_FD), also at its next start."""
    flags: list[str] = []
    for number in range(300):
        folder = tmp_path / f"of{number}"
        folder.mkdir()
        flags += ("-v", f"{folder}:/v/{number}")
    script = "grep -c ' /v/' /proc/mounts; echo x >> /v/299/seen"
    lamina("run", "--name", "many", *flags, "busybox", "sh", "-c", script)
    lamina("start", "-a", "many")
    assert lamina.out("logs", "many") == "300\n300"
    assert (tmp_path / "of299/seen").read_text() == "x\nx\n"
    lamina("rm", "many")
