"""Which device nodes a cgroup may use: cgroup v1's list, and v2's eBPF program.

Both come from one folding of rules (kernel, Documentation/admin-guide/cgroup-v1/
devices.rst): everything is allowed or nothing is, and there are exceptions. A default
capability of containers is CAP_MKNOD, so this is what keeps them off the disks.
"""

from __future__ import annotations

import os
import struct

from lamina.runtime.spec import DeviceRule
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# What every container may use, as with runc: any node may be made, but only these
# opened: null, zero, full, random, urandom, tty, console, ptmx and pseudo terminals.
DEFAULT_DEVICES = (
    DeviceRule(True, "c", None, None, "m"),
    DeviceRule(True, "b", None, None, "m"),
    *(DeviceRule(True, "c", 1, minor) for minor in (3, 5, 7, 8, 9)),
    *(DeviceRule(True, "c", 5, minor) for minor in (0, 1, 2)),
    DeviceRule(True, "c", 136, None),
)

_Node = tuple[str, int | None, int | None]  # type, major, minor; None is any


@value
class Access:
    """The folded rules: what is said of every device, and the exceptions to it."""

    allowed: bool
    exceptions: tuple[tuple[_Node, str], ...]


def fold(rules: Iterable[DeviceRule]) -> Access:
    """The rules one after another, as the kernel takes them.

    A rule of type `a` begins anew; one that agrees with what holds for all removes
    its access from an exception, the other kind adds to one. Before the first,
    nothing is allowed.
    """
    allowed, exceptions = False, dict[_Node, set[str]]()
    for rule in rules:
        node = (rule.type, rule.major, rule.minor)
        if rule.type == "a":
            allowed, exceptions = rule.allow, {}
        elif rule.allow == allowed:
            exceptions.get(node, set()).difference_update(rule.access)
        else:
            exceptions.setdefault(node, set()).update(rule.access)
    kept = ((node, "".join(sorted(access))) for node, access in exceptions.items())
    return Access(allowed, tuple(row for row in kept if row[1]))


def v1_writes(access: Access) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Files of a v1 `devices` cgroup, in this order, and the lines for each."""
    everything = "devices.allow" if access.allowed else "devices.deny"
    exception = "devices.deny" if access.allowed else "devices.allow"
    lines = []
    for (kind, major, minor), letters in access.exceptions:
        place = ":".join("*" if n is None else str(n) for n in (major, minor))
        lines.append(f"{kind} {place} {letters}")
    return (everything, ("a",)), (exception, tuple(lines))


# eBPF (kernel, Documentation/bpf/standardization/instruction-set.rst): code,
# destination | source << 4, offset, immediate. The context is three words:
# access << 16 | type, major, minor (linux/bpf.h, struct bpf_cgroup_dev_ctx).
_LOAD_WORD, _MOVE, _MOVE_NUMBER = 0x61, 0xBC, 0xB4
_AND_NUMBER, _SHIFT_RIGHT_NUMBER = 0x54, 0x74
_JUMP_EQUAL, _JUMP_NOT_EQUAL, _EXIT = 0x16, 0x56, 0x95
_RESULT, _CONTEXT, _TYPE, _ACCESS, _MAJOR, _MINOR, _SCRATCH = 0, 1, 2, 3, 4, 5, 6
_TYPES = {"b": 1, "c": 2}
_LETTERS = {"m": 1, "r": 2, "w": 4}

_Instruction = tuple[int, int, int, int, int]  # code, destination, source, offset, k


def v2_program(access: Access) -> bytes:
    """The program for BPF_CGROUP_DEVICE: 1 allows, 0 refuses."""
    code: list[_Instruction] = [
        (_LOAD_WORD, _TYPE, _CONTEXT, 0, 0),
        (_MOVE, _ACCESS, _TYPE, 0, 0),
        (_AND_NUMBER, _TYPE, 0, 0, 0xFFFF),
        (_SHIFT_RIGHT_NUMBER, _ACCESS, 0, 0, 16),
        (_LOAD_WORD, _MAJOR, _CONTEXT, 4, 0),
        (_LOAD_WORD, _MINOR, _CONTEXT, 8, 0),
    ]
    for (kind, major, minor), letters in access.exceptions:
        code += _exception(access.allowed, (_TYPES[kind], major, minor), letters)
    code += _answer(access.allowed)
    return b"".join(
        struct.pack("=BBhi", op, target | source << 4, offset, k)
        for op, target, source, offset, k in code
    )


def _exception(
    allowed: bool, node: tuple[int, int | None, int | None], letters: str
) -> list[_Instruction]:
    """Code that answers where the exception holds, and else goes on after itself.

    An allowance has to cover all that is asked for; a refusal needs one letter.
    """
    covered = sum(_LETTERS[letter] for letter in letters)
    body: list[_Instruction] = [
        (_MOVE, _SCRATCH, _ACCESS, 0, 0),
        (_AND_NUMBER, _SCRATCH, 0, 0, covered if allowed else 7 & ~covered),
    ]
    answer = _answer(not allowed)
    tests: list[tuple[int, int, int]] = [(_JUMP_NOT_EQUAL, _TYPE, node[0])]
    if node[1] is not None:
        tests.append((_JUMP_NOT_EQUAL, _MAJOR, node[1]))
    if node[2] is not None:
        tests.append((_JUMP_NOT_EQUAL, _MINOR, node[2]))
    code: list[_Instruction] = []
    # After each test: the tests to come, the access's three, and the answer.
    for index, (op, register, number) in enumerate(tests):
        beyond = len(tests) - index - 1 + len(body) + 1 + len(answer)
        code.append((op, register, 0, beyond, number))
    code += body
    beside = _JUMP_EQUAL if allowed else _JUMP_NOT_EQUAL
    return [*code, (beside, _SCRATCH, 0, len(answer), 0), *answer]


def _answer(allow: bool) -> list[_Instruction]:
    return [(_MOVE_NUMBER, _RESULT, 0, 0, int(allow)), (_EXIT, 0, 0, 0, 0)]


_BPF = 321 if os.uname().machine == "x86_64" else 280
_PROG_LOAD, _PROG_ATTACH = 5, 8
_CGROUP_DEVICE_PROGRAM, _CGROUP_DEVICE_HOOK = 15, 6
_ALLOW_MULTI = 2  # beside programs that systemd or a parent attached


def attach(directory: int, program: bytes) -> None:
    """Load a program and tie it to the cgroup v2 `directory`; raises OSError.

    The cgroup keeps it: it goes when the cgroup goes.
    """
    import ctypes

    text = ctypes.create_string_buffer(program, len(program))
    licence = ctypes.create_string_buffer(b"Apache-2.0")
    pointers = (ctypes.addressof(text), ctypes.addressof(licence))
    load = struct.pack(
        "=IIQQ", _CGROUP_DEVICE_PROGRAM, len(program) // 8, *pointers
    ) + bytes(96)
    fd = _bpf(_PROG_LOAD, load)
    try:
        tie = (directory, fd, _CGROUP_DEVICE_HOOK, _ALLOW_MULTI)
        _bpf(_PROG_ATTACH, struct.pack("=IIII", *tie))
    finally:
        os.close(fd)


def _bpf(command: int, attributes: bytes) -> int:
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    result = library.syscall(
        ctypes.c_long(_BPF), ctypes.c_int(command), buffer, ctypes.c_uint(len(buffer))
    )
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"bpf: {os.strerror(number)}")
    return int(result)


def rules_for(given: Sequence[DeviceRule]) -> Access:
    """A container's access: its own rules, and what every container may use."""
    return fold((DeviceRule(False), *given, *DEFAULT_DEVICES))
