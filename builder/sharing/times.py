"""Times: what a tar leaves out of its files' times, the part below a second.

A tar of ours has whole seconds. Which files of a layer follow the epoch is told by a
moment in nanoseconds (docs/decisions/0004), and steps that compare times, make(1) among
them, see nanoseconds: on another machine the files are to have exactly those times that
they had where they were made.

The bytes are a little-endian u32 of nanoseconds for each member of the tar that has a
time, in the tar's order; zeros at the end are left out.
"""

from __future__ import annotations

import os
from array import array
from sys import byteorder

from lamina.oci.errors import InvalidArchive
from lamina.oci.layers.changeset import walk

_SECOND = 10**9


def fractions_of(root: str) -> bytes:
    """The fractions of all files in the changeset `root`."""
    found = array("I")
    last = 0
    for member in walk(root):
        if not member.whiteout:
            found.append(member.status.st_mtime_ns % _SECOND)
            if found[-1]:
                last = len(found)
    del found[last:]
    return _little(found).tobytes()


def set_fractions(root: str, data: bytes) -> None:
    """Give the files in `root`, which have whole seconds, their fractions.

    Raises InvalidArchive where the two do not fit.
    """
    if len(data) % 4:
        raise InvalidArchive("The times of a layer are cut.")
    given = array("I")
    given.frombytes(data)
    _little(given)
    if not given:
        return
    left = iter(given)
    for member in walk(root):
        if member.whiteout:
            continue
        fraction = next(left, 0)
        if fraction >= _SECOND:
            raise InvalidArchive("The times of a layer are damaged.")
        if fraction:
            time = member.status.st_mtime_ns // _SECOND * _SECOND + fraction
            os.utime(
                member.name,
                ns=(time, time),
                dir_fd=member.directory,
                follow_symlinks=False,
            )
    if next(left, None) is not None:
        raise InvalidArchive("The times of a layer are of another one.")


def _little(numbers: array[int]) -> array[int]:
    """The same array with its bytes turned round where the machine has them so."""
    if byteorder == "big":
        numbers.byteswap()
    return numbers
