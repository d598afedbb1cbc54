"""Processes of a container that runs are put into a cgroup, whatever they do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from lamina.runtime.cgroups import owned
from lamina.runtime.cgroups.cgroup import Cgroup
from lamina.runtime.containers.members import in_namespace
from lamina.runtime.containers.scoping import gather
from lamina.runtime.spec import Resources

pytestmark = pytest.mark.root("it makes pid namespaces and cgroups")

PATIENCE = 20

# The first process of a pid namespace, with children that sleep, and zombies.
FAMILY = """
import os, time
for _ in range(3):
    if os.fork() == 0:
        time.sleep(1000)
for _ in range(2):
    if os.fork() == 0:
        os._exit(0)
os.waitid(os.P_PID, os.getpid() + 4, os.WEXITED | os.WNOWAIT)
os.waitid(os.P_PID, os.getpid() + 5, os.WEXITED | os.WNOWAIT)
print("ready", flush=True)
time.sleep(1000)
"""


@pytest.fixture
def group() -> Iterator[Cgroup]:
    made = owned.create("gathered", Resources())
    yield made
    made.kill()
    made.delete()


def first_of(program: str) -> tuple[subprocess.Popen[str], int]:
    """`unshare`, and the process that is the first of a pid namespace below it."""
    outer = subprocess.Popen(
        ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert outer.stdout is not None
    assert outer.stdout.readline() == "ready\n"
    with open(f"/proc/{outer.pid}/task/{outer.pid}/children") as children:
        return outer, int(children.read())


def end(outer: subprocess.Popen[str]) -> None:
    outer.kill()
    outer.communicate(timeout=PATIENCE)


def test_zombies_hold_nobody_up(group: Cgroup) -> None:
    outer, init = first_of(FAMILY)
    group.add(init)
    assert gather(init, group, group.add) == ()
    everybody = in_namespace(init)
    assert len(everybody) == 6
    assert {*group.procs()} == {*everybody[:4]}
    end(outer)


def test_who_cannot_be_caught_is_told_and_not_waited_for(group: Cgroup) -> None:
    outer, init = first_of(FAMILY)
    group.add(init)
    # As those who fork and end: when it is their turn they have gone.
    assert gather(init, group, lambda _: None) == in_namespace(init)[1:4]
    assert group.procs() == (init,)
    end(outer)
