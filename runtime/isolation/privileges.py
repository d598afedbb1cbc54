"""What a process in a container may do: capabilities, limits, no_new_privs.

The inheritable and the ambient set stay empty (CVE-2022-24769) where a bundle does not
name them. A set is one integer, bit n capability n.
"""

from __future__ import annotations

from lamina.runtime import syscalls
from lamina.runtime.errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# linux/capability.h, in its order.
CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL"),
    *("SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE"),
    *("NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER"),
    *("SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT"),
    *("SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME"),
    *("SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL"),
    *("SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM"),
    *("BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE"),
)

# asm-generic/resource.h, in its order.
RLIMITS = (
    *("CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE", "MEMLOCK"),
    *("AS", "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME"),
)

SYS_ADMIN = 1 << 21


def capability_set(names: tuple[str, ...]) -> int:
    """Names, with or without `CAP_`, in any case, as a set; ContainerError."""
    bits = 0
    for name in names:
        plain = name.upper().removeprefix("CAP_")
        if plain == "ALL":
            return (1 << len(CAPABILITIES)) - 1
        if plain not in CAPABILITIES:
            raise ContainerError(
                f"{name!r} is not a capability.",
                hint="See capabilities(7); Docker's spelling is NET_ADMIN.",
            )
        bits |= 1 << CAPABILITIES.index(plain)
    return bits


def capability_names(bits: int) -> tuple[str, ...]:
    """The names in a set, in Docker's spelling (`CAP_CHOWN`)."""
    return tuple(f"CAP_{n}" for i, n in enumerate(CAPABILITIES) if bits >> i & 1)


def rlimit_number(name: str) -> int:
    """RLIMIT_NOFILE, or Docker's `nofile`, as the kernel's number; ContainerError."""
    plain = name.upper().removeprefix("RLIMIT_")
    if plain not in RLIMITS:
        raise ContainerError(f"{name!r} is not a limit; see setrlimit(2).")
    return RLIMITS.index(plain)


def bound(capabilities: int) -> None:
    """Take all but `capabilities` out of the bounding set, for good."""
    number = 0
    while True:
        try:
            if syscalls.prctl(syscalls.PR_CAPBSET_READ, number) and not (
                capabilities >> number & 1
            ):
                syscalls.prctl(syscalls.PR_CAPBSET_DROP, number)
        except OSError:
            if number < len(CAPABILITIES):
                raise
            return  # EINVAL: past the last capability that the kernel knows
        number += 1


def confine(
    sets: tuple[int, int, int, int],
    no_new_privileges: bool,
    bpf: bytes,
    flags: int = syscalls.SECCOMP_SPEC_ALLOW,
    loaded: Callable[[int], None] | None = None,
) -> None:
    """The last step before execve: the filter, then exactly these capabilities.

    `sets`: effective, permitted, inheritable, ambient; what this process may not have
    is left out. Without no_new_privs a filter takes CAP_SYS_ADMIN, kept for that call.
    `loaded` is called with the filter's descriptor, if `flags` ask for one.
    """
    have = syscalls.capget()[1]
    effective, permitted, inheritable, ambient = (bits & have for bits in sets)
    effective &= permitted
    if no_new_privileges:
        syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    if inheritable:
        syscalls.capset(have, have, inheritable)
        _raise_ambient(ambient & permitted & inheritable)
    if bpf:
        if not no_new_privileges:
            wide = permitted | (SYS_ADMIN & have)
            syscalls.capset(wide, wide, inheritable)
        listener = syscalls.seccomp(bpf, flags)
        if loaded is not None:
            loaded(listener)
    syscalls.capset(effective, permitted, inheritable)


def _raise_ambient(ambient: int) -> None:
    for number in range(ambient.bit_length()):
        if ambient >> number & 1:
            raised = syscalls.PR_CAP_AMBIENT_RAISE
            syscalls.prctl(syscalls.PR_CAP_AMBIENT, raised, number)
