"""Pulls through each fault."""

from __future__ import annotations

import time

import pytest

from lamina.values import replace
from tests.end_to_end.bases import Lamina
from tests.end_to_end.registry_faults.faults import (
    LARGE,
    NAME,
    layers_with_large,
    pull,
    ranges,
    spoiled,
)
from tests.oci.registry.server import Answer, Asked, Server, faulty, forward


@pytest.mark.parametrize("count", [0, 1, 400_000, (1 << 20) + 100])
def test_a_cut_after_so_many_bytes(
    machine: Lamina, address: str, pushed: str, count: int
) -> None:
    handle = spoiled(address, lambda answer: replace(answer, cut=count))
    asked = pull(machine, handle, pushed)
    assert ranges(asked) == ([f"bytes={count}-"] if count else [])


def test_a_cut_again_and_again(machine: Lamina, address: str, pushed: str) -> None:
    """Each try brings something, so none of them was the last one."""
    handle = spoiled(address, lambda answer: replace(answer, cut=70_000), times=9)
    assert len(ranges(pull(machine, handle, pushed))) == 9


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize("part", ["/manifests/1", "/manifests/sha256:", "/blobs/"])
def test_an_answer_that_passes(
    machine: Lamina, address: str, pushed: str, status: int, part: str
) -> None:
    def fault(asked: Asked) -> Answer | None:
        return Answer(status) if part in asked.path else None

    if part == "/manifests/sha256:":
        name = NAME.replace(":1", f"@{pushed}")
        with Server(faulty(forward(address), fault)) as server:
            machine.run("pull", f"{server.address}/{name}")
        assert layers_with_large(machine) == [LARGE]
        return
    asked = pull(machine, faulty(forward(address), fault), pushed)
    spoilt = [a.path for a in asked if part in a.path]
    assert len(spoilt) > len(set(spoilt))


def test_as_long_as_the_server_says(machine: Lamina, address: str, pushed: str) -> None:
    """Retry-After is honoured, to the second: nothing is asked before."""
    inner, moments = forward(address), list[float]()

    def busy(asked: Asked) -> Answer:
        moments.append(time.monotonic())
        if len(moments) == 1:
            return Answer(429, b"", {"Retry-After": "2"})
        return inner(asked)

    pull(machine, busy, pushed)
    assert moments[1] - moments[0] >= 2


def test_a_wait_that_is_too_long(machine: Lamina, address: str, pushed: str) -> None:
    def fault(asked: Asked) -> Answer | None:
        return Answer(429, b"", {"Retry-After": "86400"})

    asked = pull(machine, faulty(forward(address), fault), pushed, code=1)
    assert len([a for a in asked if "/manifests/" in a.path]) == 1


def test_a_slow_registry(machine: Lamina, address: str, pushed: str) -> None:
    handle = spoiled(address, lambda answer: replace(answer, pause=2.0))
    assert ranges(pull(machine, handle, pushed)) == []


def _wrong(answer: Answer) -> Answer:
    body = answer.body
    return replace(answer, body=body[:-100] + bytes([body[-100] ^ 1]) + body[-99:])


def test_wrong_bytes_never_enter(machine: Lamina, address: str, pushed: str) -> None:
    pull(machine, spoiled(address, _wrong, times=99), pushed, code=1)
    # Nothing of it is believed later, either.
    pull(machine, forward(address), pushed)


def test_a_cut_and_then_wrong_bytes(machine: Lamina, address: str, pushed: str) -> None:
    """What is resumed is verified as a whole."""

    def cut(answer: Answer) -> Answer:
        return replace(answer, cut=300_000)

    spoils = [_wrong, cut]

    def spoil(answer: Answer) -> Answer:
        return spoils.pop()(answer)

    handle = spoiled(address, spoil, times=2)
    pull(machine, handle, pushed, code=1)


@pytest.mark.parametrize("more", [-1000, -1, 1, 1000])
def test_a_body_of_another_length(
    machine: Lamina, address: str, pushed: str, more: int
) -> None:
    """Both the body and what Content-Length says are wrong together."""

    def other(answer: Answer) -> Answer:
        body = answer.body + bytes(more) if more > 0 else answer.body[:more]
        headers = {k: v for k, v in answer.headers.items() if k != "Content-Length"}
        return replace(answer, body=body, headers=headers)

    pull(machine, spoiled(address, other, times=99), pushed, code=1)


@pytest.mark.parametrize("more", [-1000, -1, 1, 1000])
def test_a_content_length_that_lies(
    machine: Lamina, address: str, pushed: str, more: int
) -> None:
    def lying(answer: Answer) -> Answer:
        said = {**answer.headers, "Content-Length": str(len(answer.body) + more)}
        return replace(answer, headers=said)

    pull(machine, spoiled(address, lying, times=99), pushed, code=1)


def test_a_manifest_over_the_limit(machine: Lamina, address: str, pushed: str) -> None:
    inner = forward(address)

    def large(asked: Asked) -> Answer:
        answer = inner(asked)
        if "/manifests/" not in asked.path:
            return answer
        headers = {k: v for k, v in answer.headers.items() if k != "Content-Length"}
        return replace(answer, body=answer.body + b" " * (5 << 20), headers=headers)

    asked = pull(machine, large, pushed, code=1)
    assert not [a for a in asked if "/blobs/" in a.path]


def test_a_manifest_of_another_digest(
    machine: Lamina, address: str, pushed: str
) -> None:
    inner = forward(address)

    def other(asked: Asked) -> Answer:
        answer = inner(asked)
        if "/manifests/" not in asked.path:
            return answer
        return replace(
            answer,
            body=answer.body.replace(b"{", b"{ ", 1),
            headers={k: v for k, v in answer.headers.items() if k != "Content-Length"},
        )

    pull(machine, other, pushed, code=1)
