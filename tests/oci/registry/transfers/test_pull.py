"""oci.registry.transfers.pull: what comes through a bad network, and what never."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from lamina.errors import LaminaError
from lamina.oci.errors import DigestMismatch, InvalidArchive, InvalidImage, NotFound
from lamina.oci.platforms import parse_platform
from lamina.oci.reference import Reference, parse_reference
from lamina.oci.registry.connection.hosts import Registries
from lamina.oci.registry.errors import Missing, Refused, RegistryError
from lamina.oci.registry.progress import Ended, Progress
from lamina.oci.registry.session import Session
from lamina.oci.registry.transfers.known import known_name
from lamina.oci.registry.transfers.pull import Pulled, pull, pull_all
from lamina.oci.store.image_index import members, source_of
from lamina.oci.store.store import Store
from lamina.values import replace
from tests.oci.image_archives import OCI, config, descriptor
from tests.oci.registry.conftest import HURRY
from tests.oci.registry.images import (
    ONE,
    TWO,
    add_image,
    add_index,
    gzipped,
    index,
    manifest,
)
from tests.oci.registry.server import Answer, Asked, Images, Server, digest, faulty


def name(server: Server, rest: str = "app:1") -> Reference:
    return parse_reference(f"{server.address}/{rest}")


def content(store: Store, pulled: Pulled, layer: int, path: str) -> bytes:
    return Path(store.layer_path(pulled.image.layers[layer]), path).read_bytes()


def is_empty(store: Store) -> bool:
    """No layer, no image, no blob, and nothing half done."""
    folders = ("layers", "skeletons", "blobs/sha256", "tmp", "locks")
    left = [name for folder in folders for name in os.listdir(f"{store.root}/{folder}")]
    return not store.images() and not left


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


# What passes


@pytest.mark.parametrize("after", [0, 1, 70_000, len(gzipped(ONE)) - 1])
def test_a_cut_is_followed_by_the_rest(
    store: Store, session: Session, after: int
) -> None:
    images = Images()
    add_image(images, ONE)
    blob = gzipped(ONE)

    def cut(asked: Asked) -> Answer | None:
        if digest(blob) not in asked.path:
            return None
        return Answer(200, blob, cut=after)

    with Server(faulty(images, cut)) as server:
        pulled = pull(store, session, name(server))
        ranges = [asked.headers.get("range") for asked in server.asked]
    assert content(store, pulled, 0, "etc/name") == b"one"
    # What TCP lost of it is asked for again; what came is not.
    again = [given for given in ranges if given]
    assert len(again) == (1 if after else 0)


def test_many_cuts_of_one_blob(store: Store, session: Session) -> None:
    images = Images()
    add_image(images, ONE)
    blob = gzipped(ONE)
    step = len(blob) // 12

    def cut(asked: Asked) -> Answer:
        given = images(asked)
        if digest(blob) in asked.path:
            return replace(given, cut=step)
        return given

    with Server(cut) as server:
        pulled = pull(store, session, name(server))
    assert content(store, pulled, 0, "etc/name") == b"one"


def test_a_registry_without_ranges_sends_all_again(
    store: Store, session: Session
) -> None:
    images = Images()
    add_image(images, ONE)
    blob = gzipped(ONE)
    cuts = [90_000, 200_000]

    def whole(asked: Asked) -> Answer:
        if digest(blob) in asked.path:
            return Answer(200, blob, cut=cuts.pop() if cuts else None)
        return images(asked)

    with Server(whole) as server:
        pulled = pull(store, session, name(server))
    assert content(store, pulled, 0, "etc/name") == b"one"


def test_a_registry_that_refuses_ranges(store: Store, session: Session) -> None:
    """416, as some object stores answer where nothing is the matter."""
    images = Images()
    add_image(images, ONE)
    blob = gzipped(ONE)

    cuts = [90_000]

    def refuses(asked: Asked) -> Answer:
        if digest(blob) not in asked.path:
            return images(asked)
        if "range" in asked.headers:
            return Answer(416, b"", {"Content-Range": f"bytes */{len(blob)}"})
        return Answer(200, blob, cut=cuts.pop() if cuts else None)

    with Server(refuses) as server:
        pulled = pull(store, session, name(server))
    assert content(store, pulled, 0, "etc/name") == b"one"


def test_a_blob_that_never_comes_is_asked_for_as_often_as_anything_else(
    store: Store, session: Session
) -> None:
    images = Images()
    add_image(images, ONE)
    blob = digest(gzipped(ONE))
    for status in (0, 503):  # no answer at all; none for now

        def never(asked: Asked, status: int = status) -> Answer:
            return Answer(status) if blob in asked.path else images(asked)

        with Server(never) as server, pytest.raises(RegistryError):
            pull(store, session, name(server))
        asked = [path for path in server.paths() if blob in path]
        assert len(asked) == HURRY.attempts


@pytest.mark.parametrize("status", [0, 429, 500, 502, 503])
@pytest.mark.parametrize("part", ["/manifests/", "/blobs/"])
def test_what_passes_by_itself_is_waited_for(
    store: Store, session: Session, status: int, part: str
) -> None:
    images = Images()
    add_image(images, TWO)
    broken = [Answer(status), Answer(status)]

    def fails(asked: Asked) -> Answer:
        return broken.pop() if broken and part in asked.path else images(asked)

    with Server(fails) as server:
        pulled = pull(store, session, name(server))
    assert content(store, pulled, 0, "etc/other") == b"two"


def test_a_slow_registry_is_only_slow(store: Store, session: Session) -> None:
    images = Images()
    add_image(images, ONE)
    blob = gzipped(ONE)

    def slow(asked: Asked) -> Answer:
        if digest(blob) in asked.path:
            return Answer(200, blob, pause=0.3)
        return images(asked)

    with Server(slow) as server:
        assert pull(store, session, name(server)).fresh


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


# What never comes in


def spoiled_blob(data: bytes) -> bytes:
    return data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]


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


# Mirrors


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
