"""Digest: the name of content, `sha256:` and 64 hexadecimal digits.

OCI image-spec, descriptor.md, "Digests".
"""

from __future__ import annotations

from lamina.oci.errors import InvalidDigest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import _Hash

_HEX = frozenset("0123456789abcdef")
# From here on (bytes) OpenSSL is worth loading, if it is asked for a few times.
_LONG = 1 << 16


class Digest(str):
    """A checked digest; a `str`, so that it goes into JSON and SQL as it is."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Digest:
        """`text` as a digest; raises InvalidDigest for anything but sha256."""
        algorithm, _, hexadecimal = text.partition(":")
        if algorithm != "sha256" or len(hexadecimal) != 64 or set(hexadecimal) - _HEX:
            raise InvalidDigest(
                f"{text[:80]!r} is not a sha256 digest.",
                hint="A digest is `sha256:` and 64 hexadecimal digits.",
            )
        return cls(text)

    @classmethod
    def of(cls, data: bytes) -> Digest:
        """The digest of `data`."""
        if len(data) < _LONG:
            from lamina.oci.sha256 import sha256
        else:
            from hashlib import sha256
        return cls("sha256:" + sha256(data).hexdigest())

    @classmethod
    def of_all(cls, seen: _Hash) -> Digest:
        """The digest of all that a sha256 was given."""
        return cls("sha256:" + seen.hexdigest())

    @property
    def hex(self) -> str:
        return self[7:]

    @property
    def short(self) -> str:
        """The twelve digits that people read."""
        return self[7:19]
