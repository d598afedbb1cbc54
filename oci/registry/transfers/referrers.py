"""Referrers: what points to an image by its `subject`, such as signatures.

distribution-spec 1.1, "Listing Referrers". A registry that knows them says so with
OCI-Subject; for others there is a tag that names the image, an index of all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.oci.manifest import OCI_INDEX, Descriptor, Index, Manifest
from lamina.oci.manifest_json import to_json
from lamina.oci.registry.errors import Missing
from lamina.values import replace

if TYPE_CHECKING:
    from lamina.oci.digest import Digest
    from lamina.oci.registry.fetched import Fetched
    from lamina.oci.registry.repository import Repository


def fallback_tag(digest: Digest) -> str:
    """The tag for registries without referrers ("Referrers Tag Schema")."""
    return digest.replace(":", "-", 1)


def referrers(repository: Repository, digest: Digest) -> tuple[Descriptor, ...]:
    """What refers to the manifest `digest`."""
    found = repository.referrers(digest)
    return _fallback(repository, digest).manifests if found is None else found


def publish(repository: Repository, name: str, fetched: Fetched) -> None:
    """Store a manifest under `name`, a tag or its digest, so that it is found by its
    subject, where it has one."""
    kind = fetched.descriptor.media_type
    response = repository.put_manifest(name, fetched.data, kind)
    subject = fetched.document.subject
    if subject is None or "OCI-Subject" in response.headers:
        return
    entry = entry_of(fetched)
    index = _fallback(repository, subject.digest)
    if any(there.digest == entry.digest for there in index.manifests):
        return
    grown = replace(index, manifests=(*index.manifests, entry))
    tag = fallback_tag(subject.digest)
    repository.put_manifest(tag, to_json(grown), OCI_INDEX)


def _fallback(repository: Repository, digest: Digest) -> Index:
    try:
        found = repository.manifest(fallback_tag(digest)).document
    except Missing:
        return Index(())
    return found if isinstance(found, Index) else Index(())


def entry_of(fetched: Fetched) -> Descriptor:
    """The descriptor of a referrer: its kind and annotations go along."""
    document = fetched.document
    kind = document.artifact_type
    if not kind and isinstance(document, Manifest):
        kind = document.config.media_type
    return replace(
        fetched.descriptor, artifact_type=kind, annotations=document.annotations
    )
