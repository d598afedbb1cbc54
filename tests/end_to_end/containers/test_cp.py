"""`cp`: both ways, running and not, as a tar, and never out of the container."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.end_to_end.containers.machine import (
    PATIENCE,
    Machine,
    Terminal,
    run_by_user,
    until,
)

_QUIET = ("--network", "none")
_SLEEP = ("sleep", "1000")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory with a file, a directory, and links to both."""
    place = tmp_path / "src"
    (place / "sub").mkdir(parents=True)
    (place / "f").write_text("hi\n")
    (place / "sub" / "g").write_text("s\n")
    (place / "l").symlink_to("f")
    (place / "ld").symlink_to("sub")
    os.link(place / "f", place / "twin")
    if os.geteuid() == 0:
        os.chown(place / "f", 1000, 1001)
    os.chmod(place / "f", 0o640)
    os.utime(place / "f", (1577923200, 1577923200))
    return place


@pytest.fixture(params=["running", "created", "exited"])
def box(request: pytest.FixtureRequest, lamina: Machine) -> str:
    """A container, in each of the states that it can be copied to and from."""
    if request.param == "running":
        lamina("run", "-d", *_QUIET, "--name", "box", "busybox", *_SLEEP)
    else:
        lamina("create", *_QUIET, "--name", "box", "busybox", "true")
    if request.param == "exited":
        lamina("start", "box")
        lamina("wait", "box")
    return "box"


def listed(lamina: Machine, path: str) -> dict[str, tarfile.TarInfo]:
    """What `cp` gives of a path in the box, by name."""
    data = lamina("cp", f"box:{path}", "-").stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name: member for member in tar}


def content(lamina: Machine, path: str) -> bytes:
    data = lamina("cp", "-L", f"box:{path}", "-").stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        member = tar.next()
        assert member is not None
        file = tar.extractfile(member)
        assert file is not None
        return file.read()


def test_who_watches_is_told_what_was_copied(lamina: Machine, source: Path) -> None:
    lamina("create", *_QUIET, "--name", "box", "busybox")
    terminal = Terminal(lamina, "cp", f"{source}/sub", "box:/new")
    terminal.wait_for(b"Successfully copied ")
    assert terminal.exit_code() == 0


def test_a_directory_goes_in_and_comes_back(
    lamina: Machine, box: str, source: Path, tmp_path: Path
) -> None:
    assert lamina("cp", str(source), f"{box}:/new").stderr == b""
    found = listed(lamina, "/new")
    file = found["new/f"]
    # An ordinary user's own files are root's inside.
    owner = (1000, 1001) if os.geteuid() == 0 else (0, 0)
    assert (file.uid, file.gid) == owner
    assert (file.mode, file.mtime) == (0o640, 1577923200)
    assert found["new/l"].linkname == "f" and found["new/ld"].linkname == "sub"
    assert found["new/twin"].islnk()
    assert lamina("cp", "-q", f"{box}:/new/.", str(tmp_path / "back")).stderr == b""
    back = tmp_path / "back"
    assert sorted(os.listdir(back)) == ["f", "l", "ld", "sub", "twin"]
    assert (back / "sub" / "g").read_text() == "s\n"
    status = (back / "f").stat()
    # The owner is who copies, unless `-a` keeps it.
    me = os.geteuid()
    assert (status.st_uid, status.st_nlink, status.st_mtime) == (me, 2, 1577923200)
    lamina("cp", "-a", f"{box}:/new/f", str(tmp_path / "kept"))
    assert (tmp_path / "kept").stat().st_uid == (1000 if me == 0 else me)


