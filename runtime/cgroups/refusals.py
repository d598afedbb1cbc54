"""Why there is no limit: what the kernel says, in words."""

from __future__ import annotations

import errno
import os

from lamina.runtime.errors import LimitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.cgroups.limits import Setting


def missing(controller: str, delegated: bool = False) -> LimitError:
    """No hierarchy has it, or systemd has not `delegated` it."""
    if delegated:
        return LimitError(
            f"systemd does not let this user limit by {controller}.",
            hint="Root lets users, with `Delegate=cpu cpuset io memory pids` below "
            "[Service] in `systemctl edit user@.service`, from the next login on.",
        )
    return LimitError(
        f"This machine has no cgroup controller for {controller}.",
        hint="Run without this limit, or enable the controller on the kernel's "
        f"command line (cgroup_enable={controller}).",
    )


def unusable(controller: str, error: OSError) -> LimitError:
    """It is there, and no cgroup can be made."""
    return LimitError(
        f"No cgroup can be made with {controller}: {os.strerror(error.errno or 0)}.",
        hint="In a container, give it a cgroup of its own whose root holds no "
        "processes, or run without this limit.",
    )


def refused(setting: Setting, error: OSError) -> LimitError:
    """The kernel does not take a setting."""
    if error.errno == errno.ENOENT:
        return LimitError(
            f"This kernel has no {setting.file}.",
            hint="Run without this limit; for memory.memsw: boot with swapaccount=1.",
        )
    return LimitError(
        f"The kernel refuses {setting.file} = {setting.text}: "
        f"{os.strerror(error.errno or 0)}.",
        hint="The memory in use may be above the limit already."
        if error.errno == errno.EBUSY
        else "See the ranges in the kernel's documentation of cgroups.",
    )
