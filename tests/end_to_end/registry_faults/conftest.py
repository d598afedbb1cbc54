"""A registry with an image of two layers, and a machine that has nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.oci.reference import parse_reference
from tests.busybox import open_store
from tests.end_to_end.bases import Lamina
from tests.end_to_end.registry_faults.faults import (
    LARGE,
    NAME,
)
from tests.oci.stacks import put
from tests.registries import manifest_digest, registry


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of a small and a large layer, which nobody has compressed yet."""
    if os.geteuid() != 0:
        pytest.skip("needs the super-user: layers are made in this process")
    machine = Lamina(tmp_path_factory.mktemp("maker"))
    store = open_store(machine.place)
    image = put(store, {"small": b"small"}, {"large": LARGE})
    store.tag(parse_reference("large"), image.id)
    store.close()
    machine.run("save", "-o", machine.place / "large.tar", "large")
    return machine.place / "large.tar"


@pytest.fixture(scope="module")
def pushed(
    address: str, archive: Path, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The digest of the image, which lies in the registry as `faults/image:1`."""
    machine = Lamina(tmp_path_factory.mktemp("pusher"))
    machine.run("load", "-q", "-i", archive)
    machine.run("tag", "large", f"{address}/{NAME}")
    machine.run("push", "-q", f"{address}/{NAME}")
    return manifest_digest(address, "faults/image", "1")


@pytest.fixture
def owner(machine: Lamina, archive: Path) -> Lamina:
    """The machine, with the image in its store."""
    machine.run("load", "-q", "-i", archive)
    return machine


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Lamina]:
    """Lamina, its store empty; it leaves nothing behind."""
    command = Lamina(tmp_path)
    yield command
    command.check()
    command.end()
    assert command.left_behind() == []