def test_what_a_copy_is_called(
    lamina: Machine, box: str, source: Path, tmp_path: Path
) -> None:
    lamina("cp", str(source), f"{box}:/d")
    lamina("cp", str(source), f"{box}:/d")
    assert "d/src/f" in listed(lamina, "/d")
    lamina("cp", f"{source}/.", f"{box}:/d/sub")
    assert "sub/f" in listed(lamina, "/d/sub")
    lamina("cp", str(source / "f"), f"{box}:relative")
    assert content(lamina, "/relative") == b"hi\n"
    lamina("cp", str(source / "l"), f"{box}:/link")
    assert listed(lamina, "/link")["link"].issym()
    lamina("cp", "-L", str(source / "l"), f"{box}:/file")
    assert listed(lamina, "/file")["file"].isreg()
    lamina("cp", f"{box}:/d/l", str(tmp_path / "l"))
    assert os.readlink(tmp_path / "l") == "f"
    lamina("cp", "-L", f"{box}:/d/l", str(tmp_path / "l2"))
    assert (tmp_path / "l2").read_text() == "hi\n"
    # Through a link in the container, to where it leads there.
    lamina(
        "cp", "-", f"{box}:/", stdin=tar_of(symlink("to", "/d"), symlink("no", "/n"))
    )
    lamina("cp", str(source / "sub" / "g"), f"{box}:/to")
    assert content(lamina, "/d/g") == b"s\n"
    lamina("cp", str(source / "f"), f"{box}:/no")
    assert content(lamina, "/n") == b"hi\n"


@pytest.mark.parametrize(
    ("from_", "to", "said"),
    [
        ("box:/nowhere", "{}", "No such container:path: box:/nowhere"),
        ("{}/nowhere", "box:/", "no such file or directory"),
        ("{}/f", "box:/new/", "no such directory: box:/new/"),
        ("{}/f", "box:/new/x", "No such container:path: box:/new"),
        ("{}", "box:/bin/busybox", "cannot copy directory"),
        ("{}/f", "box:/bin/busybox/", "no such directory"),
        ("box:/bin", "{}/f", "cannot copy directory"),
        ("box:/bin/busybox", "{}/no/x", "no such file or directory"),
        ("box:/bin/busybox/", "{}", "is not a directory"),
        ("{}/f", "box:", "path in the container is missing"),
        ("box:/a", "box:/b", "between containers is not supported"),
        ("{}", "{}", "at least one container"),
        ("nobody:/a", "{}", "No such container: nobody"),
        ("-", "box:/bin/busybox", "must be a directory"),
    ],
)
def test_what_cannot_be_copied(
    lamina: Machine, source: Path, from_: str, to: str, said: str
) -> None:
    lamina("create", *_QUIET, "--name", "box", "busybox", "true")
    done = lamina("cp", from_.format(source), to.format(source), code=1)
    assert said in done.stderr.decode()
    assert done.stdout == b""


