"""A seccomp program out of rules: a balanced tree over the numbers of calls.

One section for each audit architecture; the calls that share an action and follow
each other are one span. struct seccomp_data is nr, arch, the instruction pointer and
six arguments of 64 bits (seccomp(2)).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from lamina.runtime.isolation import bpf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Condition = tuple[int, str, int, int]  # argument, relation, value, second value
Rule = tuple[tuple[Condition, ...], int]  # all of these hold: this action

KILL_PROCESS = 0x80000000

_X86_64 = 0xC000003E
# OCI's name to ours, and to linux/audit.h's; x32 is x86_64 with a bit in the number.
ABIS = {
    "SCMP_ARCH_X86_64": ("x86_64", _X86_64),
    "SCMP_ARCH_X86": ("x86", 0x40000003),
    "SCMP_ARCH_X32": ("x32", _X86_64),
    "SCMP_ARCH_AARCH64": ("aarch64", 0xC00000B7),
    "SCMP_ARCH_ARM": ("arm", 0x40000028),
}
_X32_BIT = 0x40000000
_NARROW = frozenset(("x86", "arm"))  # registers of 32 bits
# Numbers from here on say nothing about how new a call is: x32 has renumbered ones at
# 512, and ARM keeps its own at 0xf0000.
_APART = 512

_NR, _ARCH, _ARGUMENTS = 0, 4, 16

# The arguments that the kernel cuts to an int. A comparison of all 64 bits, as
# libseccomp makes it, lets socket(1 << 32 | AF_VSOCK) pass a rule against AF_VSOCK.
INT_ARGUMENTS = {
    "accept4": (0, 3),
    "arch_prctl": (0,),
    "bpf": (0, 2),
    "clock_settime": (0,),
    "fcntl": (0, 1),
    "futex": (1, 2),
    "getsockopt": (0, 1, 2),
    "ioctl": (0, 1),
    "io_uring_register": (0, 1, 3),
    "keyctl": (0,),
    "kill": (0, 1),
    "madvise": (2,),
    "msgctl": (0, 1),
    "open": (1,),
    "openat": (0, 2),
    "personality": (0,),
    "prctl": (0,),
    "quotactl": (0,),
    "reboot": (0, 1, 2),
    "seccomp": (0, 1),
    "semctl": (0, 1, 2),
    "setns": (0, 1),
    "setsockopt": (0, 1, 2, 4),
    "shmctl": (0, 1),
    "socket": (0, 1, 2),
    "socketcall": (0,),
    "socketpair": (0, 1, 2),
    "splice": (5,),
    "tgkill": (0, 1, 2),
    "tkill": (0, 1),
}

# A relation as BPF's with the arms turned round or not.
_RELATIONS = {
    "SCMP_CMP_EQ": (bpf.EQUAL, False),
    "SCMP_CMP_NE": (bpf.EQUAL, True),
    "SCMP_CMP_GE": (bpf.GREATER_EQUAL, False),
    "SCMP_CMP_LT": (bpf.GREATER_EQUAL, True),
    "SCMP_CMP_GT": (bpf.GREATER, False),
    "SCMP_CMP_LE": (bpf.GREATER, True),
}


class Filter:
    """Lays the calls of each ABI out as spans of numbers, then writes the program."""

    def __init__(self, default: int, newer: int) -> None:
        self._default = default
        self._newer = newer
        self._program = bpf.Program()
        self._chains: dict[tuple[Any, ...], int] = {}
        self._spans: dict[str, list[tuple[int, int]]] = {}

    def add(
        self,
        abi: str,
        numbers: Mapping[str, int],
        rules: Mapping[str, Sequence[Rule]],
        known: Collection[str],
    ) -> None:
        """Give one ABI's calls their rules; those beyond all `known` ones are newer."""
        default = self._program.returns(self._default)
        newer = self._program.returns(self._newer)
        first = _X32_BIT if abi == "x32" else 0
        ages = (numbers[name] - first for name in known if name in numbers)
        newest = first + max((age for age in ages if age < _APART), default=0)
        labels = {
            numbers[name]: self._chain(name, abi, of_name)
            for name, of_name in rules.items()
            if name in numbers
        }
        spans = [(first, default)]
        for number in sorted(labels):
            if number > newest >= spans[-1][0]:
                spans.append((newest + 1, newer))
            spans.append((number, labels[number]))
            spans.append((number + 1, default if number < newest else newer))
        if newest >= spans[-1][0]:
            spans.append((newest + 1, newer))
        self._spans[abi] = _merged(spans)

    def finish(self) -> bytes:
        """The whole program: by architecture, then by number."""
        program = self._program
        kill = program.returns(KILL_PROCESS)
        starts = {}
        for audit in dict.fromkeys(ABIS[name][1] for name in ABIS):
            spans = self._section(audit)
            if spans:
                searching = program.search(spans)
                starts[audit] = program.before(bpf.LOAD, _NR, searching)
        label = kill
        for audit, start in starts.items():
            label = program.branch(bpf.EQUAL, audit, start, label)
        return program.assemble(program.before(bpf.LOAD, _ARCH, label))

    def _section(self, audit: int) -> list[tuple[int, int]]:
        """The spans of all ABIs that share an audit architecture."""
        spans: list[tuple[int, int]] = []
        for abi, of_abi in ABIS.values():
            if of_abi == audit:
                spans += self._spans.get(abi, ())
        kill = self._program.returns(KILL_PROCESS)
        if spans and spans[0][0]:
            spans.insert(0, (0, kill))
        if audit == _X86_64 and spans and "x32" not in self._spans:
            # Only -1 lives: a tracer writes it to have a call skipped.
            newer = self._program.returns(self._newer)
            spans += ((_X32_BIT, kill), (0xFFFFFFFF, newer))
        return _merged(spans)

    def _chain(self, name: str, abi: str, rules: Sequence[Rule]) -> int:
        """The label of code that tries the rules of one call in their order."""
        ints = INT_ARGUMENTS.get(name, ())
        narrow = tuple(range(6)) if abi in _NARROW else ints
        key = (narrow, *rules)
        if key in self._chains:
            return self._chains[key]
        program = self._program
        label = program.returns(self._default)
        for conditions, action in reversed(rules):
            yes, no = program.returns(action), label
            if len(conditions) == 1:
                index, relation, _, _ = conditions[0]
                if index in narrow and relation != "SCMP_CMP_MASKED_EQ":
                    no = program.loaded(_ARGUMENTS + 8 * index, label)
            for condition in reversed(conditions):
                yes = self._compare(condition, condition[0] in narrow, yes, no)
            label = yes
        self._chains[key] = label
        return label

    def _compare(self, condition: Condition, narrow: bool, yes: int, no: int) -> int:
        """Code that goes on at `yes` where the condition holds, else at `no`."""
        index, relation, number, second = condition
        low = _ARGUMENTS + 8 * index
        high = low + 4
        if relation == "SCMP_CMP_MASKED_EQ":
            label = self._masked(low, number, second, (yes, no))
            if narrow or not (number | second) >> 32:
                return label
            return self._masked(high, number >> 32, second >> 32, (label, no))
        base, turned = _RELATIONS[relation]
        if turned:
            yes, no = no, yes
        program = self._program
        label = program.branch(base, number & 0xFFFFFFFF, yes, no)
        if label not in (yes, no):
            label = program.before(bpf.LOAD, low, label)
        if narrow:
            return label
        upper = number >> 32 & 0xFFFFFFFF
        label = program.branch(bpf.EQUAL, upper, label, no)
        if base != bpf.EQUAL:
            label = program.branch(bpf.GREATER, upper, yes, label)
        return program.before(bpf.LOAD, high, label)

    def _masked(
        self, offset: int, mask: int, number: int, labels: tuple[int, int]
    ) -> int:
        program = self._program
        label = program.branch(bpf.EQUAL, number & 0xFFFFFFFF, *labels)
        label = program.before(bpf.AND, mask & 0xFFFFFFFF, label)
        return program.before(bpf.LOAD, offset, label)


def _merged(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans without the empty ones and those that go on where the last one does."""
    merged: list[tuple[int, int]] = []
    for index, (first, label) in enumerate(spans):
        empty = index + 1 < len(spans) and spans[index + 1][0] == first
        if not empty and not (merged and merged[-1][1] == label):
            merged.append((first, label))
    return merged
