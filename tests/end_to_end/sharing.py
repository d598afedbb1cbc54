"""A project, and its build by machines that share a cache in a folder."""

from __future__ import annotations

import json
from pathlib import Path

from tests.end_to_end.bases import Done, Lamina

RECIPE = """\
FROM busybox AS tools
RUN mkdir /opt && echo tool > /opt/tool
RUN echo large > /opt/large; date +%s%N > /opt/made
FROM busybox
WORKDIR /srv/app
COPY src /srv/src
COPY --link more /more
COPY --from=tools /opt/tool /opt/made /opt/
RUN cat /opt/tool > /out; date +%s%N > /now; mkdir -p /deep/er; ln -s a /link
TEST test -s /out
"""
STEPS = 8


def build(machine: Lamina, folder: Path, *args: str | Path) -> Done:
    return machine.run("build", "--progress=plain", *args, folder)


def to(place: Path, *more: str) -> tuple[str, str]:
    return "--cache-to", ",".join(["type=local", f"dest={place}", "mode=max", *more])


def of(place: Path, *more: str) -> tuple[str, str]:
    return "--cache-from", ",".join(["type=local", f"src={place}", *more])


def document(place: Path) -> dict[str, object]:
    """The config of the cache in a folder."""
    index = json.loads((place / "index.json").read_text())
    manifest = json.loads(blob(place, index["manifests"][0]["digest"]).read_text())
    found: dict[str, object] = json.loads(
        blob(place, manifest["config"]["digest"]).read_text()
    )
    return found


def blob(place: Path, digest: str) -> Path:
    return place / "blobs/sha256" / digest[7:]


def state(place: Path) -> dict[str, tuple[int, int]]:
    """What changes when a file is written."""
    found = {}
    for path in place.rglob("*"):
        status = path.stat()
        if path.is_file() and path.name not in ("index.json",):
            found[str(path)] = (status.st_ino, status.st_mtime_ns)
    return found


def forge(place: Path, config: dict[str, object]) -> None:
    """Let the cache in a folder have another config, all digests right."""
    from lamina.oci.digest import Digest

    path = place / "index.json"
    index = json.loads(path.read_text())
    entry = index["manifests"][0]
    manifest = json.loads(blob(place, entry["digest"]).read_text())
    for holder, key, written in (
        (manifest, "config", config),
        (index["manifests"], 0, manifest),
    ):
        data = json.dumps(written).encode()
        digest = Digest.of(data)
        blob(place, digest).write_bytes(data)
        holder[key] = {**holder[key], "digest": digest, "size": len(data)}
    path.write_text(json.dumps(index))
