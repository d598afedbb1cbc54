"""Write runtime/syscall_numbers.json from the kernel's headers.

    generate_syscall_numbers.py HEADERS... > runtime/syscall_numbers.json

Each HEADERS is `ABI=FOLDER`, a folder that `cpp` can take <asm/unistd.h> from. In
Debian (any release: `ADDED` holds what came after its kernel) these are

    x86_64=/usr/include/x86_64-linux-gnu   also for x86 and x32   linux-libc-dev
    aarch64=/usr/aarch64-linux-gnu/include                 linux-libc-dev-arm64-cross
    arm=/usr/arm-linux-gnueabihf/include                   linux-libc-dev-armhf-cross

x86 headers need /usr/include beside them (`x86_64=A:B` names two folders).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys

PREDEFINED = {
    "x86_64": ("__x86_64__", "__LP64__"),
    "x86": ("__i386__",),
    "x32": ("__x86_64__", "__ILP32__"),
    "aarch64": ("__aarch64__", "__LP64__"),
    "arm": ("__arm__", "__ARM_EABI__"),
}

# Calls since Linux 6.2 have one number on every architecture (scripts/syscall.tbl).
ADDED = {
    "cachestat": 451,
    "fchmodat2": 452,
    "map_shadow_stack": 453,
    "futex_wake": 454,
    "futex_wait": 455,
    "futex_requeue": 456,
    "statmount": 457,
    "listmount": 458,
    "lsm_get_self_attr": 459,
    "lsm_set_self_attr": 460,
    "lsm_list_modules": 461,
    "mseal": 462,
    "setxattrat": 463,
    "getxattrat": 464,
    "listxattrat": 465,
    "removexattrat": 466,
    "open_tree_attr": 467,
    "file_getattr": 468,
    "file_setattr": 469,
    "listns": 470,
}
# ... but for these, which only 64-bit x86 has (x32 cannot call them).
ADDED_X86_64 = {"uretprobe": 335, "uprobe": 336}

DEFINE = re.compile(r"#define (\w+) (.+)")
PARENTHESES = str.maketrans("()", "  ")
NOT_CALLS = frozenset(
    ("syscalls", "SYSCALL_BASE", "OABI_SYSCALL_BASE", "SYSCALL_MASK", "BASE")
)


def numbers(abi: str, folders: list[str]) -> dict[str, int]:
    """Name to number, of every call that `abi` has."""
    command = ["cpp", "-dM", "-undef", "-nostdinc"]
    command += [f"-D{name}" for name in PREDEFINED[abi]]
    command += [f"-I{folder}" for folder in folders]
    source = b"#include <asm/unistd.h>\n"
    made = subprocess.run(command, input=source, capture_output=True, check=True)
    macros = dict(DEFINE.findall(made.stdout.decode()))
    found = dict(ADDED)
    for macro in macros:
        _, prefix, name = macro.partition("__ARM_NR_")
        if not prefix:
            _, prefix, name = macro.partition("__NR_")
        if prefix and macro.startswith("__") and name not in NOT_CALLS:
            found.setdefault(name, _evaluate(macro, macros))
    if abi == "x86_64":
        found |= ADDED_X86_64
    if abi == "x32":
        found |= {name: number | 0x40000000 for name, number in ADDED.items()}
    return found


def _evaluate(word: str, macros: dict[str, str]) -> int:
    """The value of `word`: a number, another macro, or a sum of such."""
    total = 0
    for term in word.translate(PARENTHESES).split("+"):
        name = term.strip()
        known = name in macros
        total += _evaluate(macros[name], macros) if known else int(name, 0)
    return total


def main() -> None:
    folders = {}
    for argument in sys.argv[1:]:
        abi, _, paths = argument.partition("=")
        folders[abi] = paths.split(":")
    table = {}
    for abi in PREDEFINED:
        there = folders["x86_64"] if abi in ("x86", "x32") else folders[abi]
        table[abi] = dict(sorted(numbers(abi, there).items(), key=lambda item: item[1]))
    print("{")
    for index, (abi, calls) in enumerate(table.items()):
        rows = json.dumps(calls, separators=(",", ":"))
        print(f'"{abi}":{rows}' + ("," if index < len(table) - 1 else ""))
    print("}")


if __name__ == "__main__":
    main()
