"""Every test gets `lamina`: the command, on a store with one image, `busybox`.

Tests of real distributions get `bootstrapped`: a copy of a store in which Debian was
made from packages, once a day on a machine.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.oci.files.removal import remove_tree
from tests.end_to_end.bases import Lamina, project
from tests.end_to_end.machines import Machines
from tests.registries import registry

# What root made is root's; another user's lies where its other temporary files do.
_SHARED = Path("/var/tmp" if os.geteuid() == 0 else tempfile.gettempdir())
_SHARED /= "lamina-tests"
_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


@pytest.fixture
def lamina(tmp_path: Path) -> Iterator[Lamina]:
    """The command on a store of its own; nothing may be left when the test ends."""
    command = Lamina(tmp_path).with_base()
    yield command
    command.end()
    assert command.left_behind() == []


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    """Stores of their own; nothing may be left of any."""
    found = Machines(tmp_path)
    yield found
    found.end()


@pytest.fixture(scope="session")
def debian() -> Path:
    """A store with the bases of the samples; not to be changed, only copied."""
    place = _SHARED / time.strftime("%Y-%m-%d", time.gmtime())
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(place / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "done").exists():
            for old in _SHARED.iterdir():
                if old != place:
                    with contextlib.suppress(OSError):
                        remove_tree(str(old))
            command = Lamina(place)
            for number, flags in enumerate(("", "--include=ca-certificates ")):
                recipe = f"FROM {flags}bootstrap:debian/bookworm\n"
                command.build(project(place / str(number), recipe))
            with contextlib.suppress(OSError):
                os.sync()
            assert command.left_behind() == []
            (place / "done").touch()
    return place / "store"


@pytest.fixture
def bootstrapped(tmp_path: Path, debian: Path) -> Iterator[Lamina]:
    """The command on a store of its own that has Debian."""
    command = Lamina(tmp_path)
    shutil.copytree(debian, command.store, symlinks=True)
    yield command
    command.end()
    assert command.left_behind() == []


@pytest.fixture(scope="session")
def certificates() -> tuple[str, ...]:
    """Flags that lend the host's certificates to steps: a network may have its own."""
    if os.path.exists(_BUNDLE):
        return ("--secret", f"id=ca,src={_BUNDLE}")
    return ()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry without passwords and TLS, as everybody takes one on loopback."""
    with registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Lamina]:
    """Lamina with an empty store."""
    command = Lamina(tmp_path, tmp_path / "other" / "store")
    yield command
    command.end()
    assert command.left_behind() == []
