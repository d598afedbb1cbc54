"""SCMP_ACT_NOTIFY: a listener decides on the calls of a container."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.bundles.running import created, started, until_stopped
from tests.runtime.oci import Failed, Runtime, base_config

pytestmark = pytest.mark.root

# linux/seccomp.h: SECCOMP_IOCTL_NOTIF_RECV and _SEND, of the two structures' sizes.
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_SETHOSTNAME = {"x86_64": 170, "aarch64": 161}[os.uname().machine]


def notifying(path: str, **changes: Any) -> dict[str, Any]:
    """A profile by which sethostname(2) is the listener's to decide."""
    rule = {"names": ["sethostname"], "action": "SCMP_ACT_NOTIFY"}
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}
    return {**profile, "listenerPath": path, "listenerMetadata": "mine", **changes}


class Deciding:
    """A listener that answers each call by EXDEV, and remembers what it was sent."""

    def __init__(self, path: str) -> None:
        self.told: list[dict[str, Any]] = []
        self.calls: list[int] = []
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(path)
        self._socket.listen()

    def serve_one(self) -> None:
        """One filter, and one call under it."""
        line, _ = self._socket.accept()
        with line:
            text, rights, _, _ = line.recvmsg(65536, socket.CMSG_SPACE(4))
        self.told.append(json.loads(text))
        (fd,) = struct.unpack("i", rights[0][2])
        try:
            asked = bytearray(80)
            fcntl.ioctl(fd, _RECEIVE, asked)
            number, _pid, _flags, call = struct.unpack_from("QIIi", asked)
            self.calls.append(call)
            fcntl.ioctl(fd, _SEND, struct.pack("QqiI", number, 0, -18, 0))
        finally:
            os.close(fd)

    def close(self) -> None:
        self._socket.close()


@contextmanager
def deciding(path: str) -> Iterator[Deciding]:
    listener = Deciding(path)
    try:
        yield listener
    finally:
        listener.close()


def test_a_listener_decides(runtime: Runtime, busybox_root: Path) -> None:
    path = str(runtime.place / "listener")
    script = "hostname other; sleep 1000"
    with deciding(path) as listener:
        decided = threading.Thread(target=listener.serve_one)
        decided.start()
        config = base_config("sh", "-c", script)
        config["linux"]["seccomp"] = notifying(path)
        bundle = runtime.bundle(config, busybox_root)
        identity = runtime.new_id()
        runtime("create", "--bundle", str(bundle), identity)
        pid = runtime.state(identity)["pid"]
        runtime("start", identity)
        decided.join(60)
        (told,) = listener.told
        assert listener.calls == [_SETHOSTNAME]
        assert told["fds"] == ["seccompFd"]
        assert told["metadata"] == "mine"
        assert told["pid"] == told["state"]["pid"] == pid
        assert told["state"]["id"] == identity

        again = threading.Thread(target=listener.serve_one)
        again.start()
        with pytest.raises(Failed, match="Invalid cross-device link"):
            runtime("exec", identity, "hostname", "another")
        again.join(60)
        assert listener.told[1]["state"]["pid"] == pid
        assert listener.told[1]["pid"] != pid
        assert listener.told[1]["state"]["status"] == "running"
    runtime("delete", "--force", identity)


def test_a_container_without_its_listener(runtime: Runtime, busybox_root: Path) -> None:
    def change(path: str, **changes: Any) -> Any:
        return lambda config: config["linux"].update(seccomp=notifying(path, **changes))

    with pytest.raises(Failed, match="cannot reach the seccomp listener"):
        created(runtime, busybox_root, "true", change=change("/nowhere"))
    with pytest.raises(Failed, match="listenerPath"):
        created(runtime, busybox_root, "true", change=change(""))
    everything = {"defaultAction": "SCMP_ACT_NOTIFY", "syscalls": []}
    with pytest.raises(Failed, match="sendmsg"):
        created(runtime, busybox_root, "true", change=change("/nowhere", **everything))
    assert runtime("list", "--quiet") == ""


def test_who_has_no_such_rule_needs_no_listener(
    runtime: Runtime, busybox_root: Path
) -> None:
    profile = notifying("/nowhere", syscalls=[])
    identity = started(
        runtime,
        busybox_root,
        "true",
        change=lambda config: config["linux"].update(seccomp=profile),
    )
    until_stopped(runtime, identity)
    runtime("delete", identity)
