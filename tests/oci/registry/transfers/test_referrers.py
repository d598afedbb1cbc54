"""What refers to an image: signatures and the like."""

from __future__ import annotations

import json
from urllib.parse import unquote

from lamina.oci.digest import Digest
from lamina.oci.manifest import OCI_MANIFEST, Descriptor
from lamina.oci.manifest_json import parse_manifest
from lamina.oci.registry.fetched import Fetched
from lamina.oci.registry.session import Session
from lamina.oci.registry.transfers.referrers import fallback_tag, publish, referrers
from lamina.values import replace
from tests.oci.image_archives import OCI, descriptor
from tests.oci.registry.images import ONE, add_image
from tests.oci.registry.server import (
    Answer,
    Asked,
    Registry,
    Server,
    digest,
)
from tests.oci.registry.transfers.pushes import name


def signature(subject: bytes) -> Fetched:
    data = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": "application/vnd.example.signature",
            "config": descriptor("application/vnd.oci.empty.v1+json", b"{}"),
            "layers": [],
            "subject": descriptor(OCI + "manifest.v1+json", subject),
            "annotations": {"by": "me"},
        }
    ).encode()
    kind = Descriptor(OCI_MANIFEST, Digest.of(data), len(data))
    return Fetched(data, kind, parse_manifest(data))


def test_referrers_by_tag(session: Session) -> None:
    registry = Registry()
    made = add_image(registry, ONE)
    signed = signature(made)
    with Server(registry) as server:
        target = session.target(name(server))
        publish(target, signed.digest, signed)
        publish(target, signed.digest, signed)
        (found,) = referrers(target, Digest.of(made))
    assert fallback_tag(Digest.of(made)) in registry.manifests
    assert found.digest == signed.digest
    assert found.artifact_type == "application/vnd.example.signature"
    assert found.annotations == {"by": "me"}


def test_referrers_by_a_registry_that_knows_them(session: Session) -> None:
    registry = Registry()
    made = add_image(registry, ONE)
    signed = signature(made)
    listed = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI + "index.v1+json",
            "manifests": [descriptor(OCI_MANIFEST, signed.data)],
        }
    ).encode()

    other = descriptor(OCI_MANIFEST, b"{}", artifactType="application/vnd.other")
    first = json.dumps({"schemaVersion": 2, "manifests": [other]}).encode()

    def knows(asked: Asked) -> Answer:
        if "/referrers/" in asked.path:
            path, _, query = unquote(asked.path).partition("?")
            assert path.endswith(digest(made))
            # The first page says where the next one is.
            more = {"Link": f'<{path}?page=2>; rel="next"'}
            return Answer(200, listed) if query else Answer(200, first, more)
        answer = registry(asked)
        if asked.method == "PUT":
            headers = {**answer.headers, "OCI-Subject": digest(made)}
            return replace(answer, headers=headers)
        return answer

    with Server(knows) as server:
        target = session.target(name(server))
        publish(target, signed.digest, signed)
        another, found = referrers(target, Digest.of(made))
    assert another.artifact_type == "application/vnd.other"
    assert found.digest == signed.digest
    assert fallback_tag(Digest.of(made)) not in registry.manifests
