"""config-linux.md of the runtime specification: seccomp."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.bundles.configs import Config, Show, linux
from tests.runtime.bundles.running import created
from tests.runtime.oci import Failed, Runtime

pytestmark = pytest.mark.root


def seccomp(**changes: Any) -> Callable[[Config], None]:
    base = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"][:1],
    }
    return linux(seccomp={**base, **changes})


def test_seccomp_errno_with_a_number_of_its_own(show: Show) -> None:
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}
    text = show("mkdir /x 2>&1 || true", seccomp(syscalls=[rule]))
    assert "No space left on device" in text


def test_seccomp_kills(show: Show) -> None:
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_KILL_PROCESS"}
    text = show("mkdir /x || echo $?", seccomp(syscalls=[rule]))
    assert "159" in text  # SIGSYS


def test_seccomp_arguments(show: Show) -> None:
    rule = {
        "names": ["kill"],
        "action": "SCMP_ACT_ERRNO",
        "args": [{"index": 1, "value": 10, "op": "SCMP_CMP_EQ"}],
    }
    script = "sleep 10 & kill -USR1 $! 2>&1 || true; kill -USR2 $! && echo sent"
    text = show(script, seccomp(syscalls=[rule]))
    assert "Operation not permitted" in text
    assert "sent" in text


def test_seccomp_flags(show: Show) -> None:
    change = seccomp(
        flags=["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]
    )
    assert show("grep Seccomp: /proc/self/status", change).split()[-1] == "2"


@pytest.mark.parametrize(
    "changes",
    [
        {"flags": ["SECCOMP_FILTER_FLAG_NONE"]},
        {"defaultAction": "SCMP_ACT_NONE"},
        {"architectures": ["SCMP_ARCH_NONE"]},
        {"syscalls": [{"names": ["read"], "action": "SCMP_ACT_NOTIFY"}]},
        {"syscalls": [{"names": None, "action": "SCMP_ACT_ERRNO"}]},
        {"syscalls": None, "defaultAction": None},
    ],
)
def test_seccomp_that_is_none(
    runtime: Runtime, busybox_root: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(Failed, match=r"(?i)seccomp|SCMP_ARCH_NONE"):
        created(runtime, busybox_root, "true", change=seccomp(**changes))
