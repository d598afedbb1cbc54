"""Images at registries as JSON: what `lamina inspect --remote` shows of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.cli.images.image_json import docker_config
from lamina.cli.registries.session import open_session
from lamina.oci.manifest import Index
from lamina.oci.platforms import parse_platform
from lamina.oci.reference import parse_reference
from lamina.oci.registry.errors import RegistryError
from lamina.oci.registry.transfers.referrers import referrers
from lamina.oci.registry.transfers.remote import look_up

if TYPE_CHECKING:
    from lamina.cli.settings import Settings
    from lamina.oci.manifest import Descriptor
    from lamina.oci.registry.transfers.remote import RemoteImage


def remote_json(settings: Settings, name: str, platform: str) -> dict[str, Any]:
    """What a registry says of an image: documents and sizes. Raises LaminaError."""
    reference = parse_reference(name)
    wanted = parse_platform(platform) if platform else None
    with open_session(settings) as session:
        found = look_up(session, reference, wanted)
        pointing: tuple[Descriptor, ...] = ()
        try:
            pointing = referrers(found.sources[-1], found.root.digest)
        except RegistryError as error:
            # Who may pull an image may not see all that there is of it.
            if error.passing:
                raise
    return {
        "Name": reference.familiar(),
        **_documents(found),
        "Referrers": [_entry(entry) for entry in pointing],
    }


def _documents(found: RemoteImage) -> dict[str, Any]:
    config, root = found.config, found.root
    document: dict[str, Any] = {
        "Digest": root.digest,
        "MediaType": root.descriptor.media_type,
        "Id": found.id,
        "Created": config.created,
        "Author": config.author,
        "Architecture": config.architecture,
        "Variant": config.variant,
        "Os": config.os,
        "Size": sum(layer.size for layer in found.manifest.layers),
        "Config": docker_config(config),
        "RootFS": {"Type": "layers", "Layers": list(config.diff_ids)},
        "Annotations": dict(found.manifest.annotations),
        "Layers": [_entry(layer) for layer in found.manifest.layers],
    }
    if isinstance(root.document, Index):
        document["Manifests"] = [_entry(entry) for entry in root.document.manifests]
    return document


def _entry(entry: Descriptor) -> dict[str, Any]:
    document: dict[str, Any] = {
        "MediaType": entry.media_type,
        "Digest": entry.digest,
        "Size": entry.size,
    }
    if entry.platform is not None:
        document["Platform"] = str(entry.platform)
    if entry.artifact_type:
        document["ArtifactType"] = entry.artifact_type
    if entry.annotations:
        document["Annotations"] = dict(entry.annotations)
    return document
