"""A bad network: what passes by itself, and how a push goes on."""

from __future__ import annotations

import pytest

from lamina.oci.errors import DigestMismatch
from lamina.oci.registry.errors import RegistryError, Unauthorized
from lamina.oci.registry.session import Session
from lamina.oci.registry.transfers.push import push
from lamina.oci.store.store import Image, Store
from lamina.values import replace
from tests.oci.registry.server import (
    Answer,
    Asked,
    Registry,
    Server,
    digest,
)
from tests.oci.registry.transfers.pushes import name


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
