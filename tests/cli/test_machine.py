"""What the machine refuses at whatever call is a sentence."""

from __future__ import annotations

import errno

import pytest

from lamina.cli.machine import machine_error


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "No space left on the disk: /some/file."),
        (errno.EROFS, "The file system is mounted read-only: /some/file."),
        (errno.EMFILE, "Too many files are open: /some/file."),
    ],
)
def test_a_refusal_names_its_file(number: int, said: str) -> None:
    error = machine_error(OSError(number, "as the kernel says it", "/some/file"))
    assert error is not None and error.message == said


def test_a_fault_of_ours_is_none() -> None:
    assert machine_error(FileNotFoundError(errno.ENOENT, "no such file", "x")) is None
    unnamed = machine_error(OSError(errno.EDQUOT, "over quota"))
    assert unnamed is not None and unnamed.message == "No quota left on the disk."
