"""Digest: the name of content, `sha256:` and 64 hexadecimal digits.

OCI image-spec, descriptor.md, "Digests".
"""

from __future__ import annotations

from lamina.oci.errors import InvalidDigest

_HEX = frozenset("0123456789abcdef")


class Digest(str):
    """A checked digest; a `str`, so that it goes into JSON and SQL as it is."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Digest:
        """`text` as a digest; raises InvalidDigest for anything but sha256."""
        algorithm, _, hexadecimal = text.partition(":")
        if algorithm != "sha256" or len(hexadecimal) != 64 or set(hexadecimal) - _HEX:
            raise InvalidDigest(
                f"{text[:80]!r} is not a sha256 digest",
                hint="A digest is `sha256:` and 64 hexadecimal digits.",
            )
        return cls(text)

    @classmethod
    def of(cls, data: bytes) -> Digest:
        """The digest of `data`."""
        import hashlib  # OpenSSL: 3 ms that a command without digests saves

        return cls("sha256:" + hashlib.sha256(data).hexdigest())

    @property
    def hex(self) -> str:
        return self[7:]

    @property
    def short(self) -> str:
        """The twelve digits that people read."""
        return self[7:19]
