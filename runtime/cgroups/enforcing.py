"""Limits and device rules, written into the files of a cgroup."""

from __future__ import annotations

import errno
import os

from lamina.runtime.cgroups import device_filter
from lamina.runtime.cgroups.hierarchy import Hierarchy, write
from lamina.runtime.cgroups.limits import Setting, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lamina.runtime.spec import DeviceRule, Resources

_Place = tuple[Hierarchy, str]  # and the cgroup's directory in it


def enforce(places: Iterable[_Place], resources: Resources, asked: bool) -> None:
    """Write the settings; one that the kernel refuses may need a later one first.

    v1 wants memory <= memory and swap at every moment, whichever way they move.
    Raises LimitError for what was `asked` for and is refused.
    """
    pending = [
        (f"{place}/{setting.file}", setting)
        for h, place in places
        for setting in settings(resources, h.version)
        if setting.controller in h.controllers
    ]
    while pending:
        refused = [(p, s, e) for p, s in pending if (e := _set(p, s))]
        if len(refused) == len(pending):
            if asked:
                from lamina.runtime.cgroups import refusals

                raise refusals.refused(refused[0][1], refused[0][2])
            return
        pending = [(p, s) for p, s, _ in refused]


def _set(path: str, setting: Setting) -> OSError | None:
    """Write one setting; the error where the kernel refuses it."""
    try:
        write(path, setting.text)
    except OSError as error:
        if error.errno == errno.ENOENT and setting.optional:
            return None
        return error
    return None


def limit_devices(place: str, version: int, rules: Sequence[DeviceRule]) -> None:
    """Let the cgroup at `place` use these devices, and what every container may."""
    access = device_filter.rules_for(rules)
    try:
        if version == 1:
            for file, lines in device_filter.v1_writes(access):
                write(f"{place}/{file}", *lines)
        else:
            fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                device_filter.attach(fd, device_filter.v2_program(access))
            finally:
                os.close(fd)
    except PermissionError:
        # Without CAP_SYS_ADMIN on the host no device can be made anyway.
        pass
