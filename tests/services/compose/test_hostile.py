"""Files that somebody wrote to do harm: each ends in a ComposeError or a project."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from lamina.services.compose.asked import Asked
from lamina.services.compose.load import load
from lamina.services.compose.schema import SERVICE
from lamina.services.errors import ComposeError
from tests.services.compose.projects import loaded, refused, write

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("services: {a: {image: '" + "${A:-{}" * 100_000 + "'}}", "is no variable"),
        ("services: {a: {image: x, ports: ['" + "1:" * 100_000 + "']}}", "It is no"),
        (
            "services: {a: {image: x, ports: ["
            + ", ".join(f"'{n}0000-{n}8999'" for n in range(1, 6))
            + "]}}",
            "more than 10,000 ports",
        ),
        ("services: {a: {image: x, command: '" + "1 " * 100_000 + "'}}", "too long"),
        ("services: {a: {image: x, scale: '" + "1" * 100_000 + "'}}", "whole number"),
        ("services: {a: {image: x, " + "k" * 900 + ": 1}}", "There is no key"),
    ],
)
def test_long_texts_take_no_long_time(tmp_path: Path, text: str, said: str) -> None:
    assert said in refused(tmp_path, text).message


def test_variables_do_not_multiply(tmp_path: Path) -> None:
    text = "services: {a: {image: x, labels: [" + "'$A'," * 1000 + "]}}"
    error = refused(tmp_path, text, environment={"A": "x" * 100_000})
    assert "the file gets too long" in error.message


def test_long_chains(tmp_path: Path) -> None:
    services = {
        f"s{n}": {"image": "x", "depends_on": [f"s{n + 1}"]} for n in range(900)
    }
    services["s900"] = {"image": "x"}
    found = loaded(tmp_path, json.dumps({"services": services}))
    assert len(found.tree["services"]) == 901
    services["s900"]["depends_on"] = ["s0"]
    error = refused(tmp_path, json.dumps({"services": services}))
    assert "s0 → s1 → s2" in error.message
    assert len(error.message) < 200
    extending = {f"s{n}": {"extends": f"s{n + 1}"} for n in range(100)}
    error = refused(tmp_path, json.dumps({"services": extending}))
    assert "More than 40 services extend each other" in error.message


def test_what_a_terminal_would_obey_is_not_printed(tmp_path: Path) -> None:
    error = refused(tmp_path, 'services: {a: {image: x, "\\e[2J": 1}}')
    assert "\x1b" not in error.message + error.excerpt + error.place


VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    "",
    "a",
    "a:b",
    "/a",
    "./a:/b:ro",
    "80-90:80-90",
    "${A}",
    "$",
    "10s",
    "50M",
    "service:web",
    "x=y",
    "~/x",
    "base.yaml",
    "\x00",
    "\u20ac",
    [],
    {},
    ["a", "a"],
    [None],
    [[]],
    [{}],
    {"a": None},
    {"a": {}},
    {"source": "a"},
    {"target": 80},
    {"type": "bind"},
    {"path": "base.yaml"},
    {"x-a": [1]},
]


def _written(tree: Any, chance: random.Random) -> str:
    """Flow YAML, with tags here and there."""
    tag = chance.choice(["", "", "", "", "", "!reset ", "!override "])
    if isinstance(tree, dict):
        items = (f"{json.dumps(k)}: {_written(v, chance)}" for k, v in tree.items())
        return f"{tag}{{{', '.join(items)}}}"
    if isinstance(tree, list):
        return f"{tag}[{', '.join(_written(item, chance) for item in tree)}]"
    return tag + json.dumps(tree)


@pytest.mark.parametrize("seed", range(8))
def test_nonsense_is_refused_or_read(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    keys = sorted(SERVICE)

    def service() -> dict[str, Any]:
        chosen = chance.sample(keys, chance.randint(0, 3))
        return {"image": "x", **{key: chance.choice(VALUES) for key in chosen}}

    for _ in range(60):
        names = ["compose.yaml", "second.yaml", "base.yaml"]
        for name in names:
            tree = {"services": {"web": service(), "db": service()}}
            if chance.random() < 0.3:
                section = chance.choice(["networks", "volumes", "include", "configs"])
                tree[section] = chance.choice(VALUES)
            write(tmp_path, {name: _written(tree, chance)})
        asked = Asked(
            str(tmp_path), {"A": "1"}, files=tuple(names[:2]), profiles=("*",)
        )
        try:
            json.dumps(load(asked).tree)
        except ComposeError as error:
            assert error.message


def test_bytes_of_all_sorts(tmp_path: Path) -> None:
    chance = random.Random(1)
    seed = b"services:\n  web:\n    image: x\n    ports: ['80:80']\n    command: a b\n"
    for _ in range(300):
        data = bytearray(seed)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(data))
            if chance.random() < 0.5:
                data[at] = chance.randrange(256)
            else:
                del data[at : at + chance.randint(1, 9)]
        (tmp_path / "compose.yaml").write_bytes(bytes(data))
        try:
            load(Asked(str(tmp_path), {}, name="x"))
        except ComposeError as error:
            assert error.message
