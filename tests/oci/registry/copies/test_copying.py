"""oci.registry.copies.copying: the same bytes at another place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lamina.oci.archives.layout_folder import layout_at
from lamina.oci.archives.load import load
from lamina.oci.archives.members import open_members
from lamina.oci.archives.writer import TarWriter, tar_at
from lamina.oci.digest import Digest
from lamina.oci.errors import DigestMismatch, InvalidImage, NotFound
from lamina.oci.platforms import parse_platform
from lamina.oci.reference import Reference, parse_reference
from lamina.oci.registry.copies.copying import Copy
from lamina.oci.registry.copies.destinations import (
    Destination,
    DockerArchiveDestination,
    LayoutDestination,
    RegistryDestination,
)
from lamina.oci.registry.copies.origins import (
    DockerArchiveOrigin,
    LayoutOrigin,
    Origin,
    RegistryOrigin,
)
from lamina.oci.registry.progress import Ended, Progress, nothing
from lamina.oci.registry.session import Session
from lamina.oci.registry.transfers.pull import pull
from lamina.oci.registry.transfers.referrers import publish, referrers
from lamina.oci.store.store import Store
from tests.oci.image_archives import OCI, digest, docker_archive, tar, write_folder
from tests.oci.registry.images import ONE, TWO, add_image, gzipped, index
from tests.oci.registry.server import Answer, Asked, Registry, Server
from tests.oci.registry.transfers.test_referrers import signature


class Bench:
    """Origins and destinations in a folder and at a server."""

    def __init__(self, session: Session, store: Store, server: Server) -> None:
        self.session = session
        self.store = store
        self.server = server
        self.told: list[Progress] = []

    def name(self, rest: str) -> Reference:
        return parse_reference(f"{self.server.address}/{rest}")

    def origin(self, rest: str) -> RegistryOrigin:
        sources = self.session.sources(self.name(rest))
        return RegistryOrigin(sources, self.name(rest), nothing)

    def destination(self, rest: str) -> RegistryDestination:
        target = self.session.target(self.name(rest))
        return RegistryDestination(target, self.name(rest), nothing)

    def copy(
        self,
        origin: Origin,
        destination: Destination,
        platform: str = "",
        referrers: bool = False,
    ) -> str:
        wanted = parse_platform(platform) if platform else None
        with self.store.workspace() as workspace:
            folder = workspace.directory("blobs")
            work = Copy(origin, destination, folder, self.told.append)
            return work.run(wanted, referrers=referrers).digest

    def outcomes(self) -> set[str]:
        return {event.outcome for event in self.told if isinstance(event, Ended)}


@pytest.fixture
def registry() -> Registry:
    return Registry()


def test_by_way_of_a_layout(
    store: Store, session: Session, registry: Registry, tmp_path: Path
) -> None:
    made = add_image(registry, ONE, TWO)
    place = str(tmp_path / "layout")
    with Server(registry) as server:
        bench = Bench(session, store, server)
        with layout_at(place) as (writer, earlier):
            bench.copy(bench.origin("app:1"), LayoutDestination(writer, "one", earlier))
        registry.blobs.clear()
        with store.workspace() as workspace:
            members = open_members(place, workspace)
            origin = LayoutOrigin(members, "one", nothing)
            assert bench.copy(origin, bench.destination("new:1")) == digest(made)
            members.close()
        assert pull(store, session, bench.name("new:1")).digest == digest(made)


def test_an_index_goes_with_all_of_its_images(
    store: Store, session: Session, registry: Registry, tmp_path: Path
) -> None:
    one, two = add_image(registry, ONE), add_image(registry, TWO)
    listed = index((one, "linux/amd64"), (two, "linux/s390x"))
    registry.add_manifest(OCI + "index.v1+json", listed, "1")
    place = str(tmp_path / "layout.tar")
    with Server(registry) as server, store.workspace() as workspace:
        bench = Bench(session, store, server)
        with tar_at(place) as descriptor:
            writer = TarWriter(descriptor, workspace.path)
            bench.copy(bench.origin("app:1"), LayoutDestination(writer, ""))
        registry.blobs.clear()
        registry.manifests.clear()
        members = open_members(place, workspace)
        origin = LayoutOrigin(members, "", nothing)
        assert bench.copy(origin, bench.destination("new:1")) == digest(listed)
        members.close()
    assert {digest(one), digest(two), digest(listed), "1"} == set(registry.manifests)
    # Both images are whole.
    assert {digest(gzipped(ONE)), digest(gzipped(TWO))} < set(registry.blobs)
    assert len(registry.blobs) == 4


def test_an_index_that_names_the_same_image_again_and_again(
    store: Store, session: Session, registry: Registry
) -> None:
    made = add_image(registry, ONE)
    listed = index(*[(made, "linux/amd64")] * 300)
    registry.add_manifest(OCI + "index.v1+json", listed, "many")
    with Server(registry) as server:
        bench = Bench(session, store, server)
        bench.copy(bench.origin("app:many"), bench.destination("other:many"))
        asked = [path for path in server.paths() if "/manifests/" in path]
    assert len(asked) == 2


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/vnd.cncf.helm.config.v1+json"]
)
def test_an_artifact_is_nothing_to_load(
    store: Store, session: Session, registry: Registry, tmp_path: Path, kind: str
) -> None:
    made = json.loads(add_image(registry, ONE))
    made["config"]["mediaType"] = kind
    registry.add_manifest(OCI + "manifest.v1+json", json.dumps(made).encode(), "odd")
    with (
        Server(registry) as server,
        pytest.raises(InvalidImage, match="no image but an artifact"),
        tar_at(str(tmp_path / "odd.tar")) as descriptor,
    ):
        bench = Bench(session, store, server)
        writer = TarWriter(descriptor, str(tmp_path))
        bench.copy(bench.origin("app:odd"), DockerArchiveDestination(writer, ()))


def test_one_platform_of_an_index(
    store: Store, session: Session, registry: Registry
) -> None:
    one, two = add_image(registry, ONE), add_image(registry, TWO)
    listed = index((one, "linux/amd64"), (two, "linux/s390x"))
    registry.add_manifest(OCI + "index.v1+json", listed, "1")
    with Server(registry) as server:
        bench = Bench(session, store, server)
        origin, target = bench.origin("app:1"), bench.destination("new:1")
        assert bench.copy(origin, target, "linux/s390x") == digest(two)


def test_referrers_go_along_when_asked(
    store: Store, session: Session, registry: Registry
) -> None:
    registry.add_blob(b"{}")
    made = add_image(registry, ONE)
    signed = signature(made)
    other = Registry()
    with Server(registry) as server, Server(other) as far:
        bench, there = Bench(session, store, server), Bench(session, store, far)
        publish(session.target(bench.name("app:1")), signed.digest, signed)
        bench.copy(bench.origin("app:1"), there.destination("new:1"), referrers=True)
        target = session.target(there.name("new:1"))
        (found,) = referrers(target, bench.origin("app:1").root().digest)
    assert found.digest == signed.digest


def test_referrers_lie_in_a_layout_beside_what_they_refer_to(
    store: Store, session: Session, registry: Registry, tmp_path: Path
) -> None:
    """A signature, and a signature of that; an unnamed layout is still one image."""
    registry.add_blob(b"{}")
    made = add_image(registry, ONE)
    signed = signature(made)
    again = signature(signed.data)
    place, other = str(tmp_path / "layout"), Registry()
    with Server(registry) as server, Server(other) as far:
        bench, there = Bench(session, store, server), Bench(session, store, far)
        target = session.target(bench.name("app:1"))
        publish(target, signed.digest, signed)
        publish(target, again.digest, again)
        for _ in range(2):
            with layout_at(place) as (writer, earlier):
                destination = LayoutDestination(writer, "", earlier)
                bench.copy(bench.origin("app:1"), destination, referrers=True)
        with store.workspace() as workspace:
            members = open_members(place, workspace)
            origin = LayoutOrigin(members, "", nothing)
            assert origin.root().digest == digest(made)
            there.copy(origin, there.destination("new:1"), referrers=True)
            members.close()
        target = session.target(there.name("new:1"))
        (found,) = referrers(target, Digest.of(made))
        (next_found,) = referrers(target, signed.digest)
    assert (found.digest, next_found.digest) == (signed.digest, again.digest)
    listed = json.loads((tmp_path / "layout" / "index.json").read_text())
    kinds = [entry.get("artifactType") for entry in listed["manifests"]]
    assert kinds == [None, *["application/vnd.example.signature"] * 2]
    (loaded,) = load(store, place)
    assert store.image_manifest(loaded.image.id) == made


def test_a_docker_archive_there_and_back(
    store: Store, session: Session, registry: Registry, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path / "archive", docker_archive(ONE, TWO))
    back = str(tmp_path / "back.tar")
    with Server(registry) as server, store.workspace() as workspace:
        bench = Bench(session, store, server)
        members = open_members(str(folder), workspace)
        layers = workspace.directory("layers")
        origin = DockerArchiveOrigin(members, "", layers, nothing)
        bench.copy(origin, bench.destination("app:1"))
        members.close()
        with tar_at(back) as descriptor:
            writer = TarWriter(descriptor, workspace.path)
            names = (parse_reference("app:2"),)
            bench.copy(bench.origin("app:1"), DockerArchiveDestination(writer, names))
        members = open_members(back, workspace)
        with members.open("manifest.json") as read:
            (entry,) = json.loads(read(1 << 20))
        members.close()
    assert entry["RepoTags"] == ["app:2"]
    plain = [f"blobs/sha256/{digest(layer)[7:]}" for layer in (ONE, TWO)]
    assert entry["Layers"] == plain


def test_what_is_there_is_not_copied(
    store: Store, session: Session, registry: Registry
) -> None:
    add_image(registry, ONE)
    with Server(registry) as server:
        bench = Bench(session, store, server)
        bench.copy(bench.origin("app:1"), bench.destination("new:1"))
    assert bench.outcomes() == {"exists"}


def test_a_wrong_blob_is_not_copied(
    store: Store, session: Session, registry: Registry
) -> None:
    add_image(registry, ONE)
    blob = digest(gzipped(ONE))
    other = Registry()

    def wrong(asked: Asked) -> Answer:
        if blob in asked.path and asked.method == "GET":
            return Answer(200, bytes(len(gzipped(ONE))))
        return registry(asked)

    with Server(wrong) as server, Server(other) as far:
        bench, there = Bench(session, store, server), Bench(session, store, far)
        with pytest.raises(DigestMismatch):
            bench.copy(bench.origin("app:1"), there.destination("new:1"))
    assert not other.manifests
    assert blob not in other.blobs


def test_names_of_layouts(store: Store, tmp_path: Path) -> None:
    from tests.oci.image_archives import layout

    folder = write_folder(tmp_path / "layout", layout(tar({"a": b"1"})))
    with store.workspace() as workspace:
        members = open_members(str(folder), workspace)
        LayoutOrigin(members, "app:1", nothing).root()
        with pytest.raises(NotFound, match="no such image"):
            LayoutOrigin(members, "other", nothing).root()
        members.close()
