"""oci.registry.transfers.push: images arrive whole, once, and with their digest."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote

import pytest

from lamina.oci.digest import Digest
from lamina.oci.errors import DigestMismatch
from lamina.oci.manifest import OCI_MANIFEST, Descriptor
from lamina.oci.manifest_json import parse_manifest
from lamina.oci.reference import Reference, parse_reference
from lamina.oci.registry.errors import RegistryError, Unauthorized
from lamina.oci.registry.fetched import Fetched
from lamina.oci.registry.progress import Ended, Noted, Progress
from lamina.oci.registry.session import Session
from lamina.oci.registry.transfers.pull import pull
from lamina.oci.registry.transfers.push import PushOptions, push
from lamina.oci.registry.transfers.referrers import fallback_tag, publish, referrers
from lamina.oci.store.store import Image, Store
from lamina.values import replace
from tests.busybox import make_image
from tests.oci.image_archives import OCI, descriptor
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


def name(server: Server, rest: str = "app:1") -> Reference:
    return parse_reference(f"{server.address}/{rest}")


@pytest.fixture
def image(store: Store) -> Image:
    """An image of two layers that was never at a registry."""
    return make_image(store)


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


# A bad network


@pytest.mark.parametrize("kept", [0, 1, 100_000])
def test_an_upload_that_breaks_goes_on_where_it_broke(
    store: Store, session: Session, image: Image, kept: int
) -> None:
    registry = Registry()
    broken: list[str] = []

    def breaks(asked: Asked) -> Answer:
        path = asked.path.partition("?")[0]
        if asked.method == "PUT" and len(asked.body) > 200_000 and not broken:
            broken.append(path)
            registry.uploads[path] = asked.body[:kept]
            return Answer(0)
        return registry(asked)

    with Server(breaks) as server:
        push(store, session, image, name(server))
        pieces = [a for a in server.asked if a.method == "PATCH"]
        sizes = [len(a.body) for a in server.asked if a.method == "PUT"]
    # One byte looks like none: registries say `0-0` for both.
    if kept > 1:
        assert [a.headers["content-range"].partition("-")[0] for a in pieces] == [
            str(kept)
        ]
        assert 0 in sizes
    else:
        assert not pieces


def test_a_registry_that_loses_uploads(
    store: Store, session: Session, image: Image
) -> None:
    registry = Registry()
    lost: list[str] = []

    def loses(asked: Asked) -> Answer:
        if asked.method == "PUT" and len(asked.body) > 200_000 and len(lost) < 3:
            lost.append(asked.path)
            registry.uploads.clear()
            return Answer(503)
        return registry(asked)

    with Server(loses) as server:
        push(store, session, image, name(server))
    assert len(set(registry.manifests)) == 2


@pytest.mark.parametrize("status", [0, 429, 500, 503])
@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT"])
def test_what_passes_by_itself_is_waited_for(
    store: Store, session: Session, image: Image, status: int, method: str
) -> None:
    registry = Registry()
    left = [Answer(status)] * 3

    def fails(asked: Asked) -> Answer:
        return left.pop() if left and asked.method == method else registry(asked)

    with Server(fails) as server:
        push(store, session, image, name(server))
    assert "1" in registry.manifests


def test_pieces_for_who_refuses_large_requests(
    store: Store, session: Session, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lamina.oci.registry.transfers.upload._PIECE", 100_000)
    registry = Registry()

    def small(asked: Asked) -> Answer:
        return Answer(413) if len(asked.body) > 100_000 else registry(asked)

    with Server(small) as server:
        push(store, session, image, name(server))
        assert len([a for a in server.asked if a.method == "PATCH"]) > 3
    assert "1" in registry.manifests


def test_pieces_are_no_smaller_than_the_registry_wants(
    store: Store, session: Session, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lamina.oci.registry.transfers.upload._PIECE", 1000)
    registry = Registry()
    pieces: dict[str, list[int]] = {}

    def wants(asked: Asked) -> Answer:
        if len(asked.body) > 200_000:
            return Answer(413)
        answer = registry(asked)
        if asked.method == "PATCH":
            pieces.setdefault(asked.path, []).append(len(asked.body))
        if asked.method == "POST":
            return replace(
                answer, headers={**answer.headers, "OCI-Chunk-Min-Length": "150000"}
            )
        return answer

    with Server(wants) as server:
        push(store, session, image, name(server))
    assert "1" in registry.manifests
    assert pieces
    for sizes in pieces.values():
        assert all(size >= 150_000 for size in sizes[:-1])


@pytest.mark.parametrize("least", ["x", "-5", "", "9" * 400, "99999999999"])
def test_a_least_piece_that_is_none_or_more_than_there_is(
    store: Store, session: Session, image: Image, least: str
) -> None:
    registry = Registry()

    def wants(asked: Asked) -> Answer:
        answer = registry(asked)
        return replace(
            answer, headers={**answer.headers, "OCI-Chunk-Min-Length": least}
        )

    with Server(wants) as server:
        push(store, session, image, name(server))
    assert "1" in registry.manifests


def test_pieces_go_on_where_one_was_lost(
    store: Store, session: Session, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lamina.oci.registry.transfers.upload._PIECE", 100_000)
    registry = Registry()
    lost: list[str] = []

    def small(asked: Asked) -> Answer:
        if len(asked.body) > 100_000:
            return Answer(413)
        start = asked.headers.get("content-range", "").partition("-")[0]
        if start == "200000" and not lost:
            lost.append(asked.path)
            return Answer(502)
        return registry(asked)

    with Server(small) as server:
        push(store, session, image, name(server))
        starts = [a.headers.get("content-range") for a in server.asked if a.body]
    first = [given for given in starts if given and given.startswith("0-99999")]
    assert len(first) == 1
    assert lost


def test_no_manifest_without_its_layers(
    store: Store, session: Session, image: Image
) -> None:
    registry = Registry()

    def full(asked: Asked) -> Answer:
        if asked.method == "PUT" and len(asked.body) > 200_000:
            return Answer(507)
        return registry(asked)

    with Server(full) as server, pytest.raises(RegistryError, match="507"):
        push(store, session, image, name(server))
    assert not registry.manifests


def test_a_registry_that_stores_something_else(
    store: Store, session: Session, image: Image
) -> None:
    registry = Registry()

    def wrong(asked: Asked) -> Answer:
        answer = registry(asked)
        if asked.method == "PUT" and "/manifests/" in asked.path:
            return replace(answer, headers={"Docker-Content-Digest": digest(b"")})
        return answer

    with Server(wrong) as server, pytest.raises(DigestMismatch):
        push(store, session, image, name(server))


def test_a_location_elsewhere_gets_no_credentials(store: Store, image: Image) -> None:
    from tests.oci.registry.connection.test_authorizer import BASIC, Guard, session

    registry = Registry()
    guard = Guard(registry, 'Basic realm="it"', BASIC)
    with Server(registry) as elsewhere:

        def away(asked: Asked) -> Answer:
            answer = guard(asked)
            place = answer.headers.get("Location")
            if place:
                return replace(answer, headers={"Location": elsewhere.url + place})
            return answer

        with Server(away) as server:
            push(store, session(), image, name(server))
        assert elsewhere.paths("PUT")
        assert all(not asked.authorization for asked in elsewhere.asked)


def test_a_denied_push(store: Store, session: Session, image: Image) -> None:
    registry = Registry()

    def denies(asked: Asked) -> Answer:
        return Answer(403) if asked.method == "POST" else registry(asked)

    with Server(denies) as server, pytest.raises(Unauthorized):
        push(store, session, image, name(server))
    assert not registry.manifests


# What was pulled


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


# Referrers


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
