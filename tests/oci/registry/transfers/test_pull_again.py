"""A bad network: what passes by itself, and how a pull goes on."""

from __future__ import annotations

import pytest

from lamina.oci.registry.errors import RegistryError
from lamina.oci.registry.session import Session
from lamina.oci.registry.transfers.pull import pull
from lamina.oci.store.store import Store
from lamina.values import replace
from tests.oci.registry.conftest import HURRY
from tests.oci.registry.images import (
    ONE,
    TWO,
    add_image,
    gzipped,
)
from tests.oci.registry.server import Answer, Asked, Images, Server, digest, faulty
from tests.oci.registry.transfers.pulls import content, name


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
