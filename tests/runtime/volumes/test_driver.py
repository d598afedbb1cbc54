"""What a volume's options come to."""

from __future__ import annotations

import pytest

from lamina.runtime import syscalls
from lamina.runtime.volumes import driver
from lamina.runtime.volumes.driver import FileSystem
from lamina.runtime.volumes.stored import VolumeError


def test_a_directory_of_the_host() -> None:
    options = {"type": "none", "o": "bind,ro", "device": "/srv"}
    driver.check(options)
    assert driver.bound_path(options) == "/srv"
    assert driver.file_system(options) is None
    assert driver.file_system({}) is None


def test_options_of_the_mount_and_of_the_file_system() -> None:
    options = {
        "type": "tmpfs",
        "device": "tmpfs",
        "o": "size=1m,noexec,nosuid,rw,mode=700",
    }
    driver.check(options)
    assert driver.file_system(options) == FileSystem(
        "tmpfs",
        "tmpfs",
        (("size", "1m"), ("mode", "700")),
        syscalls.MOUNT_ATTR_NOEXEC | syscalls.MOUNT_ATTR_NOSUID,
    )
    assert driver.is_memory(options)


def test_nfs_is_told_an_address() -> None:
    options = {"type": "nfs", "device": ":/x", "o": "addr=localhost,vers=4"}
    made = driver.file_system(options)
    assert made is not None
    assert dict(made.settings)["addr"] in ("127.0.0.1", "::1")


@pytest.mark.parametrize(
    "options",
    [
        {"size": "1"},
        {"type": "tmpfs"},
        {"device": "/x"},
        {"o": "bind"},
        {"type": "none", "device": "/x\n", "o": "bind"},
    ],
)
def test_options_that_mean_nothing(options: dict[str, str]) -> None:
    with pytest.raises(VolumeError):
        driver.check(options)
