"""oci.registry.transfers.push: images arrive whole, once, and with their digest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lamina.oci.manifest import OCI_MANIFEST
from lamina.oci.registry.progress import Ended, Noted, Progress
from lamina.oci.registry.session import Session
from lamina.oci.registry.transfers.pull import pull
from lamina.oci.registry.transfers.push import PushOptions, push
from lamina.oci.store.store import Image, Store
from tests.oci.registry.conftest import HURRY
from tests.oci.registry.images import ONE, TWO, add_image, gzipped
from tests.oci.registry.server import (
    Answer,
    Asked,
    Handle,
    Images,
    Registry,
    Server,
    digest,
)
from tests.oci.registry.transfers.pushes import name


def outcomes(told: list[Progress]) -> list[str]:
    ended = [event.outcome for event in told if isinstance(event, Ended)]
    return sorted(outcome for outcome in ended if outcome != "compressed")


def test_there_and_back(
    store: Store, session: Session, image: Image, tmp_path: Path
) -> None:
    registry = Registry()
    other = Store.open(str(tmp_path / "other"))
    with Server(registry) as server:
        pushed = push(store, session, image, name(server))
        pulled = pull(other, session, name(server))
        order = [asked.path for asked in server.asked if asked.method == "PUT"]
    other.close()
    assert pulled.image.id == image.id
    assert pulled.digest == pushed.digest == store.images()[0].manifest_digest
    assert [path for path in order if "/manifests/" in path] == order[-1:]
    assert not registry.uploads


def test_the_second_push_sends_nothing(
    store: Store, session: Session, image: Image
) -> None:
    told: list[Progress] = []
    with Server(Registry()) as server:
        first = push(store, session, image, name(server))
        del server.asked[:]
        second = push(store, session, image, name(server, "app:2"), tell=told.append)
        assert not server.paths("POST")
    assert first == second
    assert outcomes(told) == ["exists", "exists"]
    assert len(told) == 3  # nothing was compressed: two ends and the digest


def test_another_repository_is_mounted_from(
    store: Store, session: Session, image: Image
) -> None:
    told: list[Progress] = []
    with Server(Images()) as server:
        registry = Registry()
        server.handle = hidden(registry, "/other/blobs/sha256")
        push(store, session, image, name(server))
        push(store, session, image, name(server, "other:1"), tell=told.append)
    assert outcomes(told) == ["mounted", "mounted"]


def test_a_registry_that_mounts_nothing(
    store: Store, session: Session, image: Image
) -> None:
    told: list[Progress] = []
    registry = Registry()
    registry.mounts = False
    with Server(hidden(registry, "/other/blobs/sha256")) as server:
        push(store, session, image, name(server))
        push(store, session, image, name(server, "other:1"), tell=told.append)
    assert outcomes(told) == ["pushed", "pushed"]


def hidden(registry: Registry, part: str) -> Handle:
    """As if what has `part` in its path were not there, to HEAD."""

    def handle(asked: Asked) -> Answer:
        if asked.method == "HEAD" and part in asked.path:
            return Answer(404)
        return registry(asked)

    return handle


def test_an_image_keeps_its_digest_from_registry_to_registry(
    store: Store, session: Session
) -> None:
    """Though nobody here could compress its layers to the same bytes."""
    images, registry = Images(), Registry()
    made = add_image(images, ONE, TWO)
    with Server(images) as source, Server(registry) as target:
        pulled = pull(store, session, name(source))
        pushed = push(store, session, pulled.image, name(target))
    assert pushed.digest == digest(made)
    assert digest(gzipped(ONE)) in registry.blobs


def test_or_gets_another_one_when_its_source_is_gone(
    store: Store, session: Session
) -> None:
    images, registry = Images(), Registry()
    made = add_image(images, ONE, TWO)
    told: list[Progress] = []
    with Server(images) as source, Session(patience=HURRY) as before:
        pulled = pull(store, before, name(source))
    with Server(registry) as target:
        pushed = push(store, session, pulled.image, name(target), tell=told.append)
    assert pushed.digest != digest(made)
    assert [event for event in told if isinstance(event, Noted)]
    kind, data = registry.manifests["1"]
    assert kind == OCI_MANIFEST
    assert json.loads(data)["config"]["digest"] == pulled.image.id


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_compressions(
    store: Store, session: Session, image: Image, tmp_path: Path, compression: str
) -> None:
    other = Store.open(str(tmp_path / "other"))
    with Server(Registry()) as server:
        options = PushOptions(compression)
        push(store, session, image, name(server), options)
        assert pull(other, session, name(server)).image.id == image.id
    other.close()
