"""oci.registry.transfers.push_index: several platforms under one name, as they came."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lamina.oci.manifest import Index
from lamina.oci.manifest_json import parse_manifest
from lamina.oci.platforms import Member
from lamina.oci.reference import Reference, parse_reference
from lamina.oci.registry.progress import Noted, Progress
from lamina.oci.registry.session import Session
from lamina.oci.registry.transfers.pull import pull_all
from lamina.oci.registry.transfers.push import PushOptions
from lamina.oci.registry.transfers.push_index import push_index
from lamina.oci.store.annotations import INDEX, annotate
from lamina.oci.store.image_index import put_index
from lamina.oci.store.store import Store
from tests.oci.image_archives import descriptor
from tests.oci.registry.images import add_index, manifest
from tests.oci.registry.server import Registry, Server, digest
from tests.oci.stacks import put

STATEMENT = b'{"_type": "https://in-toto.io/Statement/v1"}'


def name(server: Server, rest: str) -> Reference:
    return parse_reference(f"{server.address}/{rest}")


def attest(registry: Registry) -> bytes:
    """What BuildKit adds to an index: a manifest for no platform, its blobs JSON."""
    registry.add_blob(b"{}")
    registry.add_blob(STATEMENT)
    made = json.loads(manifest(b"{}"))
    made["layers"] = [descriptor("application/vnd.in-toto+json", STATEMENT)]
    data = json.dumps(made).encode()
    registry.add_manifest(made["mediaType"], data)
    return data


def test_from_registry_to_registry_as_it_came(store: Store, session: Session) -> None:
    here, there = Registry(), Registry()
    attested = attest(here)
    listed = add_index(here, (attested, "unknown/unknown"))
    with Server(here) as server, Server(there) as far:
        pulled = pull_all(store, session, name(server, "app:1"))
        pushed = push_index(store, session, pulled.id, name(far, "app:2"))
        # Its own blobs are mounted, or there.
        again = push_index(store, session, pulled.id, name(server, "other:2"))
    assert pushed.digest == again.digest == digest(listed)
    assert there.manifests["2"][1] == listed
    assert digest(attested) in there.manifests
    assert digest(STATEMENT) in there.blobs
    assert set(there.blobs) == set(here.blobs)


def test_from_where_it_was_pushed_when_the_first_is_gone(
    store: Store, session: Session
) -> None:
    here, there, third = Registry(), Registry(), Registry()
    listed = add_index(here, (attest(here), "unknown/unknown"))
    with Server(there) as far, Server(third) as farthest:
        with Server(here) as server:
            pulled = pull_all(store, session, name(server, "app:1"))
            push_index(store, session, pulled.id, name(far, "app:1"))
        pushed = push_index(store, session, pulled.id, name(farthest, "app:1"))
    assert pushed.digest == digest(listed)


def test_what_was_attested_cannot_be_had(store: Store, session: Session) -> None:
    here, there = Registry(), Registry()
    attested = attest(here)
    listed = add_index(here, (attested, "unknown/unknown"))
    told: list[Progress] = []
    with Server(here) as server, Server(there) as far:
        pulled = pull_all(store, session, name(server, "app:1"))
        del here.manifests[digest(attested)]
        pushed = push_index(
            store, session, pulled.id, name(far, "app:1"), tell=told.append
        )
    assert pushed.digest != digest(listed)
    index = parse_manifest(there.manifests["1"][1])
    assert isinstance(index, Index)
    assert [str(e.platform) for e in index.manifests] == ["linux/amd64", "linux/s390x"]
    (note,) = [event.text for event in told if isinstance(event, Noted)]
    assert "stays behind" in note


@pytest.mark.parametrize("change", ["compression", "annotations"])
def test_an_index_that_is_to_be_another_one(
    store: Store, session: Session, change: str
) -> None:
    here, there = Registry(), Registry()
    listed = add_index(here)
    options = PushOptions()
    with Server(here) as server, Server(there) as far:
        pulled = pull_all(store, session, name(server, "app:1"))
        if change == "compression":
            options = PushOptions("zstd", recompress=True)
        else:
            annotate(store, pulled.id, {INDEX: {"by": "me"}})
        pushed = push_index(store, session, pulled.id, name(far, "app:1"), options)
    assert pushed.digest != digest(listed)
    document = json.loads(there.manifests["1"][1])
    assert len(document["manifests"]) == 2


def test_one_that_was_made_here(store: Store, session: Session, tmp_path: Path) -> None:
    one = put(store, {"one": b"1"})
    two = put(store, {"two": b"2"}, architecture="s390x")
    members = (Member("linux/amd64", one.id), Member("linux/s390x", two.id))
    identity = put_index(store, members)
    registry = Registry()
    other = Store.open(str(tmp_path / "other"))
    with Server(registry) as server:
        pushed = push_index(store, session, identity, name(server, "app:1"))
        pulled = pull_all(other, session, name(server, "app:1"))
    other.close()
    assert pulled.digest == pushed.digest
    assert pulled.index == identity
