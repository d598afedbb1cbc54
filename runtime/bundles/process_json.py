"""`process` of a config.json, and what `exec --process` is given, as a Process.

runtime-spec, config.md, Process; seccomp and namespaces are not its affair.
"""

from __future__ import annotations

import os

from lamina.runtime.bundles import fields
from lamina.runtime.bundles.json_text import InvalidJson
from lamina.runtime.errors import ContainerError
from lamina.runtime.spec import Process, Rlimit, Scheduler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.bundles.fields import Object

# linux/sched.h, linux/ioprio.h, linux/personality.h
_POLICIES = {
    "SCHED_OTHER": 0,
    "SCHED_FIFO": 1,
    "SCHED_RR": 2,
    "SCHED_BATCH": 3,
    "SCHED_ISO": 4,
    "SCHED_IDLE": 5,
    "SCHED_DEADLINE": 6,
}
_SCHEDULER_FLAGS = {
    "SCHED_FLAG_RESET_ON_FORK": 0x01,
    "SCHED_FLAG_RECLAIM": 0x02,
    "SCHED_FLAG_DL_OVERRUN": 0x04,
    "SCHED_FLAG_KEEP_POLICY": 0x08,
    "SCHED_FLAG_KEEP_PARAMS": 0x10,
    "SCHED_FLAG_UTIL_CLAMP_MIN": 0x20,
    "SCHED_FLAG_UTIL_CLAMP_MAX": 0x40,
}
_IO_CLASSES = {"IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3}
PERSONALITIES = {"LINUX": 0, "LINUX32": 8}
_NO_LIMIT = 2**64 - 1


def read_process(given: Object) -> Process:
    """The Process that a `process` object describes; raises ContainerError."""
    args = fields.texts(given, "args")
    if not args or not args[0]:
        raise InvalidJson("`process.args` has no command")
    cwd = fields.text(given, "cwd")
    if not cwd.startswith("/"):
        raise InvalidJson(f"`process.cwd` {cwd!r} is not an absolute path")
    user = fields.obj(given, "user")
    size = fields.obj(given, "consoleSize")
    sets = fields.obj(given, "capabilities")
    label, profile = _labels(given)
    affinity = fields.obj(given, "execCPUAffinity")
    cpus = fields.text(affinity, "final") or fields.text(affinity, "initial")
    return Process(
        args=args,
        env=fields.texts(given, "env"),
        cwd=cwd,
        ids=(fields.id_number(user, "uid"), fields.id_number(user, "gid")),
        groups=fields.ids(user, "additionalGids"),
        umask=fields.number(user, "umask", 0o022) & 0o777,
        terminal=fields.flag(given, "terminal"),
        console_size=(fields.number(size, "height"), fields.number(size, "width")),
        capabilities=known(sets, "bounding"),
        effective=known(sets, "effective"),
        permitted=known(sets, "permitted"),
        inheritable=known(sets, "inheritable"),
        ambient=known(sets, "ambient"),
        no_new_privileges=fields.flag(given, "noNewPrivileges"),
        rlimits=_rlimits(given),
        oom_score_adj=fields.optional_number(given, "oomScoreAdj"),
        apparmor_profile=profile,
        selinux_label=label,
        scheduler=_scheduler(given),
        io_priority=_io_priority(given),
        cpus=parse_cpus(cpus),
    )


def known(sets: Object, name: str) -> tuple[str, ...]:
    """The capabilities of a set that this kernel knows, as runc takes them: an engine
    may be younger than the kernel."""
    from lamina.runtime.isolation.privileges import CAPABILITIES

    words = (word.upper() for word in fields.texts(sets, name))
    return tuple(w for w in words if w.removeprefix("CAP_") in CAPABILITIES)


def unknown_capabilities(given: Object) -> tuple[str, ...]:
    """The names in its sets that stand for none here, for a warning."""
    sets = fields.obj(given, "capabilities")
    named = {word.upper() for name in sets for word in fields.texts(sets, name)}
    mine = {word for name in sets for word in known(sets, name)}
    return tuple(sorted(named - mine))


def _rlimits(given: Object) -> tuple[Rlimit, ...]:
    from lamina.runtime.isolation.privileges import RLIMITS

    found: dict[str, Rlimit] = {}
    for row in fields.objects(given, "rlimits"):
        kind = fields.text(row, "type")
        if kind.removeprefix("RLIMIT_") not in RLIMITS:
            raise InvalidJson(f"`rlimits`: {kind!r} is not a limit")
        if kind in found:
            raise InvalidJson(f"`rlimits` has {kind} twice")
        found[kind] = Rlimit(kind, _limit(row, "soft"), _limit(row, "hard"))
    return tuple(found.values())


def _limit(row: Object, name: str) -> int:
    amount = fields.number(row, name)
    return -1 if amount == _NO_LIMIT else amount


def _labels(given: Object) -> tuple[str, str]:
    """The SELinux label and the AppArmor profile, where the kernel has either."""
    label = fields.text(given, "selinuxLabel")
    if label and not has_selinux():
        raise ContainerError(
            f"the process is to have the SELinux label {label!r}, but SELinux is not "
            "enabled on this machine",
            hint="Leave the label out (`--security-opt label=disable`).",
        )
    profile = fields.text(given, "apparmorProfile")
    if profile in ("", "unconfined"):
        return label, ""
    if not has_apparmor():
        raise ContainerError(
            f"the process is to have the AppArmor profile {profile!r}, but AppArmor is "
            "not enabled on this machine",
            hint="Leave the profile out (`--security-opt apparmor=unconfined`).",
        )
    return label, profile


def has_apparmor() -> bool:
    return _first("/sys/module/apparmor/parameters/enabled") == b"Y"


def has_selinux() -> bool:
    return os.path.exists("/sys/fs/selinux/enforce")


def _first(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(1)
    except OSError:
        return b""


def _scheduler(given: Object) -> Scheduler | None:
    found = fields.obj(given, "scheduler")
    if not found:
        return None
    policy = fields.text(found, "policy")
    if policy not in _POLICIES:
        raise InvalidJson(f"`scheduler.policy` {policy!r} is unknown")
    flags = 0
    for word in fields.texts(found, "flags"):
        if word not in _SCHEDULER_FLAGS:
            raise InvalidJson(f"`scheduler.flags` {word!r} is unknown")
        flags |= _SCHEDULER_FLAGS[word]
    names = ("nice", "priority", "runtime", "deadline", "period")
    return Scheduler(
        _POLICIES[policy], flags, *(fields.number(found, name) for name in names)
    )


def _io_priority(given: Object) -> tuple[int, int] | None:
    found = fields.obj(given, "ioPriority")
    if not found:
        return None
    kind, level = fields.text(found, "class"), fields.number(found, "priority")
    if kind not in _IO_CLASSES or not 0 <= level <= 7:
        raise InvalidJson(f"`ioPriority`: there is no {kind!r} {level}")
    return _IO_CLASSES[kind], level


def parse_cpus(text: str) -> tuple[int, ...]:
    """A list of CPUs as in cpuset(7): `0-3,7`."""
    found: set[int] = set()
    try:
        for piece in text.split(",") if text else ():
            first, _, last = piece.strip().partition("-")
            found.update(range(int(first), int(last or first) + 1))
    except ValueError:
        raise InvalidJson(f"{text!r} is not a list of CPUs") from None
    return tuple(sorted(found))
