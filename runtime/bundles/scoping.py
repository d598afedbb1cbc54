"""`--systemd-cgroup`: a container's cgroup is a scope that systemd makes, as with runc.

The scope begins with the container's first process inside, since systemd makes none
that is empty; it waits meanwhile (isolation/oneshot.py). What systemd does not know of
is written into the cgroup then.
"""

from __future__ import annotations

import os

from lamina.runtime.cgroups import chosen, systemd
from lamina.runtime.cgroups.bus import outer_id
from lamina.runtime.cgroups.hierarchy import MOUNT, place_of
from lamina.runtime.cgroups.scopes import (
    SYSTEM,
    USER,
    Scope,
    device_properties,
    named,
    properties,
    scope_of,
)
from lamina.runtime.errors import LimitError, NoSystemd
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.bundles.config import Config
    from lamina.runtime.bundles.state import Record
    from lamina.runtime.cgroups.cgroup import Cgroup
    from lamina.runtime.cgroups.scopes import Property
    from lamina.runtime.spec import Resources

_USUAL = {SYSTEM: "system.slice", USER: "user.slice"}


@value
class Wish:
    """Which systemd is to make which scope; `manager` is "" where there is none."""

    manager: str
    scope: Scope


def wish(config: Config, identity: str) -> Wish:
    """What `cgroupsPath` asks for; raises ContainerError for a form that is none."""
    manager = _manager()
    usual = _USUAL[manager or SYSTEM]
    return Wish(manager, scope_of(config.spec.cgroup, identity, usual))


def _manager() -> str:
    """The machine's systemd for root; for a user, who may be root in a namespace, the
    user's own."""
    if outer_id() != 0 and systemd.has_user_manager():
        return USER
    return SYSTEM if systemd.runs() else ""


def start(wished: Wish, pid: int, identity: str, config: Config) -> Cgroup:
    """Have the scope made around a process; raises LimitError, and then there is none.

    Should this process be killed meanwhile, the other one ends, for it waits for this,
    and its scope with it.
    """
    from lamina.runtime.bundles.unit_annotations import unit_properties

    resources, version = config.spec.resources, _version()
    more: list[Property] = [*properties(resources, version)]
    if version == 1:
        more += device_properties(resources.devices)
    more += unit_properties(config.spec.annotations)
    text = f"lamina-runtime container {identity}"
    path = systemd.start(wished.manager, wished.scope, (pid,), text, more)
    if not path:
        raise LimitError(f"{wished.scope.unit} ended before its container began.")
    try:
        return chosen.around(path, resources)
    except BaseException:
        systemd.stop(wished.manager, wished.scope.unit)
        raise


def come_near(known: Record) -> None:
    """Be where a process may be moved from into a user's container: below what is
    theirs. A session is not, so this process gets a scope of its own then, as podman
    does; raises NoSystemd."""
    if known.manager == USER:
        common = os.path.commonpath((place_of(os.getpid()) or "/", known.cgroup))
        if not os.access(f"{MOUNT}{common}/cgroup.procs", os.W_OK):
            own = named(f"lamina-exec-{os.getpid()}", _USUAL[USER])
            text = f"lamina-runtime exec {known.id}"
            systemd.start(USER, own, (os.getpid(),), text)


def change(known: Record, resources: Resources) -> None:
    """Tell systemd of other limits, so that it does not write the former ones."""
    if known.unit and (found := properties(resources, _version())):
        systemd.change(known.manager, known.unit, found)


def stop(known: Record) -> str:
    """Have systemd forget the scope; why not, where it does not answer: the processes
    have ended all the same."""
    if known.unit:
        try:
            systemd.stop(known.manager, known.unit)
        except NoSystemd as error:
            return str(error)
    return ""


def _version() -> int:
    return 2 if os.path.exists(f"{MOUNT}/cgroup.controllers") else 1
