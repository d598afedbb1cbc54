"""Containers on disk: configured, created, collected; volumes and flags read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.oci.config import ImageConfig
from lamina.runtime.containers import container as containers
from lamina.runtime.containers import resources, state, volumes
from lamina.runtime.containers.container import Overrides, configure, create
from lamina.runtime.containers.options import Options
from lamina.runtime.containers.volumes import parse_bind, parse_mount, parse_tmpfs
from lamina.runtime.errors import ContainerError
from lamina.runtime.owner import Owner
from lamina.values import replace
from tests.busybox import make_image, open_store

IMAGE = ImageConfig(
    "amd64", "linux", env=("PATH=/bin", "A=1"), entrypoint=("/entry",), cmd=("arg",)
)


def test_a_command_replaces_cmd_and_keeps_the_entrypoint() -> None:
    config = configure(IMAGE, Overrides(command=("other",)))
    assert containers.arguments_of(config) == ("/entry", "other")


def test_another_entrypoint_drops_the_image_s_command() -> None:
    assert containers.arguments_of(configure(IMAGE, Overrides(entrypoint=("sh",)))) == (
        ("sh",)
    )
    with pytest.raises(ContainerError, match="No command"):
        containers.arguments_of(configure(IMAGE, Overrides(entrypoint=())))


def test_create_writes_all_or_nothing(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    image = make_image(store)
    made = create(store, image, "busybox", "web", image.config, Options())
    assert state.load_container(store.root, made.id) == made
    assert state.find(store.root, "web") == made.id
    with pytest.raises(ContainerError, match="already in use"):
        create(store, image, "busybox", "web", image.config, Options())
    assert len(os.listdir(f"{store.root}/containers")) == 1
    containers.remove(store, made)
    for folder in ("containers", "names", "live"):
        assert os.listdir(f"{store.root}/{folder}") == []
    store.close()


def test_what_a_dead_keeper_left_is_collected(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    image = make_image(store)
    dead = replace(Owner.of("x"), start=1)
    kept = create(store, image, "busybox", "kept", image.config, Options())
    gone = create(store, image, "busybox", "", image.config, Options(remove=True))
    for container in (kept, gone):
        running = state.State(state.RUNNING, dead, dead, started=5)
        state.save_state(store.root, container.id, running)
    os.mkdir(f"{store.root}/containers/.{'f' * 64}")
    containers.collect(store)
    assert os.listdir(f"{store.root}/containers") == [kept.id]
    assert state.load_state(store.root, kept.id).exit_code == 137
    assert os.listdir(f"{store.root}/live") == []
    store.close()


def test_a_name_whose_container_was_never_placed_is_collected(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    image = make_image(store)
    create(store, image, "busybox", "kept", image.config, Options())
    os.symlink("f" * 64, f"{store.root}/names/died")
    containers.collect(store)
    assert os.listdir(f"{store.root}/names") == ["kept"]
    store.close()


def test_binds_as_docker_reads_them() -> None:
    assert parse_bind("/a:/b", "/x").source == "/a"
    assert parse_bind("./a:/b:ro", "/x") == volumes.Volume(
        "bind", "/x/a", "/b", read_only=True, create=True
    )
    assert parse_bind("data:/b:nocopy", "/x") == volumes.Volume(
        "volume", "data", "/b", copy=False
    )
    assert parse_bind("/only", "/x") == volumes.Volume("volume", "", "/only")
    assert parse_bind("/a:/b:rslave,ro", "/").propagation == "rslave"


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "/a:",
        ":/b",
        "/a:b",
        "/a:/",
        "/a:/b:ro:rw",
        "/a:/b:exec",
        "a:/b",
        "/a:/b:ro,rw",
    ],
)
def test_binds_that_mean_nothing(text: str) -> None:
    with pytest.raises(ContainerError):
        parse_bind(text, "/")


def test_mounts_written_out() -> None:
    assert parse_mount("type=bind,src=a,dst=/b,ro", "/x") == volumes.Volume(
        "bind", "/x/a", "/b", read_only=True
    )
    # What Docker Desktop's users write, as in devcontainer.json.
    assert parse_mount("type=Bind,src=/a,dst=/b,consistency=cached", "/") == (
        volumes.Volume("bind", "/a", "/b")
    )
    assert "size=1m" in parse_mount("type=tmpfs,dst=/t,tmpfs-size=1m", "/").options
    for bad in (
        "type=bind,dst=/b",
        "type=bind,src=/a,dst=/b,consistency=x",
        "type=nfs,dst=/b",
        "src=a1,dst=/b,dst=/c",
        # A comma would begin another option of the mount (CVE-2024-9407).
        "type=bind,src=/,dst=/b,bind-propagation=shared;rw",
        "type=tmpfs,dst=/t,tmpfs-size=1m;mode=7",
        "dst=/b,readonly=maybe",
        'dst=/b,"x',
        '"dst=/b",x\ny',
    ):
        with pytest.raises(ContainerError):
            parse_mount(bad, "/")


def test_volumes_of_a_place_that_is_written_as_another_line(tmp_path: Path) -> None:
    """An image says where they are, and `rm -v` removes what is told here."""
    places = (
        "/x\nprecious /y",
        f"/z\n{'a' * 64} /y",
        "/u\u2028precious /y",
        "/r\rprecious /y",
        "/b\\nprecious /y",
        "/\udcff\u20ac",
    )
    wanted = tuple(volumes.Volume("volume", "", place) for place in places)
    named = volumes.name_volumes(str(tmp_path), wanted)
    found = volumes.own_volumes(str(tmp_path))
    assert found == {one.destination: one.source for one in named}
    assert tuple(found) == places
    # The second start finds them.
    assert volumes.name_volumes(str(tmp_path), wanted) == named
    (tmp_path / "volumes").write_text("precious /y\n../x /z\n")
    assert volumes.own_volumes(str(tmp_path)) == {}


def test_a_mount_is_read_as_it_was_written() -> None:
    for place in ("/a,b", '/a"b', "/a\nb", "/a\r,b", "/ a"):
        one = volumes.Volume("volume", "data", place, read_only=True)
        assert parse_mount(volumes.mount_text(one), "/") == one


def test_tmpfs_options_are_from_a_list() -> None:
    assert parse_tmpfs("/t").options == ("nosuid", "nodev", "noexec")
    assert "noexec" not in parse_tmpfs("/t:exec,size=5m").options
    assert "size=10%" in parse_tmpfs("/t:size=10%").options
    for bad in ("/t:size", "/t:lowerdir=/", "/t:size=1,x"):
        with pytest.raises(ContainerError):
            parse_tmpfs(bad)


def test_one_mount_in_one_place() -> None:
    with pytest.raises(ContainerError, match="Duplicate"):
        volumes.asked_for(Options(binds=("/a:/b", "/c:/b/")))
    (once,) = volumes.asked_for(Options(binds=("/a:/b", "/a:/b")))
    assert once.destination == "/b"
    config = replace(IMAGE, volumes=("/data", "/data/inner", "/b"))
    found = volumes.of_container(Options(binds=("/a:/b",)), config)
    assert [volume.destination for volume in found] == ["/b", "/data", "/data/inner"]


def test_limits_as_docker_counts_them() -> None:
    limits = resources.resources(Options(memory=100 << 20, nano_cpus=1_500_000_000))
    assert limits.memory_swap == 200 << 20
    assert (limits.cpu_quota, limits.cpu_period) == (150_000, 100_000)
