"""Mirrors: asked first, never believed."""

from __future__ import annotations

import pytest

from lamina.oci.platforms import parse_platform
from lamina.oci.registry.connection.hosts import Registries
from lamina.oci.registry.session import Session
from lamina.oci.registry.transfers.pull import pull
from lamina.oci.store.store import Store
from tests.oci.image_archives import OCI
from tests.oci.registry.conftest import HURRY
from tests.oci.registry.images import (
    ONE,
    TWO,
    add_image,
    add_index,
    gzipped,
    index,
)
from tests.oci.registry.server import Answer, Images, Server, digest
from tests.oci.registry.transfers.pulls import content, name, spoiled_blob


def mirrored(server: Server, *mirrors: str) -> Session:
    tables = {server.address: {"mirrors": list(mirrors)}}
    return Session(Registries(tables), patience=HURRY)


def test_a_mirror_is_asked_first(store: Store) -> None:
    images = Images()
    add_image(images, ONE)
    with Server(images) as mirror, Server(images) as own:
        pull(store, mirrored(own, mirror.url), name(own))
        assert mirror.asked and not own.asked


def test_a_mirror_that_is_wrong_costs_only_time(store: Store) -> None:
    images, bad = Images(), Images()
    add_image(images, ONE)
    add_image(bad, ONE)
    bad.blobs[digest(gzipped(ONE))] = spoiled_blob(gzipped(ONE))
    with Server(Images()) as empty, Server(bad) as mirror, Server(images) as own:
        session = mirrored(own, empty.url, mirror.url)
        pulled = pull(store, session, name(own))
        assert content(store, pulled, 0, "etc/name") == b"one"
        assert [path.rpartition("/")[2] for path in own.paths()] == [
            digest(gzipped(ONE))
        ]


@pytest.mark.parametrize(
    "page", [b"<html>Please log in to the network</html>", b"[" * 9000, b'{"a": 1}']
)
def test_a_mirror_that_answers_with_something_else(store: Store, page: bytes) -> None:
    """A login page of a hotel's network, with 200."""
    images = Images()
    add_image(images, ONE)
    answer = Answer(200, page, {"Content-Type": "text/html"})
    with Server(lambda asked: answer) as mirror, Server(images) as own:
        pulled = pull(store, mirrored(own, mirror.url), name(own))
    assert content(store, pulled, 0, "etc/name") == b"one"


def test_a_mirror_without_the_platform(store: Store) -> None:
    """It has the index as it was before the platform came to it."""
    stale, images = Images(), Images()
    add_index(images)
    old = add_image(stale, TWO)
    stale.add_manifest(OCI + "index.v1+json", index((old, "linux/arm64")), "1")
    with Server(stale) as mirror, Server(images) as own:
        session = mirrored(own, mirror.url)
        pulled = pull(store, session, name(own), parse_platform("linux/s390x"))
    assert content(store, pulled, 0, "etc/other") == b"two"
