"""Cgroups below one that the user names."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from lamina.runtime.cgroups import cgroup, chosen
from lamina.runtime.cgroups.hierarchy import MOUNT, Hierarchy, hierarchies
from lamina.runtime.cgroups.parents import check_parent, path_below
from lamina.runtime.errors import LimitError
from lamina.runtime.spec import Resources
from tests.runtime.cgroups.delegation import delegated, run_inside

UNIFIED = f"{MOUNT}/unified"
MOUNTS = [MOUNT]
if os.path.exists(f"{UNIFIED}/cgroup.controllers"):
    MOUNTS.append(UNIFIED)


def hierarchy(base: str, mount: str = "/c") -> Hierarchy:
    return Hierarchy(2, mount, base, frozenset(("memory",)))


ROOTS = (hierarchy("/c/cpu", "/c/cpu"), hierarchy("/c/memory", "/c/memory"))
USERS = (hierarchy("/c/user/me.scope"),)


@pytest.mark.parametrize(
    ("parent", "known", "path"),
    [
        ("/shop", ROOTS, "shop/ID"),
        ("shop/web", ROOTS, "shop/web/ID"),
        ("/shop/./a//../web/", ROOTS, "shop/web/ID"),
        ("/", ROOTS, "ID"),
        (".", ROOTS, "ID"),
        ("shop", USERS, "shop/ID"),
        ("/user/me.scope", USERS, "ID"),
        ("/user/me.scope/shop", USERS, "shop/ID"),
    ],
)
def test_where_a_cgroup_is_to_be(
    parent: str, known: tuple[Hierarchy, ...], path: str
) -> None:
    assert path_below(parent, "ID", known) == path


@pytest.mark.parametrize("parent", ["/shop", "/user", "/user/me.scope2"])
def test_a_user_has_only_what_was_delegated(parent: str) -> None:
    with pytest.raises(LimitError, match=r"below /user/me\.scope, not in"):
        path_below(parent, "ID", USERS)


def test_a_user_without_cgroups_has_none() -> None:
    with pytest.raises(LimitError, match="may not write cgroups") as refused:
        path_below("shop", "ID", (hierarchy(""),))
    assert "Delegate=yes" in refused.value.hint


@pytest.mark.parametrize("parent", ["..", "../shop", "shop/../../etc"])
def test_no_parent_leads_out(parent: str) -> None:
    with pytest.raises(LimitError, match="leads out"):
        check_parent(parent)


@pytest.fixture(params=MOUNTS)
def mount(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where cgroups are; what the test makes below `name()` goes with it."""
    yield str(request.param)
    for h in hierarchies(str(request.param)):
        for folder, _, _ in os.walk(f"{h.base}/{name()}", topdown=False):
            os.rmdir(folder)


def name() -> str:
    return f"test-parent-{os.getpid()}"


def places(mount: str) -> set[str]:
    """The directories of the parent, in every hierarchy that has it."""
    found = (f"{h.base}/{name()}" for h in hierarchies(mount))
    return {place for place in found if os.path.isdir(place)}


@pytest.mark.root
class TestOnThisMachine:
    def test_it_is_in_every_hierarchy_and_gone_afterwards(self, mount: str) -> None:
        group = chosen.below(f"{name()}/web/ID", Resources(), mount)
        assert len(places(mount)) == len(hierarchies(mount))
        assert len(group.directories) == len(hierarchies(mount))
        group.delete()
        assert not places(mount)

    def test_a_parent_of_others_stays(self, mount: str) -> None:
        (first, *_) = hierarchies(mount)
        os.mkdir(f"{first.base}/{name()}")
        chosen.below(f"{name()}/web/ID", Resources(), mount).delete()
        assert places(mount) == {f"{first.base}/{name()}"}
        assert not os.path.exists(f"{first.base}/{name()}/web")

    def test_the_last_one_takes_it_away(self, mount: str) -> None:
        one = chosen.below(f"{name()}/one", Resources(), mount)
        two = chosen.below(f"{name()}/two", Resources(), mount)
        one.delete()
        assert len(places(mount)) == len(hierarchies(mount))
        # As who finds that its owner has died.
        cgroup.remove(two.path, mount)
        assert not places(mount)

    def test_where_none_can_be(self, mount: str) -> None:
        with pytest.raises(LimitError, match="Not a directory"):
            chosen.below(f"{name()}/cgroup.procs/ID", Resources(), mount)
        assert not places(mount)

    def test_many_come_and_go_at_once(self, mount: str) -> None:
        """One takes the parent away while another is about to use it."""
        failed: list[BaseException] = []

        def work(number: int) -> None:
            try:
                for _ in range(30):
                    chosen.below(f"{name()}/{number}", Resources(), mount).delete()
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed
        assert not places(mount)


AS_USER = """
from lamina.runtime.cgroups import chosen
from lamina.runtime.cgroups.hierarchy import hierarchies
from lamina.runtime.cgroups.parents import path_below
from lamina.runtime.spec import Resources
import os, subprocess
(base,) = (h.base for h in hierarchies(sys.argv[1]))
path = path_below(sys.argv[2], "ID", hierarchies(sys.argv[1]))
group = chosen.below(path, Resources(), sys.argv[1])
child = subprocess.Popen(["/bin/sleep", "1000"])
group.add(child.pid)
lines = open(f"/proc/{child.pid}/cgroup").read().splitlines()
print(lines[-1].partition("::")[2])
group.kill()
child.wait()
group.delete()
print(os.path.exists(f"{base}/shop"))
"""


@pytest.mark.root
@pytest.mark.skipif(MOUNTS[-1] == MOUNT, reason="a hierarchy of v2 that systemd owns")
@pytest.mark.parametrize("absolute", [False, True])
def test_a_user_in_a_cgroup_that_was_delegated(absolute: bool) -> None:
    with delegated(UNIFIED) as place:
        path = place.removeprefix(UNIFIED)
        parent = f"{path}/shop" if absolute else "shop"
        done = run_inside(place, AS_USER, UNIFIED, parent)
        assert done.stdout == f"{path}/shop/ID\nFalse\n", done.stderr
