"""Bootstrap: what `bootstrap:debian/bookworm` and its flags ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.builder.errors import BootstrapFailed
from lamina.values import value

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIANTS = ("minbase", "apt", "essential", "required", "important", "standard")
# What Debian calls the platforms that it has packages for.
DEBIAN_ARCHITECTURES = {
    "linux/386": "i386",
    "linux/amd64": "amd64",
    "linux/arm/v5": "armel",
    "linux/arm/v7": "armhf",
    "linux/arm64": "arm64",
    "linux/mips64le": "mips64el",
    "linux/ppc64le": "ppc64el",
    "linux/riscv64": "riscv64",
    "linux/s390x": "s390x",
}


@value
class Bootstrap:
    """What to make: `distribution/suite`, and how.

    `mirror` is where the packages come from instead of the mirror of the host's apt;
    `snapshot` is a time as archives of snapshots write it, and `mirror` then one of
    those. `platform` is "" for this machine's.
    """

    distribution: str
    suite: str
    variant: str = "minbase"
    include: tuple[str, ...] = ()
    mirror: str = ""
    snapshot: str = ""
    platform: str = ""

    @property
    def name(self) -> str:
        return f"bootstrap:{self.distribution}/{self.suite}"


def parse_bootstrap(
    text: str, flags: Mapping[str, str], platform: str = ""
) -> Bootstrap:
    """`debian/bookworm` and FROM's flags, for a platform or this machine's; raises
    BootstrapFailed."""
    distribution, _, suite = text.partition("/")
    if distribution not in ("debian", "ubuntu") or not _is_word(suite, "-."):
        raise BootstrapFailed(
            f"{text!r} names no suite of a distribution.",
            hint="Write bootstrap:debian/bookworm or bootstrap:ubuntu/noble.",
        )
    include = tuple(sorted({p for p in flags.get("include", "").split(",") if p}))
    for package in include:
        if not _is_word(package, "+-."):
            raise BootstrapFailed(f"{package!r} is not the name of a package.")
    variant = flags.get("variant", "") or "minbase"
    if variant not in VARIANTS:
        raise BootstrapFailed(
            f"There is no variant {variant!r}.",
            hint=f"The variants are {', '.join(VARIANTS)}.",
        )
    snapshot = flags.get("snapshot", "")
    if snapshot and not _is_snapshot(snapshot):
        raise BootstrapFailed(
            f"{snapshot!r} is not the name of a snapshot.",
            hint="Write it as 20260131T000000Z.",
        )
    mirror = flags.get("mirror", "")
    if mirror:
        _check_mirror(mirror)
    return Bootstrap(
        distribution=distribution,
        suite=suite,
        variant=variant,
        include=include,
        mirror=mirror,
        snapshot=snapshot,
        platform=_foreign(platform),
    )


def _foreign(platform: str) -> str:
    """`platform`, when it is one of Debian's and not this machine's."""
    from lamina.oci.platforms import host_platform

    if not platform or platform == str(host_platform()):
        return ""
    if platform not in DEBIAN_ARCHITECTURES:
        raise BootstrapFailed(
            f"Debian has no packages for {platform}.",
            hint=f"It has them for {', '.join(sorted(DEBIAN_ARCHITECTURES))}.",
        )
    return platform


# What means something in a line of sources.list.
_MARKS = frozenset(" []#\"'")
_MIRRORS = ("http://", "https://")


def _check_mirror(mirror: str) -> None:
    """Raise BootstrapFailed unless it is an address, and one word of sources.list."""
    printable = mirror.isascii() and mirror.isprintable()
    if not printable or set(mirror) & _MARKS or not mirror.startswith(_MIRRORS):
        raise BootstrapFailed(
            f"{mirror!r} is no address of a mirror.",
            hint="Write it as http://deb.debian.org/debian.",
        )


def _is_word(text: str, marks: str) -> bool:
    """Whether `text` is letters and digits, and `marks` after the first of them."""
    plain = text.translate({ord(mark): None for mark in marks})
    return text[:1].isalnum() and text.isascii() and plain.isalnum()


def _is_snapshot(text: str) -> bool:
    day, middle, rest = text[:8], text[8:9], text[9:]
    digits = text.isascii() and (day + rest[:6]).isdigit() and len(text) in (15, 16)
    return digits and middle == "T" and rest[6:] in ("", "Z")
