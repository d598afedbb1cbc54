"""Repository: the requests of the distribution protocol, one function each.

OCI distribution-spec 1.1. `end-N` in comments are the endpoints of its table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from lamina.oci.digest import Digest
from lamina.oci.errors import DigestMismatch
from lamina.oci.manifest import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Index,
)
from lamina.oci.manifest_json import parse_manifest
from lamina.oci.reference import is_tag
from lamina.oci.registry.connection.address import (
    is_web,
    joined,
    leaves_tls,
    on_host_of,
    origin,
    shown,
)
from lamina.oci.registry.connection.answer import small_body
from lamina.oci.registry.connection.endpoint import Call
from lamina.oci.registry.connection.headers import next_page, number
from lamina.oci.registry.errors import Missing, Refused
from lamina.oci.registry.fetched import Fetched
from lamina.oci.strict_json import MAX_DOCUMENT, parse_object, texts_of
from lamina.oci.threads import NEVER, Stop

if TYPE_CHECKING:
    from lamina.oci.registry.connection.endpoint import Endpoint
    from lamina.oci.registry.connection.request import Body
    from lamina.oci.registry.connection.transport import Response

_KINDS = (OCI_INDEX, OCI_MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST)
_ACCEPT = {"Accept": ", ".join(_KINDS)}
_MAX_TAGS = 100_000
_PAGE = 1000


class Repository:
    """One repository on one host; `actions` are "pull" or "pull,push"."""

    def __init__(
        self, endpoint: Endpoint, name: str, actions: str, stop: Stop = NEVER
    ) -> None:
        self.endpoint = endpoint
        self.name = name
        self.scope: tuple[str, ...] = (f"repository:{name}:{actions}",)
        self._actions = actions
        self._stop = stop

    def __str__(self) -> str:
        return f"{self.endpoint.name}/{self.name}"

    def until(self, stop: Stop) -> Repository:
        """The same, whose requests end with Stopped at `stop`."""
        return Repository(self.endpoint, self.name, self._actions, stop)

    # Manifests

    def manifest(self, reference: str) -> Fetched:
        """The manifest or index of a tag or a digest (end-3).

        Raises Missing, InvalidImage, and DigestMismatch for other bytes than those
        that were asked for.
        """
        what = f"manifest {self.name}:{reference}"
        if ":" in reference:
            what = f"manifest {self.name}@{reference}"
        call = Call("GET", self._manifest(reference), self.scope, what, headers=_ACCEPT)
        response = self._call(call)
        try:
            data = small_body(response, MAX_DOCUMENT)
        finally:
            response.close()
        promised = reference if ":" in reference else _digest_header(response)
        digest = Digest.of(data)
        if promised and digest != promised:
            raise DigestMismatch(
                f"The {what} has the digest {digest}, not {promised}.",
                hint="The registry, or something on the way to it, is at fault.",
            )
        document = parse_manifest(data, _kind(response))
        descriptor = Descriptor(document.media_type, digest, len(data))
        return Fetched(data, descriptor, document)

    def head(self, reference: str) -> Digest | None:
        """The digest that a tag has now, without its manifest (end-3); None: unknown.

        Raises Missing.
        """
        what = f"manifest {self.name}:{reference}"
        call = Call(
            "HEAD", self._manifest(reference), self.scope, what, headers=_ACCEPT
        )
        response = self._call(call)
        response.close()
        found = _digest_header(response)
        return Digest.parse(found) if found else None

    def put_manifest(self, reference: str, data: bytes, media_type: str) -> Response:
        """Store a manifest under a tag or its digest (end-7); the closed answer."""
        call = Call(
            "PUT",
            self._manifest(reference),
            self.scope,
            f"manifest {self.name}:{reference}",
            (200, 201, 202),
            {"Content-Type": media_type},
            data,
        )
        response = self._call(call)
        response.close()
        said, digest = _digest_header(response), Digest.of(data)
        if said and said != digest:
            raise DigestMismatch(f"{self} stored {said} for the manifest {digest}.")
        return response

    def tags(self) -> Iterator[str]:
        """All tags (end-8), page by page."""
        path = f"/v2/{self.name}/tags/list?n={_PAGE}"
        what = f"list of tags of {self.name}"
        seen: set[str] = set()
        while path:
            response = self._call(Call("GET", path, self.scope, what))
            try:
                document = parse_object(small_body(response, MAX_DOCUMENT), what)
            finally:
                response.close()
            fresh = [t for t in texts_of(document, "tags", what) or () if t not in seen]
            for tag in fresh:
                # It becomes part of addresses, of names in the store and of lines.
                if not is_tag(tag):
                    raise Refused(f"{self} lists {tag[:60]!r}, which is no tag.")
            seen.update(fresh)
            yield from fresh
            if not fresh or len(seen) > _MAX_TAGS:
                return
            path = _next(response)

    def referrers(self, digest: Digest) -> tuple[Descriptor, ...] | None:
        """What refers to a manifest (end-12), page by page; None where the registry
        has no such endpoint, and the tag scheme is to be used."""
        path = f"/v2/{self.name}/referrers/{digest}"
        what = f"referrers of {digest}"
        found: dict[Digest, Descriptor] = {}
        while path:
            headers = {"Accept": OCI_INDEX}
            call = Call("GET", path, self.scope, what, headers=headers)
            try:
                response = self._call(call)
            except Missing:
                return None
            try:
                page = parse_manifest(small_body(response, MAX_DOCUMENT))
            finally:
                response.close()
            if not isinstance(page, Index):
                return None
            fresh = {e.digest: e for e in page.manifests if e.digest not in found}
            found.update(fresh)
            if not fresh or len(found) > _MAX_TAGS:
                break
            path = _next(response)
        return tuple(found.values())

    # Blobs

    def open_blob(self, digest: Digest, start: int = 0) -> Response:
        """The bytes of a blob (end-2), from `start` where the registry can. One try."""
        headers = {"Range": f"bytes={start}-"} if start else {}
        # Each try is one of whoever reads: a cut is followed by another open.
        call = Call(
            "GET",
            self._blob(digest),
            self.scope,
            f"blob {digest}",
            expect=(200, 206) if start else (200,),
            headers=headers,
            repeatable=False,
        )
        return self._call(call)

    def blob_size(self, digest: Digest) -> int | None:
        """Bytes of a blob that is there (end-2; -1 when not told), None else."""
        call = Call("HEAD", self._blob(digest), self.scope, f"blob {digest}")
        try:
            response = self._call(call)
        except Missing:
            return None
        response.close()
        return -1 if response.length is None else response.length

    def mount(self, digest: Digest, source: str) -> str:
        """Take a blob over from the repository `source` here (end-11).

        "" when that was done; else where to upload it, as `begin_upload`.
        """
        query = urlencode({"mount": digest, "from": source})
        path = f"/v2/{self.name}/blobs/uploads/?{query}"
        # The token has to open both repositories.
        scope = (*self.scope, f"repository:{source}:pull")
        call = Call("POST", path, scope, f"upload of {digest}", (201, 202), body=b"")
        response = self._call(call)
        response.close()
        return "" if response.status == 201 else self._location(response)

    def begin_upload(self) -> tuple[str, int]:
        """Begin to upload a blob (end-4a): where to send it, and how many bytes a piece
        of it has to have at least, but for the last."""
        path = f"/v2/{self.name}/blobs/uploads/"
        call = Call("POST", path, self.scope, "place for uploads", (202,), body=b"")
        response = self._call(call)
        response.close()
        least = number(response.headers.get("OCI-Chunk-Min-Length", ""))
        return self._location(response), least or 0

    def put_blob(self, location: str, digest: Digest, body: bytes | Body) -> None:
        """Send all, or the end, of a blob, and close its upload (end-6). One try."""
        separator = "&" if "?" in location else "?"
        call = Call(
            "PUT",
            f"{location}{separator}digest={quote(digest)}",
            self.scope,
            f"blob {digest}",
            (201, 204),
            {"Content-Type": "application/octet-stream"},
            body,
            repeatable=False,
        )
        response = self._call(call)
        response.close()
        said = _digest_header(response)
        if said and said != digest:
            raise DigestMismatch(f"{self} stored {said} for the blob {digest}.")

    def patch_blob(self, location: str, start: int, body: Body) -> str:
        """Send a piece of a blob (end-5); where to go on. One try."""
        call = Call(
            "PATCH",
            location,
            self.scope,
            "upload",
            (202, 204),
            {
                "Content-Type": "application/octet-stream",
                "Content-Range": f"{start}-{start + body.size - 1}",
            },
            body,
            repeatable=False,
        )
        response = self._call(call)
        response.close()
        return self._location(response)

    def upload_state(self, location: str) -> tuple[str, int]:
        """Where an upload that broke off goes on, and at which byte (end-13)."""
        call = Call("GET", location, self.scope, "state of the upload", (204, 200))
        response = self._call(call)
        response.close()
        last = (
            response.headers.get("Range", "").removeprefix("bytes=").partition("-")[2]
        )
        # `0-0` is said for nothing at all: a single byte is sent twice then.
        at = number(last)
        done = at + 1 if at else 0
        target = response.headers.get("Location", "")
        return (self._location(response) if target else location), done

    def cancel_upload(self, location: str) -> None:
        """Let the registry forget an upload; that may fail."""
        from lamina.oci.registry.errors import RegistryError

        expect = (200, 202, 204)
        call = Call("DELETE", location, self.scope, "upload", expect, repeatable=False)
        try:
            self._call(call).close()
        except RegistryError:
            return

    def _call(self, call: Call) -> Response:
        return self.endpoint.call(call, self._stop)

    def _manifest(self, reference: str) -> str:
        return f"/v2/{self.name}/manifests/{reference}"

    def _blob(self, digest: Digest) -> str:
        return f"/v2/{self.name}/blobs/{digest}"

    def _location(self, response: Response) -> str:
        target = joined(response.url, response.headers.get("Location", ""))
        if not response.headers.get("Location") or not is_web(target):
            raise Refused(f"{self} does not say where to upload to.")
        if not leaves_tls(response.url, target):
            return target
        if origin(target)[1] != origin(response.url)[1]:
            raise Refused(
                f"{self} wants uploads at {shown(target)}, which is without TLS."
            )
        # It does not know of the proxy that speaks TLS for it.
        return on_host_of(response.url, target)


def _next(response: Response) -> str:
    return next_page(response.url, response.headers.get("Link", ""))


def _kind(response: Response) -> str:
    """The media type, where the sender says one that means something."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip()
    return kind if kind in _KINDS else ""


def _digest_header(response: Response) -> str:
    said = response.headers.get("Docker-Content-Digest", "")
    return said if said.startswith("sha256:") else ""
