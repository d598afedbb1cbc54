"""emulation: whether programs of another architecture run on this machine.

The kernel hands a foreign program to an interpreter that was registered for its first
bytes (binfmt_misc, Documentation/admin-guide/binfmt-misc.rst). Which those are is what
counts here, not the name of the entry: a header as the architecture has it is matched
against each. The flag F (fix binary) means that the kernel holds the interpreter open,
so that it works in roots that do not have it.
"""

from __future__ import annotations

import os
import struct

from lamina.oci.platforms import host_platform, parse_platform, runnable
from lamina.runtime.errors import ContainerError
from lamina.values import value

REGISTERED = "/proc/sys/fs/binfmt_misc"
_NOT_ENTRIES = ("register", "status")
# An architecture's ELF header: 64 bits or not, little-endian or not, e_machine (elf.h).
_HEADERS = {
    "386": (False, True, 3),
    "amd64": (True, True, 62),
    "arm": (False, True, 40),
    "arm64": (True, True, 183),
    "loong64": (True, True, 258),
    "mips": (False, False, 8),
    "mipsle": (False, True, 8),
    "mips64": (True, False, 8),
    "mips64le": (True, True, 8),
    "ppc64": (True, False, 21),
    "ppc64le": (True, True, 21),
    "riscv64": (True, True, 243),
    "s390x": (True, False, 22),
}


class NotRunnable(ContainerError):
    """Nothing here runs programs of that platform."""


@value
class Emulator:
    """An interpreter that the kernel knows. `is_fixed`: it works in any root."""

    name: str
    interpreter: str
    is_fixed: bool


def require_runnable(platform: str, registered: str = REGISTERED) -> Emulator | None:
    """Make sure that programs of `platform` run here: natively (None) or through the
    emulator that is returned. Raises NotRunnable, which says what to install."""
    wanted = parse_platform(platform)
    if any(wanted == own for own in runnable(host_platform())):
        return None
    found = emulator(wanted.architecture, registered)
    if found is None:
        raise NotRunnable(
            f"Nothing here runs programs for {wanted}: this machine is "
            f"{host_platform()}, and no emulator is registered for "
            f"{wanted.architecture}.",
            hint=_how_to_register(registered),
        )
    if not found.is_fixed:
        raise NotRunnable(
            f"The emulator {found.interpreter} for {wanted} is registered without the "
            "flag F, so it is missing inside of containers.",
            hint="Install Debian's qemu-user-static, which registers itself with it.",
        )
    return found


def _how_to_register(registered: str) -> str:
    install = "apt-get install qemu-user-static (Fedora: qemu-user-static)"
    if os.path.exists(f"{registered}/register"):
        return f"Install one: {install}."
    return (
        f"The kernel's table of emulators is not mounted: mount -t binfmt_misc "
        f"binfmt_misc {registered}, then {install}, or, where that is installed, "
        "systemctl restart binfmt-support."
    )


def emulator(architecture: str, registered: str = REGISTERED) -> Emulator | None:
    """What the kernel runs programs of `architecture` with, if anything."""
    if architecture not in _HEADERS:
        return None
    header = _header(*_HEADERS[architecture])
    try:
        names = sorted(os.listdir(registered))
    except FileNotFoundError:
        return None
    for name in names:
        if name not in _NOT_ENTRIES:
            found = _matching(f"{registered}/{name}", header)
            if found is not None:
                return found
    return None


def _header(is_64: bool, is_little: bool, machine: int) -> bytes:
    """The first 20 bytes of a program: e_ident, e_type (ET_EXEC), e_machine."""
    identity = b"\x7fELF" + bytes((2 if is_64 else 1, 1 if is_little else 2, 1))
    order = "<" if is_little else ">"
    return identity.ljust(16, b"\0") + struct.pack(f"{order}HH", 2, machine)


def _matching(path: str, header: bytes) -> Emulator | None:
    """The entry of binfmt_misc at `path`, when it is enabled and is for `header`."""
    try:
        with open(path, encoding="ascii") as file:
            lines = file.read().splitlines()
    except OSError:
        return None
    fields = dict(line.partition(" ")[::2] for line in lines)
    magic = bytes.fromhex(fields.get("magic", ""))
    mask = bytes.fromhex(fields.get("mask", "ff" * len(magic)))
    # A longer magic would look at what this header does not have.
    if "enabled" not in fields or not magic or len(magic) > len(header):
        return None
    if fields.get("offset", "0") != "0":
        return None
    if any((h ^ m) & k for h, m, k in zip(header, magic, mask, strict=False)):
        return None
    flags = fields.get("flags:", "")
    return Emulator(os.path.basename(path), fields.get("interpreter", ""), "F" in flags)
