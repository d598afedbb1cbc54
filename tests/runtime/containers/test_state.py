"""Records of containers: what is written is read back, and nothing is believed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lamina.oci.config import ImageConfig
from lamina.runtime.containers import names, state
from lamina.runtime.containers.container import make_places
from lamina.runtime.containers.options import Options
from lamina.runtime.containers.state import Container, State
from lamina.runtime.errors import ContainerError, NoSuchContainer
from lamina.runtime.network.endpoint import Endpoint
from lamina.runtime.owner import Owner
from lamina.values import replace


@pytest.fixture
def root(tmp_path: Path) -> str:
    (tmp_path / "locks").mkdir()
    make_places(str(tmp_path))
    return str(tmp_path)


def placed(root: str, identity: str, name: str = "web") -> Container:
    """A container on disk that runs nothing."""
    container = Container(
        id=identity,
        name=name,
        created=1_700_000_000_123_456_789,
        image="sha256:" + "0" * 64,
        image_name="busybox",
        layers=("sha256:" + "1" * 64,),
        args=("sh", "-c", "echo \udcff"),
        config=ImageConfig("amd64", "linux", env=("A=b",), cmd=("sh",)),
        options=Options(binds=("/a:/b",), memory=1 << 30),
    )
    os.mkdir(state.directory(root, identity))
    state.save_container(state.directory(root, identity), container)
    state.save_state(root, identity, State(state.CREATED))
    state.claim_name(root, name, identity)
    return container


def test_a_container_is_read_back_as_it_was(root: str) -> None:
    container = placed(root, "a" * 64)
    assert state.load_container(root, "a" * 64) == container


def test_a_state_is_read_back_as_it_was(root: str) -> None:
    placed(root, "a" * 64)
    full = State(
        state.EXITED,
        started=1,
        finished=2,
        exit_code=3,
        endpoints=(
            Endpoint(
                "10.0.0.2", 24, "10.0.0.1", "eth0", 1500, "02:", "br", names=("a",)
            ),
        ),
        ports=("0.0.0.0:80->80/tcp",),
        stubs=("/data",),
    )
    state.save_state(root, "a" * 64, full)
    assert state.load_state(root, "a" * 64) == full


def test_running_is_believed_while_the_keeper_lives(root: str) -> None:
    placed(root, "a" * 64)
    me = Owner.of("a" * 64)
    state.save_state(root, "a" * 64, State(state.RUNNING, me, me))
    assert state.see(root, "a" * 64).status == state.RUNNING
    # The same number, but another process had it: one that began earlier.
    ghost = replace(me, start=me.start - 1)
    state.save_state(root, "a" * 64, State(state.RUNNING, ghost, ghost))
    seen = state.see(root, "a" * 64)
    assert (seen.status, seen.exit_code) == (state.EXITED, 137)


def test_another_boot_s_processes_are_gone(root: str) -> None:
    placed(root, "a" * 64)
    old = replace(Owner.of("a" * 64), boot="another")
    state.save_state(root, "a" * 64, State(state.RUNNING, old, old))
    assert state.see(root, "a" * 64).status == state.EXITED
    assert state.open_process(old) is None


def test_what_holds_something_is_marked(root: str) -> None:
    placed(root, "a" * 64)
    assert os.listdir(f"{root}/live") == []
    state.save_state(root, "a" * 64, State(state.RUNNING, Owner.of("x")))
    assert os.listdir(f"{root}/live") == ["a" * 64]
    state.save_state(root, "a" * 64, State(state.EXITED))
    assert os.listdir(f"{root}/live") == []


def test_containers_are_found_by_id_name_and_first_digits(root: str) -> None:
    placed(root, "ab" * 32, "web")
    placed(root, "ac" * 32, "abba")
    assert state.find(root, "ab" * 32) == "ab" * 32
    assert state.find(root, "/web") == "ab" * 32
    assert state.find(root, "abab") == "ab" * 32
    # A name goes before the first digits of an ID.
    assert state.find(root, "abba") == "ac" * 32
    for name in ("", "a", "nobody", "..", "../containers", "a\0"):
        with pytest.raises(NoSuchContainer):
            state.find(root, name)


def test_a_name_has_one_owner(root: str) -> None:
    placed(root, "a" * 64, "web")
    assert not state.claim_name(root, "web", "b" * 64)
    # Where its owner was never finished, it is free.
    os.symlink("c" * 64, f"{root}/names/ghost")
    assert state.claim_name(root, "ghost", "b" * 64)
    state.release_name(root, "web", "b" * 64)
    assert state.name_owner(root, "web") == "a" * 64
    state.release_name(root, "web", "a" * 64)
    assert state.name_owner(root, "web") == ""


def test_a_damaged_record_says_where_it_is(root: str) -> None:
    placed(root, "a" * 64)
    Path(state.directory(root, "a" * 64), "state.json").write_text("{")
    with pytest.raises(state.DamagedRecord, match="damaged"):
        state.load_state(root, "a" * 64)
    placed(root, "b" * 64, "whole")
    assert [container.name for container, _ in state.containers(root)] == ["whole"]
    assert state.damaged(root) == ["a" * 64]


@pytest.mark.parametrize(
    "record", ["[]", "{}", '{"config": {}}', '{"config": 1, "options": {}}']
)
def test_a_record_of_something_else_is_damaged(root: str, record: str) -> None:
    placed(root, "a" * 64)
    Path(state.directory(root, "a" * 64), "container.json").write_text(record)
    with pytest.raises(state.DamagedRecord, match="damaged"):
        state.load_container(root, "a" * 64)
    assert list(state.containers(root)) == []
    assert state.damaged(root) == ["a" * 64]


def test_a_number_that_fits_nowhere_is_damage(root: str) -> None:
    placed(root, "a" * 64)
    path = Path(state.directory(root, "a" * 64), "container.json")
    fields = json.loads(path.read_text())
    health = {"Test": ["CMD", "true"], "Retries": 1 << 70}
    fields["config"]["config"] = {"Healthcheck": health}
    path.write_text(json.dumps(fields))
    with pytest.raises(state.DamagedRecord, match="'Retries' is not an integer"):
        state.load_container(root, "a" * 64)


@pytest.mark.parametrize("name", ["", "a", "-ab", ".ab", "a b", "a/b", "ä1", "a\n"])
def test_names_that_none_may_have(name: str) -> None:
    with pytest.raises(ContainerError):
        names.check(name)


def test_given_names_are_allowed_ones() -> None:
    for attempt in range(20):
        assert names.check(names.generate(attempt))
