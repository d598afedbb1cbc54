"""Filters are tried three ways: against an evaluator of profiles that shares no code
with the generator, on a simulated BPF machine, and in the kernel."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import random
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lamina.runtime.isolation import seccomp
from lamina.runtime.isolation.seccomp import (
    InvalidProfile,
    compile_profile,
    default_profile,
)
from lamina.runtime.spec import DEFAULT_CAPABILITIES
from tests.runtime.isolation.seccomp_reference import (
    AARCH64,
    ALLOW,
    COMPARE,
    ENOSYS,
    EPERM,
    INTERESTING,
    KILL_PROCESS,
    NUMBERS,
    U32,
    X86,
    X86_64,
    compare_at_random,
    evaluate,
    simulate,
)


@pytest.mark.parametrize(
    "capabilities",
    [
        DEFAULT_CAPABILITIES,
        (),
        ("CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_SYS_TIME"),
        ("CAP_BPF", "CAP_SYS_CHROOT", "CAP_SYS_NICE", "CAP_DAC_READ_SEARCH"),
    ],
)
def test_default_profile_means_what_it_says(capabilities: tuple[str, ...]) -> None:
    compare_at_random(default_profile(), capabilities, len(capabilities), 3000)


def random_profile(chance: random.Random) -> dict[str, Any]:
    """Rules of every relation, enough of them to need jumps beyond eight bits."""
    names = sorted(set(NUMBERS["x86_64"]) | set(NUMBERS["arm"]))
    rules = []
    for _ in range(chance.randrange(1, 60)):
        given: dict[int, dict[str, Any]] = {}
        for index in chance.sample(range(6), chance.choice((0, 1, 1, 2, 3))):
            value = chance.choice((*INTERESTING, chance.randrange(64)))
            given[index] = {
                "index": index,
                "op": chance.choice(list(COMPARE)),
                "value": value,
                "valueTwo": chance.choice((0, value)),
            }
        rule: dict[str, Any] = {
            "names": ["socket", *chance.sample(names, chance.randrange(1, 9))],
            "action": chance.choice(("SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO")),
            "args": list(given.values()),
        }
        if rule["action"] == "SCMP_ACT_ERRNO":
            rule["errnoRet"] = chance.randrange(1, 99)
        rules.append(rule)
    return {
        "defaultAction": chance.choice(("SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO")),
        "archMap": default_profile()["archMap"],
        "syscalls": rules,
    }


@pytest.mark.parametrize("seed", range(12))
def test_any_profile_means_what_it_says(seed: int) -> None:
    profile = random_profile(random.Random(seed))
    compare_at_random(profile, (), seed, 400)


def test_jumps_reach_across_a_long_program() -> None:
    """Each call with its own conditions: the tree is far longer than a jump."""
    calls = sorted(NUMBERS["x86_64"])[:150]
    rules = [
        {
            "names": [name],
            "action": "SCMP_ACT_ALLOW",
            "args": [
                {"index": 3, "op": "SCMP_CMP_LT", "value": (2 << 32) + place},
                {"index": 4, "op": "SCMP_CMP_NE", "value": place},
            ],
        }
        for place, name in enumerate(calls)
    ]
    profile = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules}
    profile["architectures"] = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]
    program = compile_profile(profile, (), "x86_64")
    assert len(program) // 8 > 1000
    for place, name in enumerate(calls):
        for third, fourth in (((2 << 32) + place - 1, 0), (3 << 32, 0), (5, place)):
            args = (0, 0, 0, third, fourth, 0)
            number = NUMBERS["x86_64"][name]
            call = ("x86_64", number, args)
            want = evaluate(profile, (), "x86_64", call)
            assert simulate(program, X86_64, number, args) == want


class TestTheDefaultProfile:
    program = compile_profile(default_profile(), DEFAULT_CAPABILITIES, "x86_64")
    nothing = (0,) * 6

    def ask(self, name: str, *args: int) -> int:
        padded = (*args, *self.nothing)[:6]
        return simulate(self.program, X86_64, NUMBERS["x86_64"][name], padded)

    def test_allows_everyday_calls(self) -> None:
        for name in ("read", "execve", "chroot", "mseal", "statmount", "openat2"):
            assert self.ask(name) == ALLOW

    def test_refuses_what_breaks_out(self) -> None:
        for name in (
            "mount",
            "bpf",
            "io_uring_setup",
            "keyctl",
            "unshare",
            "kexec_load",
        ):
            assert self.ask(name) == EPERM

    def test_new_namespaces_are_refused_whichever_call_makes_them(self) -> None:
        assert self.ask("clone", 0x11) == ALLOW
        assert self.ask("clone", 0x10000011) == EPERM
        assert self.ask("clone3") == ENOSYS

    @pytest.mark.parametrize("family", [12, 38, 40])
    def test_families_are_compared_as_the_kernel_does(self, family: int) -> None:
        assert self.ask("socket", family, 1) == EPERM
        assert self.ask("socket", 1 << 32 | family, 1) == EPERM
        assert self.ask("socket", 2, 1) == ALLOW

    def test_a_call_of_tomorrow_does_not_exist(self) -> None:
        assert simulate(self.program, X86_64, 9999, self.nothing) == ENOSYS
        assert simulate(self.program, X86, 9999, self.nothing) == ENOSYS
        assert simulate(self.program, X86_64, U32, self.nothing) == ENOSYS

    def test_a_foreign_architecture_ends_the_process(self) -> None:
        assert simulate(self.program, AARCH64, 0, self.nothing) == KILL_PROCESS

    def test_x32_without_a_place_in_the_profile_ends_the_process(self) -> None:
        profile = default_profile() | {"architectures": ["SCMP_ARCH_X86_64"]}
        program = compile_profile(profile, (), "x86_64")
        assert simulate(program, X86_64, 0x40000000, self.nothing) == KILL_PROCESS
        assert simulate(program, X86_64, U32, self.nothing) == ENOSYS
        assert simulate(program, X86, 3, self.nothing) == KILL_PROCESS

    def test_changing_the_generator_changes_the_key_of_cached_filters(self) -> None:
        """Where this fails after a change, raise seccomp._VERSION with the digest."""
        digest = hashlib.sha256(self.program).hexdigest()[:16]
        assert (seccomp._VERSION, digest) == (1, "31d7247759a9cea0")


TRY = """
import ctypes, json, os, sys
program = sys.stdin.buffer.read()
libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(program, len(program))
class Fprog(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
fprog = Fprog(len(program) // 8, ctypes.addressof(buffer))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(fprog), 0, 0) == 0, ctypes.get_errno()
def call(number, *args):
    libc.syscall.argtypes = [ctypes.c_long] * 7
    ctypes.set_errno(0)
    result = libc.syscall(number, *args, *(0,) * (6 - len(args)))
    return ctypes.get_errno() if result < 0 else 0
calls = json.loads(sys.argv[1])
print(json.dumps([call(*c) for c in calls]))
"""


def attempt(program: bytes, calls: list[list[int]]) -> list[int]:
    """The errnos of calls made by a process under the filter; 0 where they worked."""
    done = subprocess.run(
        [os.path.realpath(sys.executable), "-I", "-S", "-c", TRY, json.dumps(calls)],
        input=program,
        stdout=subprocess.PIPE,
        check=True,
    )
    result: list[int] = json.loads(done.stdout)
    return result


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of x86_64")
def test_the_kernel_takes_and_keeps_the_default_filter() -> None:
    numbers = NUMBERS["x86_64"]
    program = compile_profile(default_profile(), DEFAULT_CAPABILITIES)
    asked: list[tuple[str, tuple[int, ...], int]] = [
        ("getpid", (), 0),
        ("personality", (U32,), 0),
        ("personality", (0x40000,), 1),
        ("socket", (1, 1, 0), 0),
        ("socket", (40, 1, 0), 1),
        ("socket", (1 << 32 | 40, 1, 0), 1),
        ("socket", (38, 5, 0), 1),
        ("clone3", (0, 0), 38),
        ("clone", (0x10000000,), 1),
        ("unshare", (0,), 1),
        ("mount", (), 1),
        ("bpf", (), 1),
        ("io_uring_setup", (1, 0), 1),
        ("keyctl", (), 1),
        ("umask", (0o22,), 0),
        ("fchmodat2", (-1, 0, 0), 14),
    ]
    got = attempt(program, [[numbers[name], *args] for name, args, _ in asked])
    assert got == [errno for _, _, errno in asked]
    assert attempt(program, [[9999], [0x40000000 | 9999]]) == [38, 38]


def test_without_any_capability_the_kernel_takes_the_filter_too() -> None:
    program = compile_profile(default_profile(), ())
    assert attempt(program, [[NUMBERS["x86_64"]["chroot"], 0]]) == [1]


class TestTheCache:
    def test_keeps_a_filter_for_its_owner_only(self, tmp_path: Path) -> None:
        cache = tmp_path / "filters"
        first = seccomp.cached_profile(str(cache), DEFAULT_CAPABILITIES)
        (kept,) = cache.iterdir()
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert first == compile_profile(default_profile(), DEFAULT_CAPABILITIES)
        assert seccomp.cached_profile(str(cache), DEFAULT_CAPABILITIES) == first

    def test_makes_a_damaged_filter_again(self, tmp_path: Path) -> None:
        first = seccomp.cached_profile(str(tmp_path), ())
        (kept,) = tmp_path.iterdir()
        for damage in (b"", bytes(len(first) + 32), kept.read_bytes()[:-8]):
            kept.write_bytes(damage)
            assert seccomp.cached_profile(str(tmp_path), ()) == first

    def test_knows_what_a_filter_depends_on(self, tmp_path: Path) -> None:
        own = json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []}).encode()
        made = {
            seccomp.cached_profile(str(tmp_path), ()),
            seccomp.cached_profile(str(tmp_path), ("CAP_SYS_ADMIN",)),
            seccomp.cached_profile(str(tmp_path), (), own),
        }
        assert len(made) == len(list(tmp_path.iterdir())) == 3

    def test_does_without_a_place_to_write(self) -> None:
        made = seccomp.cached_profile("/proc/nowhere", ())
        assert made == compile_profile(default_profile(), ())


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        ({}, "no action None"),
        ({"defaultAction": "SCMP_ACT_NOTIFY"}, "listener"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{}]}, "action"),
        (
            {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_PDP11"]},
            "SCMP_ARCH_PDP11",
        ),
        (
            {
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [
                    {
                        "names": ["read"],
                        "action": "SCMP_ACT_KILL",
                        "args": [{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}],
                    }
                ],
            },
            "no argument 6",
        ),
    ],
)
def test_a_profile_that_means_nothing_is_refused(
    profile: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidProfile, match=says):
        compile_profile(profile, ())


def test_text_that_is_no_profile_is_refused(tmp_path: Path) -> None:
    for text in (b"{", b"[]", b"\xff"):
        with pytest.raises(InvalidProfile):
            seccomp.cached_profile(str(tmp_path), (), text)


def test_what_resolve_gives_is_what_runc_reads() -> None:
    resolved = seccomp.resolve(default_profile(), DEFAULT_CAPABILITIES, "x86_64")
    assert resolved["architectures"][0] == "SCMP_ARCH_X86_64"
    assert not any(
        "includes" in rule or "excludes" in rule for rule in resolved["syscalls"]
    )
    again = compile_profile(resolved, (), "x86_64")
    straight = compile_profile(default_profile(), DEFAULT_CAPABILITIES, "x86_64")
    for number in (0, 56, 155, 165, 300):
        for args in ((0,) * 6, (0x10000000,) * 6):
            assert simulate(again, X86_64, number, args) == simulate(
                straight, X86_64, number, args
            )


def test_every_name_of_the_profile_has_a_number() -> None:
    everywhere = set().union(*NUMBERS.values())
    for rule in default_profile()["syscalls"]:
        assert set(rule["names"]) <= everywhere


def test_this_machine_agrees_with_the_table_of_numbers() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    number = NUMBERS[os.uname().machine]["getpid"]
    assert libc.syscall(ctypes.c_long(number)) == os.getpid()
    number = NUMBERS[os.uname().machine]["kill"]
    assert libc.syscall(ctypes.c_long(number), os.getpid(), signal.SIGWINCH) == 0
