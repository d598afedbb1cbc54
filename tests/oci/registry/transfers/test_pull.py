"""oci.registry.transfers.pull: images, indexes, and what is here already."""

from __future__ import annotations

import json
import threading

import pytest

from lamina.oci.errors import InvalidImage, NotFound
from lamina.oci.platforms import parse_platform
from lamina.oci.registry.progress import Ended, Progress
from lamina.oci.registry.session import Session
from lamina.oci.registry.transfers.known import known_name
from lamina.oci.registry.transfers.pull import pull, pull_all
from lamina.oci.store.image_index import members, source_of
from lamina.oci.store.store import Store
from tests.oci.image_archives import OCI, config, descriptor
from tests.oci.registry.images import (
    ONE,
    TWO,
    add_image,
    add_index,
    gzipped,
    index,
    manifest,
)
from tests.oci.registry.server import Images, Server, digest
from tests.oci.registry.transfers.pulls import content, name


def test_an_image_of_two_layers(store: Store, session: Session) -> None:
    images = Images()
    made = add_image(images, ONE, TWO)
    with Server(images) as server:
        pulled = pull(store, session, name(server))
    assert pulled.digest == digest(made)
    assert pulled.fresh
    assert content(store, pulled, 0, "etc/name") == b"one"
    assert content(store, pulled, 1, "etc/other") == b"two"
    assert store.image_manifest(pulled.image.id) == made


def test_layers_that_are_here_are_not_asked_for(store: Store, session: Session) -> None:
    images = Images()
    add_image(images, ONE, tags=("one",))
    add_image(images, ONE, TWO, tags=("both",))
    told: list[Progress] = []
    with Server(images) as server:
        pull(store, session, name(server, "app:one"))
        pull(store, session, name(server, "app:both"), tell=told.append)
        blobs = [path for path in server.paths() if digest(gzipped(ONE)) in path]
    assert len(blobs) == 1
    ended = {event.digest: event.outcome for event in told if isinstance(event, Ended)}
    assert ended == {digest(gzipped(ONE)): "exists", digest(gzipped(TWO)): "pulled"}


def test_an_index_gives_the_platform_that_is_asked_for(
    store: Store, session: Session
) -> None:
    images = Images()
    made = {}
    for platform, layer in (("linux/amd64", ONE), ("linux/s390x", TWO)):
        blob, written = gzipped(layer), config(layer, os="linux")
        images.add_blob(blob)
        images.add_blob(written)
        made[platform] = manifest(written, blob)
        images.add_manifest(OCI + "manifest.v1+json", made[platform])
    listed = index(*((data, platform) for platform, data in made.items()))
    images.add_manifest(OCI + "index.v1+json", listed, "1")
    with Server(images) as server:
        pulled = pull(store, session, name(server), parse_platform("linux/s390x"))
        assert pulled.digest == digest(listed)
        assert content(store, pulled, 0, "etc/other") == b"two"
        with pytest.raises(NotFound, match="no image for linux/riscv64"):
            pull(store, session, name(server), parse_platform("linux/riscv64"))


def test_all_platforms_of_an_index(store: Store, session: Session) -> None:
    images = Images()
    attested = manifest(b"{}")
    listed = add_index(images, (attested, "unknown/unknown"))
    with Server(images) as server:
        pulled = pull_all(store, session, name(server))
        again = pull_all(store, session, name(server))
        assert not [path for path in server.paths() if digest(attested) in path]
        known = known_name(store, name(server), parse_platform("linux/s390x"))
    assert pulled.digest == digest(listed)
    assert pulled.fresh
    assert not again.fresh
    assert pulled.index == again.index == pulled.id
    here = members(store, pulled.id)
    assert [member.platform for member in here] == ["linux/amd64", "linux/s390x"]
    assert known == here[1].id
    assert source_of(store, pulled.id) == listed


def test_all_platforms_of_an_image(store: Store, session: Session) -> None:
    images = Images()
    add_image(images, ONE)
    with Server(images) as server:
        pulled = pull_all(store, session, name(server))
    assert pulled.index is None
    assert pulled.id == pulled.image.id


def test_a_small_index_that_names_the_same_things_again_and_again(
    store: Store, session: Session
) -> None:
    """Four of them one in the other would be asked for a thousand million times."""
    images = Images()
    kind = OCI + "index.v1+json"
    made, inner = OCI + "manifest.v1+json", add_image(images, ONE)
    for _ in range(4):
        listed = [descriptor(made, inner)] * 180
        made = kind
        inner = json.dumps({"schemaVersion": 2, "manifests": listed}).encode()
        images.add_manifest(kind, inner, "1")
    with Server(images) as server:
        pulled = pull_all(store, session, name(server))
        asked = [path for path in server.paths() if "/manifests/" in path]
    assert pulled.image.layers
    assert len(asked) == 5


def test_an_index_without_images(store: Store, session: Session) -> None:
    images = Images()
    listed = index((manifest(b"{}"), "unknown/unknown"))
    images.add_manifest(OCI + "index.v1+json", listed, "1")
    with Server(images) as server, pytest.raises(InvalidImage, match="has no image"):
        pull_all(store, session, name(server))


def test_four_pulls_at_once_fetch_a_layer_once(store: Store, session: Session) -> None:
    images = Images()
    add_image(images, ONE, TWO)
    with Server(images) as server:
        crew = [
            threading.Thread(target=pull, args=(store, session, name(server)))
            for _ in range(4)
        ]
        for thread in crew:
            thread.start()
        for thread in crew:
            thread.join()
        fetched = [path for path in server.paths() if digest(gzipped(ONE)) in path]
    assert len(fetched) == 1
    assert len(store.images()) == 1
