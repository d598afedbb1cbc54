"""builder.cachekey: golden keys. A key that changes makes every user build again."""

from __future__ import annotations

import json

import pytest

from lamina.builder.solving.cachekey import cache_key
from lamina.builder.solving.graph import (
    CopyOp,
    Inline,
    Operation,
    RunMount,
    RunOp,
    Step,
    WorkdirOp,
)
from lamina.builder.solving.layers import result_digest
from lamina.oci.digest import Digest
from lamina.values import replace

RUN = RunOp(("/bin/sh", "-c", "make"), ("A=1", "B=2"), "/src", "", "default", "sandbox")
COPY = CopyOp(False, ("src",), (), "/app/")
PARENT = result_digest((Digest.of(b"layer"),))

GOLDEN: dict[str, Operation] = {
    "run": RUN,
    "run-script": replace(RUN, scripts=(Inline("/dev/pipes/EOF", "#!/bin/sh\n"),)),
    "run-mounts": replace(
        RUN,
        mounts=(
            RunMount("cache", "/root/.cache", id="pip"),
            RunMount("secret", "/run/secrets/token", id="token", mode=0o400),
            RunMount("bind", "/src", source="."),
        ),
    ),
    "copy": COPY,
    "copy-flags": replace(COPY, chown="app:app", chmod="755", exclude=("*.md",)),
    "copy-inline": CopyOp(False, (), (Inline("motd", "hi\n"),), "/etc/"),
    "add": replace(COPY, add=True, unpack=False),
    "workdir": WorkdirOp("/srv", "app"),
}


def key(operation: Operation, parent: str = PARENT, digest: str = "d") -> str:
    step = Step(3, "a name", operation, 2, None)
    return cache_key(step, parent, {"src": digest}, "linux/amd64").digest


@pytest.mark.parametrize("name", GOLDEN)
def test_keys_are_as_they_were(name: str, golden: dict[str, str]) -> None:
    assert key(GOLDEN[name]) == golden[name]


@pytest.fixture
def golden() -> dict[str, str]:
    import os

    path = os.path.join(os.path.dirname(__file__), "cachekeys.json")
    with open(path, encoding="ascii") as file:
        found: dict[str, str] = json.load(file)
    return found


def test_names_and_places_are_in_no_key() -> None:
    one = Step(1, "one name", RUN, 0, None)
    other = Step(7, "another", RUN, 5, None)
    keys = [cache_key(step, PARENT, {}, "linux/amd64") for step in (one, other)]
    assert keys[0] == keys[1]


@pytest.mark.parametrize(
    "change",
    [
        {"args": ("/bin/sh", "-c", "make all")},
        {"env": ("A=1", "B=3")},
        {"cwd": "/"},
        {"user": "app"},
        {"network": "none"},
    ],
)
def test_all_that_a_command_sees_is_in_its_key(change: dict[str, object]) -> None:
    assert key(replace(RUN, **change)) != key(RUN)


@pytest.mark.parametrize(
    "change", [{"no_cache": True}, {"max_age": 10**9}, {"test": False}]
)
def test_when_a_step_runs_is_not_in_its_key(change: dict[str, object]) -> None:
    assert key(replace(RUN, **change)) == key(RUN)
    assert key(replace(COPY, if_exists=True)) == key(COPY)


def test_a_test_is_no_run() -> None:
    assert key(replace(RUN, test=True)) != key(RUN)


def test_a_quirk_that_counts_is_another_step() -> None:
    for operation in (COPY, WorkdirOp("/srv", "app")):
        assert key(replace(operation, quirks=("a",))) != key(operation)


def test_the_parents_result_and_the_files_read_are_in_it() -> None:
    assert key(COPY, parent=result_digest((Digest.of(b"other"),))) != key(COPY)
    assert key(COPY, digest="changed") != key(COPY)


def test_a_secret_is_in_no_key() -> None:
    secret = RunMount("secret", "/s", source="/home/me/token", id="token")
    elsewhere = replace(secret, source="/home/you/token")
    assert key(replace(RUN, mounts=(secret,))) == key(replace(RUN, mounts=(elsewhere,)))


def test_a_linked_copy_has_no_parent_unless_it_asks_it_for_a_name() -> None:
    for owner in ("", "1", "1:2", "1:"):
        linked = replace(COPY, link=True, chown=owner)
        assert key(linked, "another parent") == key(linked), owner
    for owner in ("app", "1:app", "app:1", ":1"):
        linked = replace(COPY, link=True, chown=owner)
        assert key(linked, "another parent") != key(linked), owner
