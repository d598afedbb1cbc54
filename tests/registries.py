"""A real registry, Debian's `docker-registry`, on loopback; and a private authority."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

USER, PASSWORD = "builder", "not for logs"
# `htpasswd -Bbn builder 'not for logs'`: the registry takes bcrypt only.
HTPASSWD = "builder:$2y$05$GqzhbFgMiSMOTZSVGJC/gu0lwjwBHx3VzaJebk5qV9K7R8qwGlOPm\n"
_PATIENCE = 30.0


class Authority:
    """Certificates for loopback, signed by an authority that nobody knows."""

    def __init__(self, place: Path) -> None:
        self.ca = place / "ca.pem"
        self.certificate = place / "server.pem"
        self.key = place / "server.key"
        names = place / "names"
        names.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        ca_key, request = place / "ca.key", place / "server.csr"
        new = ("req", "-newkey", "rsa:2048", "-nodes")
        _openssl(
            *(*new, "-x509", "-days", "2", "-subj", "/CN=test authority"),
            *("-addext", "basicConstraints=critical,CA:TRUE"),
            *("-keyout", ca_key, "-out", self.ca),
        )
        _openssl(
            *(*new, "-subj", "/CN=127.0.0.1"),
            *("-keyout", self.key, "-out", request),
        )
        _openssl(
            *("x509", "-req", "-days", "2", "-in", request, "-extfile", names),
            *("-CA", self.ca, "-CAkey", ca_key, "-CAcreateserial"),
            *("-out", self.certificate),
        )


def _openssl(*words: object) -> None:
    command = ["openssl", *map(str, words)]
    subprocess.run(command, check=True, capture_output=True)


@contextlib.contextmanager
def registry(
    place: Path, *, password: bool = False, authority: Authority | None = None
) -> Iterator[str]:
    """Serve while in the block; the address, `127.0.0.1:PORT`."""
    place.mkdir(parents=True, exist_ok=True)
    address = f"127.0.0.1:{_free_port()}"
    http: dict[str, object] = {"addr": address}
    if authority is not None:
        http["tls"] = {
            "certificate": str(authority.certificate),
            "key": str(authority.key),
        }
    config: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(place / "data")},
            "delete": {"enabled": True},
        },
        "http": http,
    }
    if password:
        (place / "htpasswd").write_text(HTPASSWD)
        config["auth"] = {
            "htpasswd": {"realm": "tests", "path": str(place / "htpasswd")}
        }
    # YAML has all of JSON.
    (place / "config.yml").write_text(json.dumps(config))
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(place / "config.yml")],
            stdout=log,
            stderr=log,
        )
    try:
        _wait(process, address, place / "log")
        yield address
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    host, _, port = address.partition(":")
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(OSError):
            socket.create_connection((host, int(port)), timeout=5).close()
            return
        time.sleep(0.02)
    raise AssertionError(f"docker-registry does not answer:\n{log.read_text()}")


def manifest_digest(address: str, name: str, tag: str) -> str:
    """What the registry says is the digest of a tag, whatever its kind."""
    kinds = ("manifest.v1", "index.v1")
    accept = [f"application/vnd.oci.image.{kind}+json" for kind in kinds]
    docker = "application/vnd.docker.distribution.manifest"
    accept += [f"{docker}.v2+json", f"{docker}.list.v2+json"]
    request = urllib.request.Request(
        f"http://{address}/v2/{name}/manifests/{tag}",
        method="HEAD",
        headers={"Accept": ", ".join(accept)},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(answer.headers["Docker-Content-Digest"])
