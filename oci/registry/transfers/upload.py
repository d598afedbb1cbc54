"""Upload: a blob to a registry, in one piece, and from where it broke off.

One PUT is three times as fast as pieces (PATCH); those are for what a connection cut,
and for registries behind something that refuses large requests (413).
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

from lamina.oci.registry.connection.request import Body
from lamina.oci.registry.errors import Refused, RegistryError

if TYPE_CHECKING:
    from lamina.oci.digest import Digest
    from lamina.oci.manifest import Descriptor
    from lamina.oci.registry.progress import Meter
    from lamina.oci.registry.repository import Repository
    from lamina.oci.threads import Stop

# A piece, where all at once is too much.
_PIECE = 8 << 20
_TOO_LARGE = 413
# An upload that the registry has lost, or whose pieces do not fit.
_LOST = frozenset({400, 404, 416})
_UNKNOWN = 404

Open = Callable[[], BinaryIO]


class Upload:
    """One blob on its way to `repository`; `opened` gives its bytes from the start."""

    def __init__(
        self,
        repository: Repository,
        blob: Descriptor,
        opened: Open,
        meter: Meter,
        stop: Stop,
    ) -> None:
        self._repository = repository.until(stop)
        self._blob = blob
        self._open = opened
        self._meter = meter
        self._stop = stop
        self._whole = True
        self._location = ""
        self._done = 0
        self._piece = _PIECE

    def send(self, location: str = "") -> None:
        """Send it, to `location` if an upload was begun there already.

        Raises RegistryError when all tries have been used up without progress, and
        Stopped.
        """
        self._location = location
        attempt = 1
        while True:
            before = self._done
            try:
                self._send()
                return
            except RegistryError as error:
                if isinstance(error, Refused) and error.status == _TOO_LARGE:
                    if not self._whole:
                        raise
                    self._whole = False
                elif not self._passes(error, attempt):
                    if self._location:
                        self._repository.cancel_upload(self._location)
                    raise
            self._resume()
            attempt = attempt + 1 if self._done <= before else 1

    def _send(self) -> None:
        repository, digest, size = self._repository, self._blob.digest, self._blob.size
        if not self._location:
            self._location, least = repository.begin_upload()
            self._piece = max(_PIECE, least)
        if self._whole and not self._done:
            repository.put_blob(self._location, digest, self._body(0, size))
            return
        while self._done < size:
            left = size - self._done
            count = left if self._whole else min(left, self._piece)
            body = self._body(self._done, count)
            self._location = repository.patch_blob(self._location, self._done, body)
            self._done += count
        repository.put_blob(self._location, digest, b"")

    def _passes(self, error: RegistryError, attempt: int) -> bool:
        patience = self._repository.endpoint.patience
        lost = isinstance(error, Refused) and (
            (error.status in _LOST and self._done > 0)
            or (error.status == _UNKNOWN and self._location != "")
        )
        # The upload is gone, or resuming was a bad idea here: from the start then.
        return (
            attempt < patience.attempts
            if lost
            else patience.pause(attempt, error, self._stop)
        )

    def _resume(self) -> None:
        """Find out where to go on, and from which byte; or begin anew.

        Distribution 2.8 and older forget an upload that broke off within a request,
        and know it only where it broke off between two.
        """
        location, self._location, self._done = self._location, "", 0
        if not location:
            return
        try:
            place, done = self._repository.upload_state(location)
        except RegistryError:
            return
        # Where nothing came a new one is begun, too: some take no second PUT.
        if 0 < done <= self._blob.size:
            self._location, self._done = place, done

    def _body(self, start: int, size: int) -> Body:
        def opened() -> BinaryIO:
            self._meter.restart(start)
            stream = self._open()
            stream.seek(start)
            return io.BufferedReader(
                _Piece(stream, size, self._meter, self._stop), _BUFFER
            )

        return Body(opened, size)


_BUFFER = 1 << 18


class _Piece(io.RawIOBase):
    """So many bytes of a stream, counted; it ends early when all is stopped."""

    def __init__(self, stream: BinaryIO, left: int, meter: Meter, stop: Stop) -> None:
        self._stream = stream
        self._left = left
        self._meter = meter
        self._stop = stop

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._stop.check()
        data = self._stream.read(min(len(buffer), self._left))
        buffer[: len(data)] = data
        self._left -= len(data)
        self._meter.add(len(data))
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


def send_bytes(repository: Repository, digest: Digest, data: bytes, stop: Stop) -> None:
    """Upload a small blob, an image's config, unless it is there."""
    from lamina.oci.manifest import OCI_CONFIG
    from lamina.oci.manifest import Descriptor as Blob
    from lamina.oci.registry.progress import Meter, nothing

    if repository.blob_size(digest) is not None:
        return
    blob = Blob(OCI_CONFIG, digest, len(data))
    meter = Meter(nothing, "push", digest, len(data))
    Upload(repository, blob, lambda: io.BytesIO(data), meter, stop).send()
