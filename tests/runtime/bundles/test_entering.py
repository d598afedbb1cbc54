"""`exec`: one more process in a container that runs."""

from __future__ import annotations

import json
import os
import socket
import struct
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.bundles.running import started, until
from tests.runtime.oci import PATH, Failed, Runtime

pytestmark = pytest.mark.root


def process(runtime: Runtime, *args: str, **changes: Any) -> str:
    """The path of a process.json."""
    path = runtime.place / f"process-{len(list(runtime.place.glob('process-*')))}"
    given = {"args": list(args), "cwd": "/", "env": [PATH], **changes}
    path.write_text(json.dumps(given))
    return str(path)


def test_a_process_from_a_file(runtime: Runtime, busybox_root: Path) -> None:
    identity = started(runtime, busybox_root)
    user = {"uid": 1000, "gid": 1001, "additionalGids": [7]}
    path = process(
        runtime, "sh", "-c", "id -u; id -G; pwd; echo $A", user=user, cwd="/etc"
    )
    given = json.loads(Path(path).read_text())
    given["env"].append("A=b")
    Path(path).write_text(json.dumps(given))
    text = runtime("exec", "--process", path, identity)
    assert text.split() == ["1000", "1001", "7", "/etc", "b"]


def test_it_is_in_all_namespaces_and_cgroups(
    runtime: Runtime, busybox_root: Path
) -> None:
    identity = started(runtime, busybox_root)
    pid = runtime.state(identity)["pid"]
    kinds = ("pid", "ipc", "uts", "net", "mnt", "cgroup")
    script = "for n in pid ipc uts net mnt cgroup; do readlink /proc/self/ns/$n; done"
    text = runtime("exec", identity, "sh", "-c", script)
    assert text.split() == [os.readlink(f"/proc/{pid}/ns/{kind}") for kind in kinds]
    paths = runtime("exec", identity, "cut", "-d:", "-f3", "/proc/self/cgroup").split()
    assert set(paths) == {"/"}


def test_flags_of_the_command_line(runtime: Runtime, busybox_root: Path) -> None:
    identity = started(runtime, busybox_root)
    script = "id -u; id -g; id -G; pwd; echo $A; grep NoNew /proc/self/status"
    text = runtime(
        *("exec", "--user", "12:13", "--additional-gids", "14,15", "--cwd", "/tmp"),
        *("--env", "A=b", "--no-new-privs", identity, "sh", "-c", script),
    )
    assert text.split()[:8] == [
        "12",
        "13",
        "13",
        "14",
        "15",
        "/tmp",
        "b",
        "NoNewPrivs:",
    ]
    assert text.split()[8] == "1"


def test_its_exit_code(runtime: Runtime, busybox_root: Path) -> None:
    identity = started(runtime, busybox_root)
    for script, code in (("exit 9", 9), ("kill -9 $$", 137)):
        with pytest.raises(Failed) as failed:
            runtime("exec", identity, "sh", "-c", script)
        assert failed.value.code == code
    with pytest.raises(Failed) as failed:
        runtime("exec", identity, "nothere")
    assert failed.value.code == 255
    assert "executable file not found in $PATH" in runtime.last_log()["msg"]


def test_detached_with_a_pid_file(runtime: Runtime, busybox_root: Path) -> None:
    identity = started(runtime, busybox_root)
    pid_file = runtime.place / "pid"
    path = process(runtime, "sleep", "1000")
    words = ("--process", path, "--detach", "--pid-file", str(pid_file), identity)
    runtime("exec", *words)
    pid = int(pid_file.read_text())
    assert pid in json.loads(runtime("ps", "--format", "json", identity))
    # It ends with the container.
    runtime("delete", "--force", identity)
    until(lambda: not os.path.exists(f"/proc/{pid}/ns/pid") or zombie(pid))


def zombie(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


def test_a_terminal_of_its_own(runtime: Runtime, busybox_root: Path) -> None:
    identity = started(runtime, busybox_root)
    path = str(runtime.place / "console")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        size = {"height": 12, "width": 34}
        given = process(
            runtime, "sh", "-c", "tty; stty size", terminal=True, consoleSize=size
        )
        words = ("--process", given, "--detach", "--console-socket", path, identity)
        runtime("exec", *words)
        connection, _ = listener.accept()
        with connection:
            _, rights, _, _ = connection.recvmsg(100, socket.CMSG_SPACE(4))
    master = struct.unpack("i", rights[0][2])[0]
    until(lambda: select_ready(master))
    data = b""
    try:
        while b"12 34" not in data:
            data += os.read(master, 4096)
    finally:
        os.close(master)
    assert data.startswith(b"/dev/pts/0")


def select_ready(fd: int) -> bool:
    import select

    return bool(select.select([fd], [], [], 0)[0])


def test_capabilities_of_the_process_bound_it(
    runtime: Runtime, busybox_root: Path
) -> None:
    identity = started(runtime, busybox_root)
    sets = {n: ["CAP_CHOWN"] for n in ("bounding", "effective", "permitted")}
    path = process(runtime, "cat", "/proc/self/status", capabilities=sets)
    text = runtime("exec", "--process", path, identity)
    rows = dict(line.split(":\t") for line in text.splitlines() if ":\t" in line)
    for name in ("CapBnd", "CapEff", "CapPrm"):
        assert int(rows[name], 16) == 1
    assert int(rows["CapInh"], 16) == int(rows["CapAmb"], 16) == 0


def test_the_filter_of_the_container_holds_for_it(
    runtime: Runtime, busybox_root: Path
) -> None:
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}

    def change(config: dict[str, Any]) -> None:
        config["linux"]["seccomp"] = profile

    identity = started(runtime, busybox_root, change=change)
    with pytest.raises(Failed, match="Operation not permitted"):
        runtime("exec", identity, "mkdir", "/x")


@pytest.mark.parametrize("cwd", ["/proc/self/fd/3", "/proc/self/fd/7", "/not/there"])
def test_a_working_directory_that_is_none_of_it(
    runtime: Runtime, busybox_root: Path, cwd: str
) -> None:
    """CVE-2024-21626."""
    identity = started(runtime, busybox_root)
    with pytest.raises(Failed, match="working directory"):
        runtime("exec", "--cwd", cwd, identity, "true")


def test_not_in_what_has_stopped(runtime: Runtime, busybox_root: Path) -> None:
    identity = started(runtime, busybox_root)
    runtime("kill", identity, "KILL")
    until(lambda: runtime.state(identity)["status"] == "stopped")
    with pytest.raises(Failed, match="that is stopped"):
        runtime("exec", identity, "true")


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{}", '{"args": 1}', '{"args":["x"]}']
)
def test_a_process_that_is_none(
    runtime: Runtime, busybox_root: Path, text: str
) -> None:
    identity = started(runtime, busybox_root)
    path = runtime.place / "bad"
    path.write_text(text)
    with pytest.raises(Failed) as failed:
        runtime("exec", "--process", str(path), identity)
    assert "Traceback" not in failed.value.text
