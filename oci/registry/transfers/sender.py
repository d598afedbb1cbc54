"""Sender: one blob after the other to a repository, the cheapest way there is.

There already, mounted from a repository nearby, or uploaded; what the store has not is
fetched from where it was seen.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from lamina.oci.errors import DigestMismatch
from lamina.oci.files.hashed_file import write_file
from lamina.oci.registry.errors import RegistryError
from lamina.oci.registry.progress import Meter
from lamina.oci.registry.repository import Repository
from lamina.oci.registry.transfers.download import Download, check_digest
from lamina.oci.registry.transfers.known import Home, known_home
from lamina.oci.registry.transfers.upload import Upload
from lamina.oci.threads import NEVER

if TYPE_CHECKING:
    from lamina.oci.files.hashed_file import Write
    from lamina.oci.files.workspace import Workspace
    from lamina.oci.manifest import Descriptor
    from lamina.oci.registry.progress import Tell
    from lamina.oci.registry.session import Session
    from lamina.oci.store.store import Store
    from lamina.oci.threads import Stop


class Sender:
    """Sends to `target`; threads share it, and end at `stop`."""

    def __init__(
        self,
        store: Store,
        session: Session,
        target: Repository,
        workspace: Workspace,
        tell: Tell,
        stop: Stop = NEVER,
    ) -> None:
        self.home = Home(target.endpoint.name, target.name)
        self._store = store
        self._session = session
        self._target = target.until(stop)
        self._workspace = workspace
        self._tell = tell
        self._stop = stop

    def there(self, blob: Descriptor, home: Home | None = None) -> tuple[str, str]:
        """How the blob is in the repository without an upload; "" when it is not, and
        then maybe where an upload was begun in trying.

        `home` is a repository that has it, where it was seen last by default.
        """
        size = self._target.blob_size(blob.digest)
        if size in (-1, blob.size):
            return "exists", ""
        home = home or known_home(self._store, blob.digest)
        if home is None or home == self.home or home.registry != self.home.registry:
            return "", ""
        try:
            location = self._target.mount(blob.digest, home.repository)
        except RegistryError:
            # Not ours to read any more: it is uploaded then.
            return "", ""
        return ("", location) if location else ("mounted", "")

    def upload(self, blob: Descriptor, path: str, location: str) -> None:
        """Send the file `path`, to where an upload was begun, and remove it."""

        def opened() -> BinaryIO:
            return open(path, "rb")

        meter = Meter(self._tell, "push", blob.digest, blob.size)
        Upload(self._target, blob, opened, meter, self._stop).send(location)
        os.unlink(path)

    def fetch(self, blob: Descriptor, home: Home | None = None) -> str:
        """The blob as a new file in the workspace, from where it was seen."""
        home = home or known_home(self._store, blob.digest)
        if home is None:
            raise RegistryError("where it was pulled is not known any more.")
        path = f"{self._workspace.path}/{blob.digest.hex}.blob"
        source = repository_at(self._session, home)
        save_blob(source, blob, path, self._tell, self._stop)
        return path


def repository_at(session: Session, home: Home) -> Repository:
    """The repository that has, or had, a blob."""
    return Repository(session.endpoint(home.registry), home.repository, "pull")


def save_blob(
    source: Repository, blob: Descriptor, path: str, tell: Tell, stop: Stop
) -> None:
    """Write a blob of a registry to the new file `path`, verified.

    Raises RegistryError, DigestMismatch, StoreError on a full disk.
    """
    download = Download(source, blob, Meter(tell, "pull", blob.digest, blob.size), stop)

    def produce(write: Write) -> None:
        while data := download.read(1 << 20):
            write(data)

    try:
        digest, _ = write_file(path, produce)
        check_digest(blob, digest)
    except (RegistryError, DigestMismatch):
        os.unlink(path)
        raise
    finally:
        download.close()
