"""What a seccomp profile means, by an evaluator that shares no code with the generator,
and a machine that runs a filter as the kernel does.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from lamina.runtime.isolation import seccomp
from lamina.runtime.isolation.seccomp import (
    compile_profile,
)
from lamina.runtime.isolation.seccomp_filter import INT_ARGUMENTS

RUNTIME = Path(seccomp.__file__).parent
NUMBERS: dict[str, dict[str, int]] = json.loads(
    (RUNTIME / "syscall_numbers.json").read_text()
)
ALLOW, KILL_PROCESS, ERRNO = 0x7FFF0000, 0x80000000, 0x50000
EPERM, ENOSYS = ERRNO | 1, ERRNO | 38
X86_64, X86, AARCH64, ARM = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028
MACHINES = {
    "x86_64": {"x86_64": X86_64, "x32": X86_64, "x86": X86},
    "aarch64": {"aarch64": AARCH64, "arm": ARM},
}
U32, U64 = (1 << 32) - 1, (1 << 64) - 1


def simulate(program: bytes, audit: int, number: int, args: Collection[int]) -> int:
    """Run classic BPF as the kernel does."""
    code = list(struct.iter_unpack("=HBBI", program))
    data = struct.pack("=IIQ6Q", number, audit, 0, *args)
    place = accumulator = 0
    while True:
        op, yes, no, k = code[place]
        place += 1
        match op:
            case 0x20:
                (accumulator,) = struct.unpack_from("=I", data, k)
            case 0x54:
                accumulator &= k
            case 0x05:
                place += k
            case 0x15:
                place += yes if accumulator == k else no
            case 0x25:
                place += yes if accumulator > k else no
            case 0x35:
                place += yes if accumulator >= k else no
            case 0x06:
                return int(k)
            case _:
                raise AssertionError(f"the kernel has no such instruction: {op:#x}")


ACTIONS = {"SCMP_ACT_ALLOW": ALLOW, "SCMP_ACT_KILL_PROCESS": KILL_PROCESS}
NARROW = ("x86", "arm")
COMPARE: dict[str, Callable[[int, int, int], bool]] = {
    "SCMP_CMP_EQ": lambda a, x, _: a == x,
    "SCMP_CMP_NE": lambda a, x, _: a != x,
    "SCMP_CMP_LT": lambda a, x, _: a < x,
    "SCMP_CMP_LE": lambda a, x, _: a <= x,
    "SCMP_CMP_GT": lambda a, x, _: a > x,
    "SCMP_CMP_GE": lambda a, x, _: a >= x,
    "SCMP_CMP_MASKED_EQ": lambda a, x, y: a & x == y,
}
GO = {"x86_64": "amd64", "aarch64": "arm64"}


def action(name: str, errno: int | None) -> int:
    return ERRNO | (1 if errno is None else errno) if "ERRNO" in name else ACTIONS[name]


def applies(rule: dict[str, Any], capabilities: Collection[str], go: str) -> bool:
    def any_of(words: dict[str, Any]) -> bool:
        return bool(
            go in words.get("arches", ())
            or set(words.get("caps", ())) & {*capabilities}
        )

    includes = rule.get("includes", {})
    fits = go in includes.get("arches", (go,))
    return (
        not any_of(rule.get("excludes", {}))
        and fits
        and set(includes.get("caps", ())) <= {*capabilities}
    )


def evaluate(
    profile: dict[str, Any],
    capabilities: Collection[str],
    machine: str,
    call: tuple[str, int, tuple[int, ...]],
) -> int:
    """What a profile says of a call, by its text: (ABI, number, arguments)."""
    abi, number, args = call
    names = [name for name, known in NUMBERS[abi].items() if known == number]
    default = action(profile["defaultAction"], profile.get("defaultErrnoRet"))
    named = False
    for rule in profile["syscalls"]:
        if not applies(rule, capabilities, GO[machine]):
            continue
        for name in set(names) & set(rule["names"]):
            holds = named = True
            for given in rule.get("args", ()):
                argument, value = args[given["index"]], given["value"]
                second = given.get("valueTwo", 0)
                if abi in ("x86", "arm") or given["index"] in INT_ARGUMENTS.get(
                    name, ()
                ):
                    argument, value, second = argument & U32, value & U32, second & U32
                holds = holds and COMPARE[given["op"]](argument, value, second)
            if holds:
                return action(rule["action"], rule.get("errnoRet"))
    plain = [
        known & 0x3FFFFFFF
        for rule in profile["syscalls"]
        for name in rule["names"]
        if (known := NUMBERS[abi].get(name)) is not None
    ]
    newest = max((known for known in plain if known < 512), default=0)
    lenient = profile["defaultAction"] == "SCMP_ACT_ALLOW"
    old = named or lenient or number & 0x3FFFFFFF <= newest
    return default if old else ENOSYS


INTERESTING = (0, 1, 8, 12, 16, 38, 40, 0x20000, 0x7E020000, U32, U64, 1 << 32)


def random_call(
    chance: random.Random, abi: str, names: Collection[str]
) -> tuple[str, int, tuple[int, ...]]:
    if chance.random() < 0.7:
        number = NUMBERS[abi].get(chance.choice(list(names)), NUMBERS[abi]["read"])
    else:
        number = chance.choice((chance.randrange(600), chance.randrange(1 << 30)))
        number |= 0x40000000 if abi == "x32" else 0
    args = []
    for _ in range(6):
        word = chance.choice((*INTERESTING, chance.randrange(64)))
        args.append((word | chance.choice((0, 0, 1 << 32, 1 << 28))) & U64)
    return abi, number, tuple(args)


def compare_at_random(
    profile: dict[str, Any], capabilities: Collection[str], seed: int, calls: int
) -> None:
    chance = random.Random(seed)
    names = {name for rule in profile["syscalls"] for name in rule["names"]}
    names |= {"socket", "clone", "personality", "io_uring_setup", "keyctl"}
    for machine, abis in MACHINES.items():
        program = compile_profile(profile, capabilities, machine)
        for _ in range(calls):
            abi = chance.choice(list(abis))
            call = random_call(chance, abi, sorted(names))
            want = evaluate(profile, capabilities, machine, call)
            got = simulate(program, abis[abi], call[1], call[2])
            assert got == want, (machine, call, hex(got), hex(want))
