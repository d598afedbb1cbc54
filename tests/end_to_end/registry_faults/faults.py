"""A real registry behind a proxy that spoils things.

The image has a small and a large layer; what is spoiled is the transfer of the large
one, or what comes before it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from tests.end_to_end.bases import Lamina
from tests.oci.registry.server import Answer, Asked, Handle, Server, forward
from tests.registries import manifest_digest

Fault = Callable[[Asked], Answer | None]

# Incompressible, so that it is as large as it looks on its way, too.
LARGE = os.urandom(1 << 20)
NAME = "faults/image:1"


def is_large(answer: Answer) -> bool:
    return answer.status in (200, 206) and len(answer.body) > 200_000


def spoiled(address: str, spoil: Callable[[Answer], Answer], times: int = 1) -> Handle:
    """The registry, with the first `times` transfers of a large blob spoiled."""
    inner, lock, left = forward(address), threading.Lock(), [times]

    def handle(asked: Asked) -> Answer:
        answer = inner(asked)
        if asked.method != "GET" or not is_large(answer):
            return answer
        with lock:
            left[0] -= 1
            if left[0] < 0:
                return answer
        return spoil(answer)

    return handle


def pull(machine: Lamina, handle: Handle, digest: str, code: int = 0) -> list[Asked]:
    """Pull the image by way of `handle`; what was asked. Its files are right."""
    with Server(handle) as server:
        done = machine.run("pull", f"{server.address}/{NAME}", code=code)
    if code:
        assert machine.run("images", "-q").out == ""
        assert not layers_with_large(machine)
        return server.asked
    assert f"Digest: {digest}" in done.out
    assert layers_with_large(machine) == [LARGE]
    return server.asked


def layers_with_large(machine: Lamina) -> list[bytes]:
    found = machine.store.glob("layers/*/large")
    return [path.read_bytes() for path in found]


def ranges(asked: list[Asked]) -> list[str]:
    return [a.headers["range"] for a in asked if "range" in a.headers]


def push(owner: Lamina, handle: Handle, address: str, name: str) -> list[Asked]:
    """Push the image by way of `handle`; what was asked. It arrives as it is."""
    with Server(handle) as server:
        owner.run("tag", "large", f"{server.address}/{name}:1")
        owner.run("push", "-q", f"{server.address}/{name}:1")
    return server.asked


def arrived(owner: Lamina, address: str, name: str, digest: str) -> None:
    assert manifest_digest(address, name, "1") == digest
    other = Lamina(owner.place, owner.place / "other" / "store")
    other.run("pull", "-q", f"{address}/{name}:1")
    assert layers_with_large(other) == [LARGE]
