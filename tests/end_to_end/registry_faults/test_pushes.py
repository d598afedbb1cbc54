"""Pushes through each fault."""

from __future__ import annotations

import time

import pytest

from tests.end_to_end.bases import Lamina
from tests.end_to_end.registry_faults.faults import (
    arrived,
    push,
)
from tests.oci.registry.server import Answer, Asked, faulty, forward


@pytest.mark.parametrize("status", [0, 429, 500, 503])
@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT"])
def test_a_push_that_is_refused_once(
    owner: Lamina, address: str, pushed: str, status: int, method: str
) -> None:
    def fault(asked: Asked) -> Answer | None:
        return Answer(status) if asked.method == method else None

    name = f"refused/{method.lower()}-{status}"
    push(owner, faulty(forward(address), fault), address, name)
    arrived(owner, address, name, pushed)


def test_a_manifest_that_is_refused_once(
    owner: Lamina, address: str, pushed: str
) -> None:
    def fault(asked: Asked) -> Answer | None:
        is_manifest = asked.method == "PUT" and "/manifests/" in asked.path
        return Answer(500) if is_manifest else None

    push(owner, faulty(forward(address), fault), address, "refused/manifest")
    arrived(owner, address, "refused/manifest", pushed)


def test_a_push_that_is_cut_in_the_middle(
    owner: Lamina, address: str, pushed: str
) -> None:
    """Half of the blob reaches the registry in a request of its own, which the
    client takes for lost; it asks how much came, and sends the rest."""

    def fault(asked: Asked) -> Answer | None:
        if asked.method != "PUT" or len(asked.body) < 200_000:
            return None
        half = asked.body[: len(asked.body) // 2]
        path = asked.path.partition("&digest=")[0]
        headers = {k: v for k, v in asked.headers.items() if k != "content-length"}
        forward(address)(Asked("PATCH", path, headers, half))
        return Answer(0)

    asked = push(owner, faulty(forward(address), fault), address, "cut/middle")
    arrived(owner, address, "cut/middle", pushed)
    sent = [len(a.body) for a in asked if len(a.body) > 200_000]
    assert len(sent) >= 2


def test_large_requests_are_refused(owner: Lamina, address: str, pushed: str) -> None:
    """A proxy that takes 8 MiB at most gets pieces."""
    inner = forward(address)

    def small(asked: Asked) -> Answer:
        if asked.method == "PUT" and len(asked.body) > 200_000:
            return Answer(413)
        return inner(asked)

    asked = push(owner, small, address, "pieces")
    arrived(owner, address, "pieces", pushed)
    assert "PATCH" in {a.method for a in asked}


def test_a_slow_upload(owner: Lamina, address: str, pushed: str) -> None:
    inner = forward(address)

    def slow(asked: Asked) -> Answer:
        if asked.method == "PUT":
            time.sleep(1)
        return inner(asked)

    push(owner, slow, address, "slow/push")
    arrived(owner, address, "slow/push", pushed)
