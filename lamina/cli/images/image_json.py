"""Images as the Engine API shows them in JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.oci.config_json import inner_json
from lamina.oci.reference import parse_reference, pinned
from lamina.oci.store.image_index import index_rows

if TYPE_CHECKING:
    from lamina.oci.config import ImageConfig
    from lamina.oci.store.store import Image, Store


def image_json(store: Store, image: Image) -> dict[str, Any]:
    """An image as the Engine API's `GET /images/{name}/json` gives it."""
    row = next(row for row in store.images() if row.id == image.id)
    names = [parse_reference(text) for text in row.references]
    config = image.config
    digests = (
        {pinned(name, row.manifest_digest).familiar(): None for name in names}
        if row.manifest_digest
        else {}
    )
    document = {
        "Id": image.id,
        "RepoTags": [name.familiar() for name in names],
        "RepoDigests": list(digests),
        "Parent": "",
        "Comment": config.history[-1].comment if config.history else "",
        "Created": config.created,
        "DockerVersion": config.other.get("docker_version", ""),
        "Author": config.author,
        "Config": docker_config(config),
        "Architecture": config.architecture,
        "Variant": config.variant,
        "Os": config.os,
        "OsVersion": config.os_version,
        "Size": row.bytes,
        "GraphDriver": {"Name": "overlay", "Data": _lowers(store, image)},
        "RootFS": {"Type": "layers", "Layers": list(config.diff_ids)},
    }
    return {
        key: found
        for key, found in document.items()
        if found or key not in ("Variant", "OsVersion")
    }


def index_json(store: Store, identity: str) -> dict[str, Any]:
    """What an image for several platforms has of its own: its names, and its images
    as the Engine API's `Manifests` tells them."""
    row = next(row for row in index_rows(store) if row.id == identity)
    names = [parse_reference(text) for text in row.references]
    digest = row.source_digest
    return {
        "RepoTags": [name.familiar() for name in names],
        "RepoDigests": [pinned(name, digest).familiar() for name in names]
        if digest
        else [],
        "Index": row.id,
        "Manifests": [
            {
                "ID": member.id,
                "Available": True,
                "Kind": "image",
                "Size": {"Total": store.bytes_of(member.id)},
                "ImageData": {"Platform": member.platform},
            }
            for member in row.members
        ],
    }


def docker_config(config: ImageConfig) -> dict[str, Any]:
    """`Config` as the Engine API shows it: with Docker's fields that say nothing."""
    written = inner_json(config)
    always: dict[str, Any] = {
        "Hostname": "",
        "Domainname": "",
        "User": "",
        "AttachStdin": False,
        "AttachStdout": False,
        "AttachStderr": False,
        "Tty": False,
        "OpenStdin": False,
        "StdinOnce": False,
        "Env": None,
        "Cmd": None,
        "Image": "",
        "Volumes": None,
        "WorkingDir": "",
        "Entrypoint": None,
        "OnBuild": None,
        "Labels": None,
    }
    return {**always, **written}


def _lowers(store: Store, image: Image) -> dict[str, str]:
    """The layers' directories as overlay takes them, the topmost first."""
    paths = [store.layer_path(content) for content in reversed(image.layers)]
    return {"LowerDir": ":".join(paths)} if paths else {}
