"""Programs of another architecture, and a kernel that knows what runs them."""

from __future__ import annotations

import struct

# A user namespace has a table of emulators of its own since Linux 6.7: what is
# registered here is nobody else's. The line is that of Debian's qemu-user-static.
_REGISTER = (
    "mount -t binfmt_misc none /proc/sys/fs/binfmt_misc && "
    "cat /usr/lib/binfmt.d/qemu-aarch64.conf > /proc/sys/fs/binfmt_misc/register && "
    'exec "$0" "$@"'
)
WITH_EMULATOR = ("unshare", "-Urm", "sh", "-c", _REGISTER)


def arm64_program(says: str) -> bytes:
    """A static program for arm64 that writes a line and ends: write(2), exit(2)."""
    text = f"{says}\n".encode()
    code = struct.pack(
        "<8I",
        0xD2800020,  # mov x0, #1
        0x100000E1,  # adr x1, text
        0xD2800002 | len(text) << 5,  # mov x2, #length
        0xD2800808,  # mov x8, #64
        0xD4000001,  # svc #0
        0xD2800000,  # mov x0, #0
        0xD2800BA8,  # mov x8, #93
        0xD4000001,  # svc #0
    )
    start, head = 0x400000, 64 + 56
    size = head + len(code) + len(text)
    identity = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    fields = (2, 183, 1, start + head, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    header = identity + struct.pack("<HHIQQQIHHHHHH", *fields)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, start, start, size, size, 4096)
    return header + segment + code + text
