"""What --explain says of two keys: a recipe's words, and the part that differs."""

from __future__ import annotations

from typing import Any

import pytest

from lamina.builder.caching.wording import differences, distance

SHELL = ["/bin/sh", "-c"]


def run(**fields: Any) -> dict[str, Any]:
    key = {"version": 1, "kind": "run", "parent": "x", "reads": {}}
    return {**key, "args": [*SHELL, "make"], "env": {"A": "1"}, "cwd": "/", **fields}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (run(), run(env={"A": "2", "B": "3"}), ["ENV A 1 → 2", "ENV B 3 is new"]),
        (run(), run(env={}), ["ENV A is gone"]),
        (run(), run(args=[*SHELL, "make it"]), ["the command make → make it"]),
        (
            run(),
            run(args=["/bin/bash", "-ec", "make"]),
            ["the shell /bin/sh -c → /bin/bash -ec"],
        ),
        (run(), run(cwd="/app"), ["WORKDIR / → /app"]),
        (run(user=""), run(user="app"), ["USER app is new"]),
        (run(), run(platform="linux/arm64"), ["platform linux/arm64 is new"]),
        (
            run(),
            run(hosts=[["db", "10.0.0.1"]]),
            ["--add-host db 10.0.0.1 is new"],
        ),
        (
            run(mounts=[{"kind": "tmpfs", "target": "/t", "size": 0}]),
            run(mounts=[{"kind": "tmpfs", "target": "/t", "size": 9}]),
            ["the mount at /t: size 0 → 9"],
        ),
        (
            run(mounts=[{"kind": "bind", "target": "/a"}]),
            run(mounts=[{"kind": "bind", "target": "/b"}]),
            ["the mount at /a is gone", "the mount at /b is new"],
        ),
        (run(exclude=["a"]), run(exclude=["a", "b"]), ["--exclude a → a b"]),
        (
            run(scripts={"EOF": "a"}),
            run(scripts={"EOF": "b"}),
            ["the text of <<EOF changed"],
        ),
    ],
)
def test_words(old: dict[str, Any], new: dict[str, Any], said: list[str]) -> None:
    assert [*differences(old, new)] == said


def test_long_commands_are_shown_where_they_differ() -> None:
    long = "apt-get update && " + "apt-get install -y one two three four five six " * 3
    (said,) = differences(
        run(args=[*SHELL, f"{long}seven && true"]),
        run(args=[*SHELL, f"{long}eight && true"]),
    )
    assert said.startswith("the command ...")
    assert "seven && true → ..." in said and said.endswith("eight && true")
    assert len(said) < 100


def test_distance_counts_each_variable() -> None:
    assert distance(run(), run()) == 0
    assert distance(run(), run(env={"A": "2", "B": "3"})) == 2
    assert distance(run(), run(cwd="/x", user="y")) == 2
