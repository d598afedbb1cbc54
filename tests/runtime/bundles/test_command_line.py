"""`lamina-runtime` as its callers use it: terminals, descriptors, features, spec."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
from pathlib import Path

import pytest

from tests.runtime.oci import Failed, Runtime, base_config

pytestmark = pytest.mark.root


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
