"""Policy: what a collection may take, as plain values."""

from __future__ import annotations

from lamina.oci.digest import Digest
from lamina.values import value

# Before this is everything, also what was made by a clock that was ahead.
ALWAYS = 1 << 62


@value
class Space:
    """How much of the disk the build cache may take, in bytes, 0: no matter.

    It is at most `max_used`; less where the disk has not `min_free` free; but down to
    `reserved` it is left alone. BuildKit's maxUsedSpace, minFreeSpace, reservedSpace.
    """

    max_used: int = 0
    min_free: int = 0
    reserved: int = 0

    def kept(self, used: int, free: int) -> int:
        """How much of `used` bytes of cache may stay with `free` bytes on the disk."""
        most = min(self.max_used or used, used)
        if free < self.min_free:
            most = min(most, used - (self.min_free - free))
        return max(most, self.reserved)


@value
class Policy:
    """What may go, in Unix seconds.

    `images_before`: images made before it that no reference names (with `all_images`
    any), of those that have all `labels`, as `KEY` or `KEY=VALUE`; `cache_before`: rows
    of the build cache last used before it, and memos. Of rows only those that are of
    one of `kinds` (run, copy, ...) and whose key begins with one of `ids`, where some
    are given; memos then stay. With `space` only as many rows go as that asks for,
    those first that were not used for longest, and images only if any row has to.
    `keep` are images that stay in any case, those of containers.
    """

    images_before: int = 0
    all_images: bool = False
    labels: tuple[str, ...] = ()
    cache_before: int = 0
    kinds: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    space: Space | None = None
    keep: frozenset[str] = frozenset()


@value
class Collected:
    """What went: names and IDs of images, contents of layers, how many rows of the
    build cache, and how many bytes."""

    references: tuple[str, ...] = ()
    images: tuple[Digest, ...] = ()
    layers: tuple[Digest, ...] = ()
    steps: int = 0
    bytes: int = 0

    def and_also(self, other: Collected) -> Collected:
        """What went in both."""
        mine, theirs = self.__dict__, other.__dict__
        return Collected(**{name: mine[name] + theirs[name] for name in mine})