def test_no_device_of_the_host_is_replaced(lamina: Machine, tmp_path: Path) -> None:
    """/dev/null is no file either; as docker says it."""
    lamina("create", *_QUIET, "--name", "box", "busybox", "true")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to("pipe")
    for path in (pipe, tmp_path / "link"):
        done = lamina("cp", "box:/etc/passwd", str(path), code=1)
        assert b"must be a directory or a regular file" in done.stderr
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def symlink(name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


def tar_of(*members: tarfile.TarInfo) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    return made.getvalue()


def test_a_tar_goes_in_compressed_or_not_and_is_refused_when_it_is_none(
    lamina: Machine, box: str, source: Path
) -> None:
    for flags, folder in (("-c", "plain"), ("-cz", "packed")):
        words = ("tar", flags, "-C", str(source.parent), f"--transform=s,src,{folder},")
        packed = subprocess.run((*words, "src"), capture_output=True, check=True).stdout
        lamina("cp", "-", f"{box}:/", stdin=packed)
        assert content(lamina, f"/{folder}/f") == b"hi\n"
    assert b"lamina:" in lamina("cp", "-", f"{box}:/", stdin=b"junk", code=1).stderr
    done = lamina("cp", "-", f"{box}:/", stdin=tar_of(tarfile.TarInfo("../x")), code=1)
    assert b"`..`" in done.stderr


def test_a_file_takes_no_directory_s_place(
    lamina: Machine, box: str, source: Path, tmp_path: Path
) -> None:
    lamina("cp", str(source), f"{box}:/d")
    (tmp_path / "sub").write_text("a file")
    done = lamina("cp", str(tmp_path / "sub"), f"{box}:/d", code=1)
    assert b"Cannot overwrite the directory" in done.stderr
    assert "d/sub/g" in listed(lamina, "/d")
    (tmp_path / "f").mkdir()
    done = lamina("cp", str(tmp_path / "f"), f"{box}:/d", code=1)
    assert b"Cannot overwrite the non-directory" in done.stderr


# Mounts


def test_volumes_are_seen_running_and_not(
    lamina: Machine, source: Path, tmp_path: Path
) -> None:
    host = tmp_path / "host"
    host.mkdir()
    mounts = ("-v", "data:/vol", "-v", f"{host}:/host", "-v", f"{source}:/ro:ro")
    lamina("create", *_QUIET, *mounts, "--name", "box", "busybox", *_SLEEP)
    for name in ("before", "after"):
        lamina("cp", str(source / "f"), f"box:/vol/{name}")
        lamina("cp", str(source / "f"), f"box:/host/{name}")
        assert (host / name).read_text() == "hi\n"
        assert content(lamina, f"/vol/{name}") == b"hi\n"
        assert content(lamina, "/ro/sub/g") == b"s\n"
        done = lamina("cp", str(source / "f"), "box:/ro/x", code=1)
        assert b"read-only" in done.stderr
        lamina("start", "box")
    # Mount points that were made for the copy are no change of the container's.
    assert lamina.out("diff", "box") == ""
    for place in ("/vol", "/host"):
        shown = lamina.out("exec", "box", "ls", place)
        assert shown.split() == ["after", "before"]


def test_what_is_mounted_stays_mounted(lamina: Machine, source: Path) -> None:
    lamina("run", "-d", *_QUIET, "--name", "box", "busybox", *_SLEEP)
    done = lamina("cp", str(source / "f"), "box:/etc/hosts", code=1)
    assert b"is mounted there" in done.stderr
    assert "localhost" in lamina.out("exec", "box", "cat", "/etc/hosts")
    lamina("cp", str(source / "f"), "box:/dev/shm/f")
    assert lamina.out("exec", "box", "cat", "/dev/shm/f") == "hi"


def test_a_read_only_root_takes_nothing(lamina: Machine, source: Path) -> None:
    for number, words in enumerate((("create",), ("run", "-d"))):
        flags = (*_QUIET, "--read-only", "--name", f"box{number}")
        lamina(*words, *flags, "busybox", *_SLEEP)
        done = lamina("cp", str(source / "f"), f"box{number}:/f", code=1)
        assert b"read-only" in done.stderr


# What a container could do to the host


@pytest.mark.root("it makes device nodes")
def test_the_kernel_s_files_and_devices_stay_inside(
    lamina: Machine, tmp_path: Path
) -> None:
    lamina("run", "-d", *_QUIET, "--name", "box", "busybox", *_SLEEP)
    for path in ("/proc/sys/kernel/core_pattern", "/sys/kernel/uevent_seqnum"):
        assert b"the kernel says" in lamina("cp", f"box:{path}", ".", code=1).stderr
    assert b"is a device" in lamina("cp", "box:/dev/null", ".", code=1).stderr
    lamina("exec", "box", "sh", "-c", "mkdir /d; mknod /d/n c 1 3; echo s > /d/s")
    lamina("exec", "box", "sh", "-c", "chmod 6755 /d/s; ln -s /proc/sys /d/k")
    done = lamina("cp", "box:/d", str(tmp_path / "d"))
    assert b"devices left out: 1" in done.stderr
    # Nobody gets root's rights by what a container made.
    assert stat.S_IMODE((tmp_path / "d" / "s").stat().st_mode) == 0o755
    assert sorted(os.listdir(tmp_path / "d")) == ["k", "s"]
    # A directory that leads there takes nothing, nor does a whole root bring it along.
    done = lamina("cp", str(tmp_path / "d" / "s"), "box:/d/k/", code=1)
    assert b"kernel's" in done.stderr
    lamina("cp", "-q", "box:/", str(tmp_path / "root"))
    assert os.listdir(tmp_path / "root" / "proc") == []
    assert (tmp_path / "root" / "d" / "s").exists()


@pytest.mark.slow
def test_cve_2018_15664_links_that_change_lead_nowhere(
    lamina: Machine, tmp_path: Path
) -> None:
    """A container swaps a directory for a link to /, again and again, meanwhile."""
    canary = Path(f"/canary-{os.getpid()}")
    secret = tmp_path / "secret"
    secret.write_text("the host's")
    script = (
        f"mkdir -p /a{tmp_path} /b; echo inside > /a{secret}; "
        "ln -s / /link; while :; do mv -T /a /c; mv -T /link /a; "
        "mv -T /a /link; mv -T /c /a; echo; done"
    )
    swap = ("sh", "-c", script)
    lamina(
        "run", "-d", *_QUIET, "--log-driver", "none", "--name", "box", "busybox", *swap
    )
    until(lambda: lamina("cp", "box:/link", "-", code=None).returncode == 0)
    new = tmp_path / "new"
    new.write_text("new")
    copied = False
    out = tmp_path / "out"
    # How often it is the directory that is met is the scheduler's to say.
    for times in range(1000):
        if copied and times >= 30:
            break
        done = lamina("cp", f"box:/a{secret}", str(out), code=None)
        if done.returncode == 0:
            copied = True
            assert out.read_text() == "inside\n"
            out.unlink()
        lamina("cp", str(new), f"box:/a{canary}", code=None)
        assert not canary.exists()
    assert copied and secret.read_text() == "the host's"
    lamina("kill", "box")


def test_directories_nested_without_end_are_no_traceback(
    lamina: Machine, tmp_path: Path
) -> None:
    script = "i=0; while [ $i -lt 1200 ]; do mkdir d && cd -P d; i=$((i+1)); done"
    lamina("run", *_QUIET, "--name", "box", "busybox", "sh", "-c", script)
    for words in (
        *(("cp", "box:/d", "-"), ("cp", "box:/d", str(tmp_path / "d"))),
        ("commit", "box"),
    ):
        done = lamina(*words, code=1)
        assert b"nested more than" in done.stderr and b"Trace" not in done.stderr
    assert lamina.out("ps", "-a", "--format", "{{.Size}}").startswith("0B ")
    assert "d/d/d/" in lamina.out("diff", "box")


def test_nobody_starts_what_is_being_written_to(lamina: Machine) -> None:
    lamina("create", *_QUIET, "--name", "box", "busybox", "cat", "/whole")
    info = tarfile.TarInfo("whole")
    info.size = 3 << 20
    data = tar_of(info)
    copy = lamina.begin("cp", "-", "box:/")
    assert copy.stdin is not None
    copy.stdin.write(data[: 2 << 20])
    copy.stdin.flush()
    # It holds the lock once it has begun to unpack.
    identity = lamina.out("inspect", "-f", "{{.Id}}", "box")
    upper = lamina.store / "containers" / identity / "upper"
    until((upper / "whole").exists)
    start = lamina.begin("start", "-a", "box")
    copy.stdin.write(data[2 << 20 :])
    _, errors = copy.communicate(timeout=PATIENCE)
    assert (copy.returncode, errors) == (0, b"")
    shown, _ = start.communicate(timeout=PATIENCE)
    assert len(shown) == 3 << 20


_AS_USER = """
import contextlib, os, sys
from pathlib import Path
from lamina.cli.main import main
from tests.busybox import make_image, open_store
place = Path(sys.argv[1])
os.environ["LAMINA_ROOT"] = str(place / "store")
os.chdir(place)
def lamina(*words):
    child = os.fork()
    if child == 0:
        os.dup2(2, 1)
        os._exit(main(words))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, words
store = open_store(place)
make_image(store)
store.close()
(place / "f").write_text("hi")
quiet = ("--network", "none", "--name", "box", "busybox", "sleep", "1000")
lamina("run", "-d", *quiet)
for number in range(2):
    lamina("cp", "f", f"box:/f{number}")
    lamina("cp", f"box:/f{number}", f"g{number}")
    copy = place / f"g{number}"
    assert (copy.read_text(), copy.stat().st_uid) == ("hi", os.getuid())
    if not number:
        lamina("stop", "-t", "0", "box")
lamina("rm", "box")
"""


@pytest.mark.root("it becomes a user")
def test_an_ordinary_user_copies_too() -> None:
    done = run_by_user(61_235, _AS_USER)
    assert done.returncode == 0, done.stderr
