"""Networks and volumes beside Docker's: the same documents, the same lists."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from tests.end_to_end.containers.machine import Machine

pytestmark = [
    pytest.mark.root("it asks dockerd"),
    pytest.mark.slow,
    pytest.mark.skipif("LAMINA_NO_DOCKER" in os.environ, reason="no dockerd runs here"),
]
# What Docker 20.10 does not say yet.
_YOUNGER = {"EnableIPv4"}


def docker(*words: str, code: int = 0) -> str:
    done = subprocess.run(
        ("/usr/bin/docker", *words), capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stdout


def shape(document: Any) -> Any:
    """The fields of a document, without what differs from one to the next."""
    if isinstance(document, dict):
        return {
            name: shape(inner)
            for name, inner in document.items()
            if name not in _YOUNGER
        }
    return type(document).__name__ if document is not None else "nothing"


def test_a_network_is_described_alike(lamina: Machine) -> None:
    name = f"lamina-{os.getpid()}"
    make = ("network", "create", "--label", "a=b", "--subnet", "10.219.77.0/24", name)
    docker(*make)
    try:
        theirs = json.loads(docker("network", "inspect", name))
        listed = docker("network", "ls").splitlines()[0]
    finally:
        docker("network", "rm", name)
    lamina(*make)
    try:
        ours = json.loads(lamina.out("network", "inspect", name))
        assert lamina.out("network", "ls").splitlines()[0] == listed
        assert lamina.out("network", "ls", "-q", "--no-trunc", "-f", f"name={name}")
    finally:
        assert lamina.out("network", "rm", name) == name
    theirs[0]["IPAM"]["Options"] = None  # {} with a subnet of its own choice
    assert shape(ours[0]) == shape(theirs[0])
    assert ours[0]["IPAM"]["Config"][0]["Subnet"] == "10.219.77.0/24"


def test_a_volume_is_described_alike(lamina: Machine) -> None:
    name = f"lamina-{os.getpid()}"
    make = (
        *("volume", "create", "--label", "a=b", "-o", "type=tmpfs"),
        *("-o", "device=tmpfs", "-o", "o=size=1m", name),
    )
    assert docker(*make) == f"{name}\n"
    try:
        theirs = json.loads(docker("volume", "inspect", name))
        listed = docker("volume", "ls", "-f", f"name={name}")
    finally:
        assert docker("volume", "rm", name) == f"{name}\n"
    assert lamina.out(*make) == name
    ours = json.loads(lamina.out("volume", "inspect", name))
    assert f"{lamina.out('volume', 'ls', '-f', f'name={name}')}\n" == listed
    assert lamina.out("volume", "rm", name) == name
    assert shape(ours[0]) == shape(theirs[0])
    for field in ("Name", "Labels", "Options", "Driver", "Scope"):
        assert ours[0][field] == theirs[0][field]
