"""The calls that Python lacks: what comes back, and what errors say."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lamina.runtime import syscalls


def test_errors_say_what_they_mean() -> None:
    with pytest.raises(OSError, match="the kernel does not know this file system"):
        syscalls.fsopen("no-such-file-system")
    with pytest.raises(OSError, match="openat2: the path leaves its root"):
        syscalls.openat2("..", os.O_PATH, syscalls.RESOLVE_BENEATH)


@pytest.mark.root
def test_a_file_systems_own_words_are_in_the_error() -> None:
    fd = syscalls.fsopen("overlay")
    try:
        with pytest.raises(OSError, match=r"(?i)unknown parameter"):
            syscalls.fsconfig_string(fd, "bogus", "1")
    finally:
        os.close(fd)


@pytest.mark.root
def test_a_detached_mount_is_only_in_its_descriptor(tmp_path: Path) -> None:
    context = syscalls.fsopen("tmpfs")
    syscalls.fsconfig_string(context, "size", "1m")
    fd = syscalls.fsmount(context, syscalls.MOUNT_ATTR_NOEXEC)
    os.close(context)
    os.mkdir("inside", dir_fd=fd)
    assert os.stat("inside", dir_fd=fd).st_dev != tmp_path.stat().st_dev
    syscalls.mount_setattr(fd, syscalls.MOUNT_ATTR_RDONLY)
    with pytest.raises(OSError, match="Read-only"):
        os.mkdir("more", dir_fd=fd)
    os.close(fd)


def test_openat2_stays_in_its_root(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "link").symlink_to("/etc")
    root = os.open(tmp_path, os.O_PATH)
    fd = syscalls.openat2("/link", os.O_PATH, syscalls.RESOLVE_IN_ROOT, root)
    assert os.readlink(f"/proc/self/fd/{fd}") == str(tmp_path / "etc")
    os.close(fd)
    os.close(root)


def test_openat2_is_sure_even_while_others_rename(tmp_path: Path) -> None:
    (tmp_path / "a/b/c").mkdir(parents=True)
    root = os.open(tmp_path, os.O_PATH)
    program = "import os, sys\nwhile True: os.rename('x', 'y'); os.rename('y', 'x')\n"
    (tmp_path / "x").mkdir()
    busy = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path)
    try:
        for _ in range(2000):
            flags = syscalls.RESOLVE_IN_ROOT
            os.close(syscalls.openat2("a/b/../b/../b/c", os.O_PATH, flags, root))
    finally:
        busy.kill()
        busy.wait()
        os.close(root)


def test_pidfds_signal_one_process() -> None:
    child = subprocess.Popen(["sleep", "1000"])
    fd = syscalls.pidfd_open(child.pid)
    syscalls.pidfd_send_signal(fd, 15)
    assert child.wait() == -15
    with pytest.raises(ProcessLookupError):
        syscalls.pidfd_send_signal(fd, 15)
    os.close(fd)


def test_close_range_marks_or_closes() -> None:
    first, second = os.dup(0), os.dup(0)
    os.set_inheritable(first, True)
    syscalls.close_range(first, first, cloexec=True)
    assert not os.get_inheritable(first)
    syscalls.close_range(first, second)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(first)


def printed(program: str) -> str:
    """What a Python program prints, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_capabilities_read_and_write() -> None:
    program = (
        "from lamina.runtime import syscalls\n"
        "effective, permitted, inheritable = syscalls.capget()\n"
        "syscalls.capset(effective & 1, permitted & 3, 0)\n"
        "print(*syscalls.capget(), effective & 1, permitted & 3)\n"
        "try: syscalls.capset(0, 1 << 39 | 3, 0)\n"
        "except OSError as error: print(error.strerror)\n"
    )
    numbers, error = printed(program).splitlines()
    effective, permitted, inheritable, *expected = numbers.split()
    assert [effective, permitted, inheritable] == [*expected, "0"]
    assert error == "capset: capabilities that this process does not have"


@pytest.mark.root
def test_clone3_gives_a_child_and_its_descriptor() -> None:
    # In a process of one thread: that is the call's condition.
    program = (
        "import os\n"
        "from lamina.runtime import syscalls\n"
        "pid, pidfd = syscalls.clone3(syscalls.CLONE_NEWUTS, 17)\n"
        "if pid == 0:\n"
        "    syscalls.sethostname(b'changed')\n"
        "    os._exit(7 if os.uname().nodename == 'changed' else 1)\n"
        "code = os.waitpid(pid, 0)[1] >> 8\n"
        "print(code, os.uname().nodename != 'changed', pidfd > 2)\n"
    )
    assert printed(program).split() == ["7", "True", "True"]


def test_limits(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="setrlimit") as raised:
        syscalls.setrlimit(999, 0, 0)
    assert raised.value.errno == errno.EINVAL
