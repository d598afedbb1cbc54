"""The seccomp filter of a bundle's profile."""

from __future__ import annotations

from lamina.runtime import syscalls
from lamina.runtime.errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.bundles.config import Config


def seccomp_filter(config: Config) -> bytes:
    """The filter of its profile; b"" without one."""
    spec = config.spec
    if spec.seccomp is None:
        return b""
    from lamina.runtime.isolation.seccomp import compile_profile

    return compile_profile(spec.seccomp, spec.process.capabilities, listener=True)


def seccomp_flags(config: Config) -> int:
    """The flags of seccomp(2) that the profile asks for; raises ContainerError.

    Without any, speculation is left as it is, as by runc.
    """
    from lamina.runtime.isolation.seccomp import FLAGS

    found = (config.spec.seccomp or {}).get("flags")
    if found is None:
        return syscalls.SECCOMP_SPEC_ALLOW
    bits = 0
    for word in found:
        if word not in FLAGS:
            raise ContainerError(f"seccomp knows no flag {word!r}")
        bits |= FLAGS[word]
    return bits
