"""What a registry may send, and what never comes into the store."""

from __future__ import annotations

import json

import pytest

from lamina.errors import LaminaError
from lamina.oci.errors import DigestMismatch, InvalidArchive, InvalidImage
from lamina.oci.reference import Reference, parse_reference
from lamina.oci.registry.errors import Missing, Refused, RegistryError
from lamina.oci.registry.session import Session
from lamina.oci.registry.transfers.pull import pull
from lamina.oci.store.store import Store
from tests.oci.image_archives import OCI, config, descriptor
from tests.oci.registry.images import (
    ONE,
    TWO,
    add_image,
    gzipped,
    manifest,
)
from tests.oci.registry.server import Answer, Asked, Images, Server, digest
from tests.oci.registry.transfers.pulls import is_empty, name, spoiled_blob


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (spoiled_blob, DigestMismatch),
        (lambda data: data[:1000] + bytes(len(data) - 1000), DigestMismatch),
        (lambda data: data[:-1], DigestMismatch),
        (lambda data: data + b"more", DigestMismatch),
        (lambda data: b"", DigestMismatch),
    ],
    ids=["a bit", "zeros", "short", "long", "nothing"],
)
def test_other_bytes_than_the_digest_says(
    store: Store,
    session: Session,
    spoil: object,
    error: type[LaminaError],
) -> None:
    images = Images()
    add_image(images, ONE)
    blob = gzipped(ONE)
    images.blobs[digest(blob)] = spoil(blob)  # type: ignore[operator]
    with Server(images) as server, pytest.raises(error):
        pull(store, session, name(server))
    assert is_empty(store)


@pytest.mark.parametrize("more", [-1, 1, 100])
def test_a_content_length_that_lies(store: Store, session: Session, more: int) -> None:
    images = Images()
    add_image(images, ONE)
    blob = gzipped(ONE)

    def lies(asked: Asked) -> Answer:
        if digest(blob) in asked.path:
            return Answer(200, blob, {"Content-Length": str(len(blob) + more)})
        return images(asked)

    with Server(lies) as server, pytest.raises(DigestMismatch, match="bytes at the"):
        pull(store, session, name(server))
    assert is_empty(store)


def test_a_body_that_always_ends_early(store: Store, session: Session) -> None:
    """It has no ranges either, so that no try gets farther than the first."""
    images = Images()
    add_image(images, ONE)
    blob = gzipped(ONE)

    def ends(asked: Asked) -> Answer:
        if digest(blob) in asked.path:
            return Answer(200, blob, cut=5000)
        return images(asked)

    with Server(ends) as server, pytest.raises(RegistryError):
        pull(store, session, name(server))
    assert is_empty(store)


def test_a_manifest_over_the_limit(store: Store, session: Session) -> None:
    """CVE-2023-25153."""
    huge = json.dumps({"schemaVersion": 2, "x": "y" * (5 << 20)}).encode()
    images = Images()
    images.add_manifest(OCI + "manifest.v1+json", huge, "1")
    with Server(images) as server, pytest.raises(Refused, match="no more than"):
        pull(store, session, name(server))
    assert is_empty(store)


def test_a_manifest_of_another_digest(store: Store, session: Session) -> None:
    """CVE-2024-24557: what comes is what was named."""
    images = Images()
    made = add_image(images, ONE)
    images.manifests[digest(made)] = (OCI + "manifest.v1+json", made + b" ")
    reference = parse_reference(f"registry.invalid/app@{digest(made)}")
    with (
        Server(images) as server,
        pytest.raises(DigestMismatch, match="has the digest"),
    ):
        pull(
            store,
            session,
            Reference(server.address, "app", None, reference.digest),
        )
    assert is_empty(store)


def test_a_config_over_the_limit(store: Store, session: Session) -> None:
    images = Images()
    made = json.loads(add_image(images, ONE))
    made["config"]["size"] = 5 << 20
    images.add_manifest(OCI + "manifest.v1+json", json.dumps(made).encode(), "1")
    with Server(images) as server, pytest.raises(RegistryError, match="no more than"):
        pull(store, session, name(server))


def test_a_diff_id_that_the_config_does_not_have(
    store: Store, session: Session
) -> None:
    images = Images()
    blob, written = gzipped(ONE), config(TWO)
    images.add_blob(blob)
    images.add_blob(written)
    images.add_manifest(OCI + "manifest.v1+json", manifest(written, blob), "1")
    with Server(images) as server, pytest.raises(DigestMismatch, match="diff_id"):
        pull(store, session, name(server))
    assert is_empty(store)


def test_artifacts_and_schema_1(store: Store, session: Session) -> None:
    images = Images()
    images.add_blob(b"{}")
    made = json.loads(manifest(b"{}"))
    made["config"] = descriptor("application/vnd.oci.empty.v1+json", b"{}")
    made["artifactType"] = "application/vnd.example.sbom"
    images.add_manifest(OCI + "manifest.v1+json", json.dumps(made).encode(), "sbom")
    old = b'{"schemaVersion": 1, "fsLayers": [], "layers": []}'
    images.add_manifest(
        "application/vnd.docker.distribution.manifest.v1+json", old, "1"
    )
    with Server(images) as server:
        with pytest.raises(InvalidImage, match=r"artifact of the kind.*sbom"):
            pull(store, session, name(server, "app:sbom"))
        with pytest.raises(InvalidImage, match="schema 1"):
            pull(store, session, name(server))


def test_what_is_missing_is_not_asked_for_again(store: Store, session: Session) -> None:
    with Server(Images()) as server:
        with pytest.raises(Missing, match=r"127.0.0.1:\d+ has no manifest app:1"):
            pull(store, session, name(server))
        assert len(server.paths()) == 1


def test_a_layer_that_is_no_archive(store: Store, session: Session) -> None:
    images = Images()
    junk = gzipped(b"junk" * 1000)
    written = config(b"junk" * 1000)
    images.add_blob(junk)
    images.add_blob(written)
    images.add_manifest(OCI + "manifest.v1+json", manifest(written, junk), "1")
    with Server(images) as server, pytest.raises(InvalidArchive):
        pull(store, session, name(server))
    assert is_empty(store)
