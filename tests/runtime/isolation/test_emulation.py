"""runtime.emulation: entries of binfmt_misc as the kernel shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.oci.platforms import Platform, host_platform
from lamina.runtime.isolation.emulation import (
    Emulator,
    NotRunnable,
    emulator,
    require_runnable,
)

# What /proc/sys/fs/binfmt_misc/qemu-s390x has for Debian's qemu-user-static.
S390X = """\
enabled
interpreter /usr/libexec/qemu-binfmt/s390x-binfmt-P
flags: POCF
offset 0
magic 7f454c4602020100000000000000000000020016
mask ffffffffffffff00fffffffffffffffffffeffff
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table with the entries that every system has."""
    (tmp_path / "register").touch()
    (tmp_path / "status").write_text("enabled\n")
    (tmp_path / "python3.11").write_text(
        "enabled\ninterpreter /usr/bin/python3.11\nflags: \noffset 0\nmagic a70d0d0a\n"
    )
    (tmp_path / "suffix").write_text("enabled\ninterpreter /x\nflags: \nextension .x\n")
    return tmp_path


def test_an_emulator_is_found_by_what_it_is_for(table: Path) -> None:
    assert emulator("s390x", str(table)) is None
    (table / "any-name").write_text(S390X)
    found = emulator("s390x", str(table))
    interpreter = "/usr/libexec/qemu-binfmt/s390x-binfmt-P"
    assert found == Emulator("any-name", interpreter, is_fixed=True)
    # Equal but for the machine, and for the order of bytes.
    assert emulator("ppc64", str(table)) is None
    assert emulator("arm64", str(table)) is None
    assert require_runnable("linux/s390x", str(table)) == found


def test_what_is_disabled_or_cannot_be_opened_inside_is_told(table: Path) -> None:
    (table / "qemu").write_text(S390X.replace("enabled", "disabled"))
    with pytest.raises(NotRunnable, match="no emulator is registered for s390x") as no:
        require_runnable("s390x", str(table))
    assert "qemu-user-static" in no.value.hint
    assert no.value.exit_code == 125
    (table / "qemu").write_text(S390X.replace("POCF", "POC"))
    with pytest.raises(NotRunnable, match="without the flag F"):
        require_runnable("s390x", str(table))


def test_a_table_that_is_not_mounted_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotRunnable) as caught:
        require_runnable("s390x", str(tmp_path))
    assert "mount -t binfmt_misc" in caught.value.hint


def test_this_machine_needs_none(tmp_path: Path) -> None:
    host = host_platform()
    assert require_runnable(str(host), str(tmp_path)) is None
    older = {"amd64": "386", "arm64": "arm"}.get(host.architecture, host.architecture)
    assert require_runnable(str(Platform("linux", older)), str(tmp_path)) is None
