"""Seccomp: a profile in Docker's JSON to the filter that the kernel takes.

A profile is the OCI runtime-spec's `linux.seccomp` with moby's additions: `archMap`,
and `includes`/`excludes` of rules by capabilities, architectures and kernel. What it
means here, where neither says so: the first matching rule of a call counts; a call
newer than every call the profile knows gets ENOSYS, as runc does, since libraries
fall back on that and not on EPERM; a foreign architecture kills the process.
"""

from __future__ import annotations

import os

from lamina.runtime import syscalls
from lamina.runtime.errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any

    from lamina.runtime.isolation.seccomp_filter import Condition, Rule

# Part of every cached filter's key: raise it when the generator changes.
_VERSION = 1

_PROFILE = "seccomp_profile.json"
_NUMBERS = "syscall_numbers.json"

# SECCOMP_RET_* of seccomp(2).
_ERRNO = "SCMP_ACT_ERRNO"
NOTIFY = "SCMP_ACT_NOTIFY"
ACTIONS = {
    "SCMP_ACT_KILL": 0,
    "SCMP_ACT_KILL_THREAD": 0,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    _ERRNO: 0x00050000,
    NOTIFY: 0x7FC00000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
FLAGS = {
    "SECCOMP_FILTER_FLAG_TSYNC": syscalls.SECCOMP_TSYNC,
    "SECCOMP_FILTER_FLAG_LOG": syscalls.SECCOMP_LOG,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": syscalls.SECCOMP_SPEC_ALLOW,
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": syscalls.SECCOMP_WAIT_KILLABLE_RECV,
}
_WITH_DATA = frozenset((_ERRNO, "SCMP_ACT_TRACE"))
_PERMISSIVE = frozenset(("SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"))
RELATIONS = frozenset(
    f"SCMP_CMP_{name}" for name in ("EQ", "NE", "LT", "LE", "GT", "GE", "MASKED_EQ")
)
ARCHITECTURES = (
    *("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"),
    *("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"),
)
_EPERM, _ENOSYS = 1, 38
# Where a user has one id, there is nobody to give a file to. Programs that install
# software do so anyway, and give up on an error: they are told that it was done.
_OWNERS_IGNORED = {
    "names": [
        *("chown", "fchown", "lchown", "fchownat"),
        *("chown32", "fchown32", "lchown32"),
    ],
    "action": _ERRNO,
    "errnoRet": 0,
}
_MOST_INSTRUCTIONS = 4096  # BPF_MAXINSNS

# uname(2)'s machine to OCI's and Go's name.
_MACHINES = {
    "x86_64": ("SCMP_ARCH_X86_64", "amd64"),
    "i386": ("SCMP_ARCH_X86", "x86"),
    "i686": ("SCMP_ARCH_X86", "x86"),
    "aarch64": ("SCMP_ARCH_AARCH64", "arm64"),
    "armv7l": ("SCMP_ARCH_ARM", "arm"),
    "armv8l": ("SCMP_ARCH_ARM", "arm"),
}


class InvalidProfile(ContainerError):
    """A seccomp profile that cannot be carried out as it is written."""


def default_profile() -> dict[str, Any]:
    """Docker's default profile, to be compiled or written into a config.json."""
    return _load(_read(_PROFILE), "the built-in profile")


def cached_profile(
    cache_dir: str,
    capabilities: Collection[str],
    profile: bytes | None = None,
    one_id: bool = False,
) -> bytes:
    """The filter of `profile` (JSON; None: the default) from `cache_dir`, or made now.

    `one_id`: for a user namespace of a single id, where calls that give files another
    owner do nothing, and succeed (as Charliecloud has it, ch-run --seccomp). Files
    there are named by all that the filter depends on, and carry their digest, so that
    one that a power cut emptied is made again. Raises InvalidProfile.
    """
    from lamina.oci.sha256 import sha256

    text = _read(_PROFILE) if profile is None else profile
    kernel, machine = os.uname().release, os.uname().machine
    key = sha256(_read(_NUMBERS) + text)
    key.update(repr((_VERSION, kernel, machine, sorted(capabilities), one_id)).encode())
    path = os.path.join(cache_dir, key.hexdigest())
    try:
        with open(path, "rb") as file:
            known = file.read()
    except OSError:
        known = b""
    if known and known[:32] == sha256(known[32:]).digest():
        return known[32:]
    name = "the built-in profile" if profile is None else "the seccomp profile"
    loaded = _load(text, name)
    if one_id:
        loaded["syscalls"] = [_OWNERS_IGNORED, *(loaded.get("syscalls") or ())]
    program = compile_profile(loaded, capabilities)
    _keep(path, sha256(program).digest() + program)
    return program


def resolve(
    profile: Mapping[str, Any], capabilities: Collection[str], machine: str = ""
) -> dict[str, Any]:
    """The profile as the OCI runtime-spec has it: only rules that apply here are left.

    `machine` is as uname(2) says it, of this machine where it is empty.
    """
    native, arch = _machine(machine)
    architectures = list(profile.get("architectures") or ())
    if not architectures:
        for row in profile.get("archMap") or ():
            if row["architecture"] == native:
                architectures = [native, *(row.get("subArchitectures") or ())]
    resolved = {
        "defaultAction": profile.get("defaultAction"),
        "architectures": architectures or [native],
        "syscalls": [
            {
                name: rule[name]
                for name in ("names", "action", "errnoRet", "args")
                if name in rule
            }
            for rule in profile.get("syscalls") or ()
            if _applies(rule, capabilities, arch)
        ],
    }
    if profile.get("defaultErrnoRet") is not None:
        resolved["defaultErrnoRet"] = profile["defaultErrnoRet"]
    return resolved


def compile_profile(
    profile: Mapping[str, Any],
    capabilities: Collection[str],
    machine: str = "",
    listener: bool = False,
) -> bytes:
    """The filter, an array of struct sock_filter, for seccomp(2).

    `capabilities` are those of the bounding set; `listener`: there is one for calls
    that are handed to it. Raises InvalidProfile.
    """
    try:
        if not listener and needs_listener(profile):
            raise InvalidProfile(
                f"The seccomp profile hands calls to a listener ({NOTIFY}).",
                hint="There is none here; name another action.",
            )
        program = _compile(profile, capabilities, machine)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidProfile(
            f"The seccomp profile is not of the form that Docker reads ({error!r}).",
            hint="Each rule has `names`, `action` and perhaps `args`.",
        ) from error
    if len(program) > _MOST_INSTRUCTIONS * 8:
        raise InvalidProfile(
            f"The seccomp profile makes {len(program) // 8} instructions; "
            f"the kernel takes {_MOST_INSTRUCTIONS}."
        )
    return program


def needs_listener(profile: Mapping[str, Any]) -> bool:
    """Whether any call is for a listener to decide."""
    rules = profile.get("syscalls") or ()
    actions = [profile.get("defaultAction"), *(rule["action"] for rule in rules)]
    return NOTIFY in actions


def _compile(
    profile: Mapping[str, Any], capabilities: Collection[str], machine: str
) -> bytes:
    # Only here, so that a cached filter costs no more than the reading of its file.
    from lamina.runtime.isolation.seccomp_filter import ABIS, Filter

    numbers: dict[str, dict[str, int]] = _load(_read(_NUMBERS), _NUMBERS)
    resolved = resolve(profile, capabilities, machine)
    unknown = set(resolved["architectures"]) - set(ABIS)
    if unknown:
        raise InvalidProfile(f"There is no table of calls for {unknown.pop()}.")
    default = _action(resolved["defaultAction"], resolved.get("defaultErrnoRet"))
    permissive = resolved["defaultAction"] in _PERMISSIVE
    filtering = Filter(default, default if permissive else _action(_ERRNO, _ENOSYS))
    rules = _rules(resolved["syscalls"])
    # By the rules that do not apply too: what depends on a capability is known.
    known = {name for rule in profile.get("syscalls") or () for name in rule["names"]}
    for abi, (name, _) in ABIS.items():
        if abi in resolved["architectures"]:
            filtering.add(name, numbers[name], rules, known)
    return filtering.finish()


def _rules(syscalls: Sequence[Mapping[str, Any]]) -> dict[str, list[Rule]]:
    """The rules of each call in their order, up to one that always matches."""
    by_name: dict[str, list[Rule]] = {}
    for row in syscalls:
        conditions = tuple(_condition(given) for given in row.get("args") or ())
        rule = (conditions, _action(row["action"], row.get("errnoRet")))
        for name in row["names"]:
            rules = by_name.setdefault(name, [])
            if not rules or rules[-1][0]:
                rules.append(rule)
    return by_name


def _condition(given: Mapping[str, Any]) -> Condition:
    index, relation = given["index"], given["op"]
    number, second = given["value"], given.get("valueTwo") or 0
    if relation not in RELATIONS:
        raise InvalidProfile(f"Seccomp knows no comparison {relation!r}.")
    if index not in range(6):
        raise InvalidProfile(f"A call has no argument {index!r}; they are 0 to 5.")
    for word in (number, second):
        if not 0 <= word < 1 << 64:
            raise InvalidProfile(f"Seccomp compares 64 bits, not {word!r}.")
    return index, relation, number, second


def _action(name: object, data: int | None) -> int:
    """SECCOMP_RET_* with its data; an errno is EPERM where none is given."""
    if not isinstance(name, str) or name not in ACTIONS:
        raise InvalidProfile(f"Seccomp knows no action {name!r}.")
    if name not in _WITH_DATA:
        return ACTIONS[name]
    return ACTIONS[name] | (_EPERM if data is None else data) & 0xFFFF


def _applies(rule: Mapping[str, Any], capabilities: Collection[str], arch: str) -> bool:
    """Whether includes (all) and excludes (none) admit the rule, as in moby."""
    excludes, includes = rule.get("excludes") or {}, rule.get("includes") or {}
    if arch in (excludes.get("arches") or ()):
        return False
    if any(name in capabilities for name in excludes.get("caps") or ()):
        return False
    if excludes.get("minKernel") and _kernel_has(excludes["minKernel"]):
        return False
    if includes.get("arches") and arch not in includes["arches"]:
        return False
    if any(name not in capabilities for name in includes.get("caps") or ()):
        return False
    return not includes.get("minKernel") or _kernel_has(includes["minKernel"])


def _kernel_has(version: str) -> bool:
    """Whether this kernel is at least `version`, `major.minor`."""
    ours = os.uname().release.split("-")[0].split(".")
    theirs = version.split(".")
    return [int(n) for n in ours[:2]] >= [int(n) for n in theirs[:2]]


def _machine(machine: str) -> tuple[str, str]:
    name = machine or os.uname().machine
    if name not in _MACHINES:
        raise InvalidProfile(
            f"There is no table of system calls for {name}.",
            hint="Run without a filter: `--security-opt seccomp=unconfined`.",
        )
    return _MACHINES[name]


def _read(name: str) -> bytes:
    with open(os.path.join(os.path.dirname(__file__), name), "rb") as file:
        return file.read()


def _load(text: bytes, name: str) -> dict[str, Any]:
    import json

    try:
        loaded = json.loads(text)
    except ValueError as error:
        raise InvalidProfile(f"{name} is not JSON: {error}.") from error
    if not isinstance(loaded, dict):
        raise InvalidProfile(f"{name} is not a JSON object.")
    return loaded


def _keep(path: str, data: bytes) -> None:
    """Write a file whole or not at all; a cache that cannot be written is no error."""
    temporary = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        fd = os.open(temporary, flags, 0o600)
        try:
            os.write(fd, data)
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except OSError:
        return
