"""Namespaces: new ones, those of others by path, and those of who launches."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.runtime import syscalls
from lamina.runtime.cgroups import owned
from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation.namespaces import membership
from lamina.runtime.isolation.sandbox import ExitStatus, Sandbox
from lamina.runtime.isolation.zygote import Options, Zygote
from lamina.runtime.spec import DEFAULT_NAMESPACES, Namespace, Process, Resources, Spec
from tests.runtime.launches import Bench

_KINDS = ("mnt", "pid", "uts", "ipc", "net", "cgroup")
_LINKS = "for n in mnt pid uts ipc net cgroup; do readlink /proc/self/ns/$n; done"


def spec(**paths: str | None) -> Spec:
    """A Spec with other namespaces: None for the launcher's, or a path."""
    kept = [space for space in DEFAULT_NAMESPACES if space.type not in paths]
    joined = [Namespace(kind, path) for kind, path in paths.items() if path]
    return Spec(Process(()), namespaces=(*kept, *joined))


def spaces_of(pid: int | str = "self") -> dict[str, str]:
    return {kind: os.readlink(f"/proc/{pid}/ns/{kind}") for kind in _KINDS}


@pytest.fixture
def outside(tmp_path: Path, busybox_root: Path) -> Iterator[Bench]:
    """Launches from a zygote that has no pid namespace of its own."""
    options = Options(keep=(str(tmp_path.parent),), own_pids=False)
    place = tmp_path / "outside"
    place.mkdir()
    with Zygote.start(options) as zygote:
        yield Bench(place, busybox_root, zygote)


def seen(bench: Bench, given: Spec) -> dict[str, str]:
    text = bench.sh(_LINKS, spec=given)
    return dict(zip(_KINDS, text.split(), strict=True))


# What a Spec comes to


def test_what_is_not_named_is_the_launcher_s() -> None:
    found = membership((Namespace("mount"), Namespace("ipc", "/x")), "")
    assert found.new == syscalls.CLONE_NEWNS
    assert found.joined == (("ipc", "/x"),)
    assert found.own == syscalls.CLONE_NEWNS | syscalls.CLONE_NEWIPC


def test_a_network_that_was_given_counts_and_comes_first() -> None:
    spaces = (*DEFAULT_NAMESPACES[:-1], Namespace("cgroup", "/c"))
    assert membership(spaces, 7).joined == (
        ("network", "/proc/self/fd/7"),
        ("cgroup", "/c"),
    )
    assert not membership(spaces, "host").own & syscalls.CLONE_NEWNET
    assert membership(spaces, "none").new & syscalls.CLONE_NEWNET


@pytest.mark.parametrize(
    ("spaces", "said"),
    [
        ((Namespace("mount"), Namespace("mount")), "twice"),
        ((Namespace("pid"),), "new mount namespace"),
        ((Namespace("mount", "/proc/1/ns/mnt"),), "new mount namespace"),
        ((Namespace("mount"), Namespace("moon")), "cannot have a 'moon'"),
    ],
)
def test_what_cannot_be(spaces: tuple[Namespace, ...], said: str) -> None:
    with pytest.raises(ContainerError, match=said):
        membership(spaces, "")


# Carried out


@pytest.mark.root
def test_all_are_new_unless_something_else_is_said(bench: Bench) -> None:
    found, mine = seen(bench, spec()), spaces_of()
    # That of cgroups comes with a cgroup to be in, which this one has not.
    assert [kind for kind in _KINDS if found[kind] == mine[kind]] == ["cgroup"]


@pytest.mark.root
def test_the_launcher_s(outside: Bench) -> None:
    found = seen(outside, spec(uts=None, ipc=None, network=None, pid=None))
    mine = spaces_of()
    for kind in ("uts", "ipc", "net", "pid"):
        assert found[kind] == mine[kind]
    assert found["mnt"] != mine["mnt"]
    # The file system of processes shows those of the namespace.
    assert outside.sh(f"ls -d /proc/{os.getpid()}", spec=spec(pid=None))


@pytest.mark.root
def test_those_of_another_container(outside: Bench) -> None:
    with outside.start("sleep", "1000") as other:
        paths = {
            kind: f"/proc/{other.pid}/ns/{name}"
            for kind, name in (
                *(("pid", "pid"), ("ipc", "ipc"), ("uts", "uts")),
                *(("network", "net"), ("cgroup", "cgroup")),
            )
        }
        theirs = spaces_of(other.pid)
        found = seen(outside, spec(**paths))
        assert found == {**theirs, "mnt": found["mnt"]}
        assert "sleep 1000" in outside.sh("ps", spec=spec(pid=paths["pid"]))
        other.kill()


@pytest.mark.root
def test_those_inside_end_with_the_pid_namespace(outside: Bench) -> None:
    with outside.start("sleep", "1000") as other:
        given = spec(pid=f"/proc/{other.pid}/ns/pid")
        with outside.start("sleep", "1000", spec=given) as inside:
            other.kill()
            assert inside.wait() == ExitStatus(137, 9)


@pytest.mark.root
def test_a_pid_namespace_of_others_is_out_of_reach_from_one_s_own(
    bench: Bench, outside: Bench
) -> None:
    with outside.start("sleep", "1000") as other:
        given = spec(pid=f"/proc/{other.pid}/ns/pid")
        with pytest.raises(ContainerError, match="cannot join the pid namespace"):
            bench.run("true", spec=given)
        # The zygote goes on.
        assert bench.run("true")[0] == ExitStatus(0)
        other.kill()


@pytest.mark.root
def test_a_path_that_is_no_namespace(bench: Bench) -> None:
    with pytest.raises(ContainerError, match="Cannot join the ipc namespace /nowhere"):
        bench.run("true", spec=spec(ipc="/nowhere"))
    with pytest.raises(ContainerError, match="not a namespace"):
        bench.run("true", spec=spec(ipc="/dev/null"))


@pytest.mark.root
def test_the_host_s_settings_stay_the_host_s(bench: Bench) -> None:
    shared = spec(ipc=None)
    with pytest.raises(ContainerError, match="IPC namespace is used"):
        bench.run(
            "true", spec=Spec(**{**shared.__dict__, "sysctl": {"kernel.sem": "1"}})
        )


@pytest.mark.root
def test_who_asks_for_it_dies_with_the_parent(outside: Bench) -> None:
    given = spec(pid=None)

    def start(**process: object) -> Sandbox:
        return outside.start("sleep", "1000", spec=given, process=process)

    with start(parent_death=True) as follows, start() as stays:
        pid = outside.zygote.pid
        os.kill(pid, 9)
        end = time.monotonic() + 20
        while os.path.exists(f"/proc/{follows.pid}"):
            assert time.monotonic() < end
            time.sleep(0.01)
        assert os.path.exists(f"/proc/{stays.pid}")
        stays.kill()


@pytest.mark.root
def test_the_host_s_view_of_cgroups_has_no_others_in_it(bench: Bench) -> None:
    group = owned.create("test-view", Resources(pids=51))
    try:
        text = bench.sh(
            "cut -d: -f3 /proc/self/cgroup; cat /sys/fs/cgroup/pids/pids.max;"
            "find /sys/fs/cgroup -mindepth 2 -type d | wc -l",
            spec=spec(cgroup=None),
            cgroups=group.directories,
        )
    finally:
        group.kill()
        group.delete()
    assert f"/{group.path}\n" in text
    if os.path.isdir("/sys/fs/cgroup/pids"):
        assert text.endswith("\n51\n0\n")
