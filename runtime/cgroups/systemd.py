"""systemd's part: it makes a scope, changes its limits and stops it.

Over its private socket, or a message bus (org.freedesktop.systemd1(5)). The manager is
the machine's, or an ordinary user's own.
"""

from __future__ import annotations

import contextlib
import os

from lamina.runtime.cgroups import bus
from lamina.runtime.cgroups.bus import Bus, Refusal
from lamina.runtime.cgroups.scopes import SYSTEM, USER, described
from lamina.runtime.errors import NoSystemd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from lamina.runtime.cgroups.scopes import Property, Scope

_NAME = "org.freedesktop.systemd1"
_MANAGER = ("/org/freedesktop/systemd1", f"{_NAME}.Manager")
_PROPERTIES = "org.freedesktop.DBus.Properties"
_SYSTEM_PLACES = (
    ("/run/systemd/private", False),
    ("/run/dbus/system_bus_socket", True),
)
# What not every systemd knows, and since when.
_SINCE = {"AllowedCPUs": 244, "AllowedMemoryNodes": 244, "CPUQuotaPeriodUSec": 242}
_GONE = (f"{_NAME}.NoSuchUnit", f"{_NAME}.UnitNotLoaded")
_TRIES = 2
_SIGKILL = 9


def runs() -> bool:
    """Whether systemd has started this machine (sd_booted(3))."""
    return os.path.isdir("/run/systemd/system")


def has_user_manager() -> bool:
    """Whether this user has a systemd of their own."""
    return any(os.path.exists(path) for path, _ in _user_places())


def start(
    manager: str,
    scope: Scope,
    pids: Iterable[int],
    text: str,
    more: Iterable[Property] = (),
) -> str:
    """Make a scope with processes inside; its cgroup, from the root of the hierarchies.

    `more` comes after what every scope is, and may say it differently. Raises
    NoSystemd.
    """
    with _asking(manager, f"start {scope.unit}") as line:
        asked = {**dict(described(scope, pids, text)), **dict(more)}
        line.expect(_MANAGER, "JobRemoved")
        result = _start(line, scope, _known(line, asked))
        if result != "done":
            _forget(line, scope.unit)
            raise NoSystemd(
                f"systemd could not start {scope.unit}: {result}.",
                hint=f"`{_journal(manager)}` says why.",
            )
        place = (_path_of(scope.unit), _PROPERTIES)
        wanted = (f"{_NAME}.Scope", "ControlGroup")
        ((_, path),) = line.call(place, "Get", "ss", wanted)
        return str(path)


def _start(line: Bus, scope: Scope, given: list[Property]) -> str:
    """The result of the job; one that failed under this name before is forgotten."""
    for left in reversed(range(_TRIES)):
        try:
            words: tuple[object, ...] = (scope.unit, "fail", given, [])
            answer = line.call(
                _MANAGER, "StartTransientUnit", "ssa(sv)a(sa(sv))", words
            )
        except Refusal as refusal:
            if not left or refusal.name != f"{_NAME}.UnitExists":
                raise
            _forget(line, scope.unit)
            continue
        return _result(line, answer[0])
    raise AssertionError


def _result(line: Bus, job: str) -> str:
    """How a job ended: `done`, or why not."""
    return str(line.wait("JobRemoved", lambda body: body[1] == job)[3])


def attach(manager: str, unit: str, below: str, pid: int) -> bool:
    """Put a process into a cgroup `below` a unit's; whether it was there to be put.
    Raises NoSystemd."""
    with _asking(manager, f"put {pid} into {unit}") as line:
        words = (unit, below, [pid])
        try:
            line.call(_MANAGER, "AttachProcessesToUnit", "ssau", words)
        except Refusal:
            if not os.path.exists(f"/proc/{pid}"):
                return False
            raise
        return True


def change(manager: str, unit: str, properties: Iterable[Property]) -> None:
    """Set limits anew, for as long as the unit is there; raises NoSystemd."""
    with _asking(manager, f"change {unit}") as line:
        given = _known(line, dict(properties))
        line.call(_MANAGER, "SetUnitProperties", "sba(sv)", (unit, True, given))


