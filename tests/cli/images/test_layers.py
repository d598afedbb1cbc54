"""`lamina layers` and `lamina diff IMAGE IMAGE`, as a user types them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lamina.cli.main import main
from lamina.oci.config import History
from lamina.oci.reference import parse_reference
from lamina.oci.store.store import Store
from tests.oci.stacks import put

HISTORY = (
    History(created_by="COPY a / # buildkit"),
    History(created_by="CMD [sh]", empty_layer=True),
    History(created_by="RUN /bin/sh -c rm big # buildkit"),
)


@pytest.fixture
def root(tmp_path: Path) -> str:
    place = str(tmp_path / "store")
    store = Store.open(place)
    name = os.fsdecode(b"new\xff\n")
    layers = ({"big": b"x" * 2000, "kept": b"y" * 100}, {"big": None, name: b"12"})
    one = put(store, layers[0])
    two = put(store, *layers, history=HISTORY, cmd=("sh",))
    store.tag(parse_reference("one"), one.id)
    store.tag(parse_reference("two"), two.id)
    store.close()
    return place


def said(capsys: pytest.CaptureFixture[str], root: str, *words: str) -> list[str]:
    assert main(["--root", root, *words]) == 0
    return capsys.readouterr().out.splitlines()


def test_layers_as_a_table(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    head, first, second, total = said(capsys, root, "layers", "two")
    assert head.split()[:3] == ["LAYER", "SIZE", "WASTED"]
    assert first.split()[1:] == ["2.1kB", "2kB", "2", "0", "0", "COPY", "a", "/"]
    assert second.split()[1:] == ["2B", "-", "1", "0", "1", "RUN", "rm", "big"]
    assert total == "2 layers, 2.1kB, of which 2kB (95 %) wasted"
    lines = said(capsys, root, "layers", "--files", "--top", "1", "two")
    assert lines[2].split() == ["2kB", "all", "/big"]
    assert lines[4].split() == ["2B", "/new\\xff\\x0a"]


def test_layers_as_json(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, root, "layers", "two", "--format", "json", "--files")
    first, second = map(json.loads, lines)
    assert first.pop("layer").startswith("sha256:")
    assert first == {
        "step": "COPY a /",
        "bytes": 2100,
        "wasted": 2000,
        "added": 2,
        "changed": 0,
        "removed": 0,
        "files": [
            {"path": "/big", "bytes": 2000, "wasted": True},
            {"path": "/kept", "bytes": 100, "wasted": False},
        ],
    }
    assert second["removed"] == 1
    assert said(capsys, root, "layers", "one", "--format", "{{.Step}}|{{.Size}}") == [
        "|2.1kB"
    ]


def test_diff_of_images(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, root, "diff", "one", "two") == [
        "D     -2kB  /big",
        "A      +2B  /new\\xff\\x0a",
        "~ Cmd",
        '  + ["sh"]',
        "1 added, 1 removed, -2kB, 1 of the config",
    ]
    assert said(capsys, root, "diff", "one", "one") == ["no difference"]
    lines = said(capsys, root, "diff", "two", "one", "--format", "json")
    assert [json.loads(line)["kind"] for line in lines] == ["A", "D", "config"]


def test_diff_takes_one_or_two(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", root, "diff", "one", "two", "three"]) != 0
    assert "one container, or two images" in capsys.readouterr().err
    assert main(["--root", root, "diff", "one", "none"]) != 0
    assert "There is no image 'none'" in capsys.readouterr().err
