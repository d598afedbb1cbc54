"""Small image archives, made the way their makers make them, sound or broken."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Files = dict[str, bytes]

OCI = "application/vnd.oci.image."


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def tar(files: Mapping[str, bytes]) -> bytes:
    """A tar of files, in the order given."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def config(*layers: bytes, **more: Any) -> bytes:
    """The config of an image of plain layers."""
    document = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2026-01-31T00:00:00Z",
        "config": {"Cmd": ["/bin/sh"], "OnBuild": None},
        "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
        **more,
    }
    return json.dumps(document).encode()


def docker_archive(*layers: bytes, tags: tuple[str, ...] = ("app:1",)) -> Files:
    """What `docker save` wrote up to Docker 24: manifest.json comes last."""
    written = config(*layers)
    name = f"{digest(written)[7:]}.json"
    files = {name: written}
    for number, layer in enumerate(layers):
        files[f"{number}/layer.tar"] = layer
    entry = {
        "Config": name,
        "RepoTags": list(tags),
        "Layers": [f"{number}/layer.tar" for number in range(len(layers))],
    }
    return {**files, "manifest.json": json.dumps([entry]).encode()}


def descriptor(kind: str, data: bytes, **more: Any) -> dict[str, Any]:
    return {"mediaType": kind, "digest": digest(data), "size": len(data), **more}


def layout(
    *layers: bytes, blobs: tuple[bytes, ...] = (), names: tuple[str, ...] = ("app:1",)
) -> Files:
    """An OCI layout; `blobs` are the layers as they are stored, if not plain."""
    stored = blobs or layers
    kind = OCI + ("layer.v1.tar+gzip" if blobs else "layer.v1.tar")
    written = config(*layers)
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI + "manifest.v1+json",
            "config": descriptor(OCI + "config.v1+json", written),
            "layers": [descriptor(kind, blob) for blob in stored],
        }
    ).encode()
    entries = [
        descriptor(
            OCI + "manifest.v1+json",
            manifest,
            annotations={"org.opencontainers.image.ref.name": name},
        )
        for name in names
    ]
    index = {"schemaVersion": 2, "manifests": entries}
    everything = (written, manifest, *stored)
    return {
        "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
        "index.json": json.dumps(index).encode(),
        **{f"blobs/sha256/{digest(data)[7:]}": data for data in everything},
    }


def changed(files: Files, name: str, **fields: Any) -> Files:
    """The archive with fields of its (first) JSON object in `name` replaced."""
    document = json.loads(files[name])
    (document[0] if isinstance(document, list) else document).update(fields)
    return {**files, name: json.dumps(document).encode()}


def write_folder(folder: Path, files: Files) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder
