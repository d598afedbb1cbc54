"""What can be carried out of what is asked of a container."""

from __future__ import annotations

import pytest

from lamina.runtime.containers import plan
from lamina.runtime.containers.options import Options
from lamina.runtime.errors import ContainerError


@pytest.mark.parametrize(
    "options",
    [
        Options(security=("nonsense=x",)),
        Options(ulimits=("nofile=2:1",)),
        Options(ulimits=("files=1",)),
        Options(groups=("a:b",)),
        Options(devices=("/dev/nothing",)),
        Options(sysctls=("kernel",)),
        Options(tmpfs=("relative",)),
    ],
)
def test_options_that_cannot_be_carried_out(options: Options) -> None:
    with pytest.raises(ContainerError):
        plan.check(options)


@pytest.mark.parametrize(
    ("sysctl", "network"),
    [
        ("kernel.panic=1", "default"),
        ("kernel.shmmaxi=1", "default"),
        ("vm.swappiness=1", "default"),
        ("net.ipv4.ip_forward=1", "host"),
        ("fs/mqueue/msg_max=1", "default"),
    ],
)
def test_sysctls_of_the_host_are_refused(sysctl: str, network: str) -> None:
    with pytest.raises(ContainerError, match="The sysctl"):
        plan.check(Options(sysctls=(sysctl,), network=network))


def test_sysctls_of_namespaces_are_not() -> None:
    names = ("net.core.somaxconn", "kernel.sem", "fs.mqueue.msg_max")
    plan.check(Options(sysctls=tuple(f"{name}=1" for name in names)))
