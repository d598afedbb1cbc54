"""Platform: what kind of machine an image is for.

OCI image-spec, image-index.md, `platform`; spelling and defaults as in
github.com/containerd/platforms, which `--platform` of Docker follows.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType

from lamina.oci.strict_json import broken
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.oci.config import ImageConfig
    from lamina.oci.digest import Digest

# What `uname -m` and people call an architecture, and Go's name and variant for it.
_ARCHITECTURES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "i386": ("386", ""),
        "i486": ("386", ""),
        "i586": ("386", ""),
        "i686": ("386", ""),
        "x86_64": ("amd64", ""),
        "x86-64": ("amd64", ""),
        "aarch64": ("arm64", ""),
        "armhf": ("arm", "v7"),
        "armel": ("arm", "v6"),
        "armv8l": ("arm", "v8"),
        "armv7l": ("arm", "v7"),
        "armv6l": ("arm", "v6"),
        "armv5tel": ("arm", "v5"),
        "loongarch64": ("loong64", ""),
    }
)
# One name, two spellings: the variant that goes without saying.
_IMPLIED = frozenset({("arm64", "v8"), ("arm64", "8"), ("amd64", "v1")})
_WITH_VARIANTS = frozenset({"arm", "arm64", "amd64", "aarch64", "x86_64"})
_SYSTEMS = frozenset({"linux", "windows", "darwin", "freebsd", "netbsd", "openbsd"})
# Go's names, and those of the table above.
ARCHITECTURES = frozenset(
    (
        *("386", "amd64", "arm", "arm64", "loong64", "mips", "mipsle", "mips64"),
        *("mips64le", "ppc", "ppc64", "ppc64le", "riscv", "riscv64", "s390", "s390x"),
        *("sparc", "sparc64", "wasm", *_ARCHITECTURES),
    )
)


@value
class Platform:
    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "/".join(p for p in (self.os, self.architecture, self.variant) if p)


def parse_platform(text: str, host: Platform | None = None) -> Platform:
    """`linux/arm64/v8`, `arm64`, `linux`; what is left out is the host's.

    Raises InvalidImage for what is no platform.
    """
    host = host or host_platform()
    parts = text.strip().split("/")
    legal = all(p and p.replace("_", "").replace("-", "").isalnum() for p in parts)
    if not legal or len(parts) > 3 or not text.isascii():
        raise broken(
            f"{text[:60]!r} is not a platform", hint="Write it as in `linux/amd64`."
        )
    parts = [part.lower() for part in parts]
    if len(parts) == 2 and (parts[0] in _WITH_VARIANTS):
        # `arm/v7`, where containerd takes `arm` for an operating system.
        parts = [host.os, *parts]
    if len(parts) == 1 and parts[0] in _SYSTEMS:
        return replace(host, os=parts[0])
    if len(parts) == 1:
        if parts[0] not in ARCHITECTURES:
            raise broken(
                f"{text[:60]!r} is neither an operating system nor an architecture",
                hint=_meant(parts[0]) or "Write it as in `linux/amd64`.",
            )
        parts = [host.os, *parts]
    variant = parts[2] if len(parts) == 3 else ""
    return normalise(Platform(parts[0], parts[1], variant))


def _meant(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, sorted(ARCHITECTURES | _SYSTEMS), n=1)
    return f"Did you mean {near[0]}?" if near else ""


def unknown_architecture(text: str) -> str:
    """What to say of a platform whose architecture nobody knows: it may be misspelt, or
    newer than we are. "" of the others."""
    architecture = text.split("/")[1]
    if architecture in ARCHITECTURES:
        return ""
    said = f"{text}: there is no architecture {architecture} that Lamina knows."
    return f"{said} {_meant(architecture)}".rstrip()


def normalise(platform: Platform) -> Platform:
    """The platform with Go's names, and without a variant that goes without saying."""
    architecture, variant = _ARCHITECTURES.get(
        platform.architecture, (platform.architecture, "")
    )
    variant = platform.variant or variant
    if architecture == "arm":
        variant = variant or "v7"
        variant = f"v{variant}" if variant.isdigit() else variant
    if (architecture, variant) in _IMPLIED:
        variant = ""
    return replace(platform, architecture=architecture, variant=variant)


def host_platform() -> Platform:
    """The platform of this machine."""
    return normalise(Platform("linux", os.uname().machine))


def runnable(platform: Platform) -> tuple[Platform, ...]:
    """What a machine of this platform runs natively, best first."""
    wanted = normalise(platform)
    architecture, variant = wanted.architecture, wanted.variant
    older: list[tuple[str, str]] = []
    if architecture == "amd64":
        level = int(variant[1:]) if variant[1:].isdigit() else 1
        older = [("amd64", f"v{n}") for n in range(level - 1, 1, -1)]
        older += [("amd64", "")] if level > 1 else []
        older += [("386", "")]
    elif architecture == "arm64":
        older = [("arm64", "")] if variant else []
        older += [("arm", f"v{n}") for n in (8, 7, 6, 5)]
    elif architecture == "arm":
        level = int(variant[1:]) if variant[1:].isdigit() else 7
        older = [("arm", f"v{n}") for n in range(level - 1, 4, -1)]
    return (
        wanted,
        *(replace(wanted, architecture=a, variant=v) for a, v in older),
    )


def platform_of(config: ImageConfig) -> Platform:
    """What an image is for, as its config says it."""
    return Platform(config.os, config.architecture, config.variant, config.os_version)


@value
class Member:
    """An image of an index, and the platform that it is for."""

    platform: str
    id: Digest


def choose(found: Sequence[Member], wanted: str = "") -> Digest | None:
    """The image that a machine of the platform `wanted` runs best.

    Without `wanted` it is that of this machine, and where there is none the first.
    """
    platform = parse_platform(wanted) if wanted else host_platform()
    there = {parse_platform(member.platform): member.id for member in found}
    for candidate in runnable(platform):
        if candidate in there:
            return there[candidate]
    return None if wanted else found[0].id
