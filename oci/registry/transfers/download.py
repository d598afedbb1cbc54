"""Download: a blob's bytes, whatever happens to the connection on the way.

A cut is followed by a request for the rest (Range); a registry that sends everything
again has the first part skipped. The size is checked while reading: what is short,
long or claims another length is refused. The digest is for the reader to check.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.oci.errors import DigestMismatch
from lamina.oci.registry.errors import Refused, RegistryError, Unreachable
from lamina.oci.threads import NEVER

if TYPE_CHECKING:
    from lamina.oci.digest import Digest
    from lamina.oci.manifest import Descriptor
    from lamina.oci.registry.connection.transport import Response
    from lamina.oci.registry.progress import Meter
    from lamina.oci.registry.repository import Repository
    from lamina.oci.threads import Stop

_CHUNK = 1 << 20
_NO_RANGE = 416


class Download:
    """Reads the blob of `descriptor`; to be closed."""

    def __init__(
        self,
        repository: Repository,
        descriptor: Descriptor,
        meter: Meter,
        stop: Stop,
    ) -> None:
        self._repository = repository.until(stop)
        self._descriptor = descriptor
        self._meter = meter
        self._stop = stop
        self._response: Response | None = None
        self._position = 0
        self._attempt = 1

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, none at the end of the blob.

        Raises DigestMismatch for a wrong size, RegistryError when all tries have been
        used up without a single byte more, and Stopped.
        """
        while True:
            self._stop.check()
            try:
                data = self._some(size)
            except RegistryError as error:
                self.close()
                if not self._repository.endpoint.patience.pause(
                    self._attempt, error, self._stop
                ):
                    raise
                self._attempt += 1
                continue
            if data:
                self._attempt = 1
                self._position += len(data)
                self._meter.add(len(data))
            return data

    def close(self) -> None:
        """End the connection, or give it back when all was read."""
        if self._response is not None:
            self._response.close()
            self._response = None

    def _some(self, size: int) -> bytes:
        total = self._descriptor.size
        if self._response is None:
            if self._position == total and total:
                return b""
            self._response = self._opened()
        data = self._response.read(size)
        if self._position + len(data) > total:
            raise _wrong_size(self._descriptor, f"more than {total}")
        if not data and self._position < total:
            raise Unreachable(
                f"{self._repository.endpoint.name} sent {self._position} of {total} "
                f"bytes of the blob {self._descriptor.digest}."
            )
        return data

    def _opened(self) -> Response:
        """The blob from where we are, its length as it has to be."""
        response = self._asked()
        try:
            resumed = response.status == 206
            if resumed:
                self._check_range(response)
            left = self._descriptor.size - (self._position if resumed else 0)
            if response.length is not None and response.length != left:
                raise _wrong_size(self._descriptor, str(response.length))
            if not resumed:
                self._skip(response)
        except BaseException:
            response.close()
            raise
        return response

    def _asked(self) -> Response:
        """The answer to a request for what is missing, or for everything where the
        registry has no ranges and says so with an error."""
        digest = self._descriptor.digest
        try:
            return self._repository.open_blob(digest, self._position)
        except Refused as error:
            if error.status != _NO_RANGE or not self._position:
                raise
        return self._repository.open_blob(digest)

    def _check_range(self, response: Response) -> None:
        said = response.headers.get("Content-Range", "")
        start = said.removeprefix("bytes ").partition("-")[0]
        if start != str(self._position):
            raise RegistryError(
                f"{self._repository.endpoint.name} sent the bytes {said[:60]!r} of a "
                f"blob, those from {self._position} were asked for."
            )

    def _skip(self, response: Response) -> None:
        """What we have, and the registry sends nevertheless."""
        left = self._position
        while left:
            self._stop.check()
            data = response.read(min(left, _CHUNK))
            if not data:
                raise Unreachable("The connection broke off.")
            left -= len(data)


def _wrong_size(descriptor: Descriptor, found: str) -> DigestMismatch:
    return DigestMismatch(
        f"The blob {descriptor.digest} has {found} bytes at the registry, its manifest "
        f"says {descriptor.size}.",
        hint="The registry, or something on the way to it, is at fault.",
    )


def read_small(
    repository: Repository, descriptor: Descriptor, limit: int, what: str
) -> bytes:
    """A small blob, whole and verified: an image's config."""
    from lamina.oci.digest import Digest as Sha256
    from lamina.oci.registry.progress import Meter, nothing

    if descriptor.data is not None:
        return descriptor.data
    if descriptor.size > limit:
        raise RegistryError(
            f"{what} has {descriptor.size} bytes; no more than {limit} are read."
        )
    meter = Meter(nothing, "pull", descriptor.digest, descriptor.size)
    download = Download(repository, descriptor, meter, NEVER)
    try:
        parts = bytearray()
        while part := download.read(_CHUNK):
            parts += part
    finally:
        download.close()
    check_digest(descriptor, Sha256.of(bytes(parts)))
    return bytes(parts)


def check_digest(descriptor: Descriptor, found: Digest) -> None:
    """Raise DigestMismatch unless the blob is what its descriptor says."""
    if found != descriptor.digest:
        raise DigestMismatch(
            f"The blob {descriptor.digest} came with the digest {found}.",
            hint="The registry, or something on the way to it, is at fault.",
        )
