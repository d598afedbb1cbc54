"""A network namespace, its firewall, and what runs in it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator

import pytest

from lamina.runtime.network import netlink, netns
from tests.runtime.lab import enter

Run = Callable[[str], str]


@pytest.fixture
def namespace() -> Iterator[int]:
    made = netns.new_namespace()
    yield made
    os.close(made)


@pytest.fixture
def nft(namespace: int) -> Iterator[netlink.Socket]:
    with netns.inside(namespace, lambda: netlink.Socket(netlink.NETFILTER)) as made:
        yield made


@pytest.fixture
def run(namespace: int) -> Run:
    def run(script: str) -> str:
        command = [*enter(namespace), "sh", "-ec", script]
        return subprocess.run(
            command, check=True, capture_output=True, text=True
        ).stdout

    return run