def stop(manager: str, unit: str) -> None:
    """Have a unit end and be forgotten; nothing happens when it is gone. What is left
    in it is killed: systemd would ask it to end, and wait. Raises NoSystemd."""
    with _asking(manager, f"stop {unit}") as line:
        line.expect(_MANAGER, "JobRemoved")
        try:
            line.call(_MANAGER, "KillUnit", "ssi", (unit, "all", _SIGKILL))
            answer = line.call(_MANAGER, "StopUnit", "ss", (unit, "replace"))
            _result(line, answer[0])
        except Refusal as refusal:
            if refusal.name not in _GONE:
                raise
        _forget(line, unit)


def _forget(line: Bus, unit: str) -> None:
    try:
        line.call(_MANAGER, "ResetFailedUnit", "s", (unit,))
    except Refusal as refusal:
        if refusal.name not in _GONE:
            raise


def _known(line: Bus, properties: Mapping[str, tuple[str, object]]) -> list[Property]:
    """Without those that this systemd is too old for."""
    version = _version(line) if properties.keys() & _SINCE.keys() else 0
    return [(k, v) for k, v in properties.items() if _SINCE.get(k, 0) <= version]


def _version(line: Bus) -> int:
    asked = (f"{_NAME}.Manager", "Version")
    ((_, text),) = line.call((_MANAGER[0], _PROPERTIES), "Get", "ss", asked)
    digits = ""
    for letter in str(text).lstrip("v"):
        if not letter.isdecimal():
            break
        digits += letter
    return int(digits or 0)


def _path_of(unit: str) -> str:
    """The object of a unit: what is no letter, nor a digit further on, is `_` and its
    code."""
    plain = (
        c if c.isalpha() or (place and c.isdecimal()) else f"_{ord(c):02x}"
        for place, c in enumerate(unit)
    )
    return f"{_MANAGER[0]}/unit/{''.join(plain)}"


@contextlib.contextmanager
def _asking(manager: str, what: str) -> Iterator[Bus]:
    """A connection to ask for something; what goes wrong is told as NoSystemd."""
    line = _connect(manager)
    try:
        yield line
    except Refusal as refusal:
        raise _refused(manager, what, refusal) from refusal
    except OSError as error:
        raise _silent(manager, error) from error
    finally:
        line.close()


def _connect(manager: str) -> Bus:
    try:
        return bus.connect(
            _SYSTEM_PLACES if manager == SYSTEM else _user_places(), _NAME
        )
    except ModuleNotFoundError:
        raise NoSystemd(
            "The Python package jeepney is not installed, by which systemd is asked.",
            hint="`pip install jeepney`, or do without systemd.",
        ) from None
    except OSError as error:
        raise _silent(manager, error) from error


def _user_places() -> tuple[tuple[str, bool], ...]:
    run = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{bus.outer_id()}"
    found = [(f"{run}/systemd/private", False)]
    kind, _, path = os.environ.get("DBUS_SESSION_BUS_ADDRESS", "").partition("=")
    if kind == "unix:path":
        found.append((path.partition(",")[0], True))
    return (*found, (f"{run}/bus", True))


def _journal(manager: str) -> str:
    return "journalctl --user -e" if manager == USER else "journalctl -e"


def _refused(manager: str, what: str, refusal: Refusal) -> NoSystemd:
    text = str(refusal).rstrip(".")
    return NoSystemd(
        f"systemd does not {what}: {text}.",
        hint=f"`{_journal(manager)}` may say more.",
    )


def _silent(manager: str, error: OSError) -> NoSystemd:
    whose = "The systemd of this user" if manager == USER else "systemd"
    why = error.strerror or str(error)
    return NoSystemd(
        f"{whose} does not answer: {why}.",
        hint="`loginctl enable-linger` starts it for a user without a session; "
        "XDG_RUNTIME_DIR tells where it is."
        if manager == USER
        else "Without it, leave out --systemd-cgroup.",
    )
