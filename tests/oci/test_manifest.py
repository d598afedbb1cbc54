"""Manifests and indexes that others wrote, and the ones we write."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from lamina.oci import manifest as m
from lamina.oci.digest import Digest
from lamina.oci.errors import InvalidDigest, InvalidImage, NotFound
from lamina.oci.manifest_json import parse_manifest, to_json
from lamina.oci.platforms import Platform

CONFIG = {"mediaType": m.OCI_CONFIG, "digest": Digest.of(b"c"), "size": 1}
LAYER = {"mediaType": m.OCI_LAYER_GZIP, "digest": Digest.of(b"l"), "size": 1}
IMAGE: dict[str, Any] = {
    "schemaVersion": 2,
    "mediaType": m.OCI_MANIFEST,
    "config": CONFIG,
    "layers": [LAYER],
}


def entry(platform: dict[str, str] | None, text: bytes = b"m") -> dict[str, Any]:
    found = {"mediaType": m.OCI_MANIFEST, "digest": Digest.of(text), "size": len(text)}
    return found if platform is None else {**found, "platform": platform}


INDEX: dict[str, Any] = {
    "schemaVersion": 2,
    "mediaType": m.OCI_INDEX,
    "manifests": [entry({"architecture": "amd64", "os": "linux"})],
}


def encoded(document: Any) -> bytes:
    return json.dumps(document).encode()


def test_a_manifest() -> None:
    found = parse_manifest(encoded(IMAGE))
    assert isinstance(found, m.Manifest)
    assert found.config == m.Descriptor(m.OCI_CONFIG, Digest.of(b"c"), 1)
    assert [layer.digest for layer in found.layers] == [Digest.of(b"l")]


def test_an_index() -> None:
    found = parse_manifest(encoded(INDEX), m.OCI_INDEX + "; charset=utf-8")
    assert isinstance(found, m.Index)
    assert found.manifests[0].platform == Platform("linux", "amd64")


def test_ours_is_compact_in_the_order_of_go() -> None:
    written = to_json(parse_manifest(encoded(IMAGE)))
    assert written == (
        b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",'
        b'"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"'
        + Digest.of(b"c").encode()
        + b'","size":1},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar'
        b'+gzip","digest":"' + Digest.of(b"l").encode() + b'","size":1}]}'
    )


def test_every_field_survives() -> None:
    rich = {
        **INDEX,
        "artifactType": "application/x",
        "subject": entry(None, b"s"),
        "annotations": {"b": "<&>\u2028", "a": ""},
        "manifests": [
            {
                **entry(None, b"in"),
                "urls": ["https://example.test/in"],
                "annotations": {m.REF_NAME: "1"},
                "data": base64.b64encode(b"in").decode(),
                "artifactType": "application/y",
                "platform": {
                    "architecture": "arm",
                    "os": "linux",
                    "os.version": "1",
                    "os.features": ["f"],
                    "variant": "v7",
                },
            }
        ],
    }
    found = parse_manifest(encoded(rich))
    written = to_json(found)
    assert parse_manifest(written) == found
    assert b"\\u003c\\u0026\\u003e\\u2028" in written
    assert json.loads(written) == rich


BROKEN: list[dict[str, Any] | list[Any] | str | None] = [
    *(None, [], "text", {}, {"schemaVersion": 2}),
    {**IMAGE, "manifests": []},
    {**IMAGE, "manifests": None},
    {**INDEX, "config": CONFIG},
    {**IMAGE, "schemaVersion": 1},
    {**IMAGE, "schemaVersion": True},
    {**IMAGE, "schemaVersion": "2"},
    {**IMAGE, "schemaVersion": None},
    {**IMAGE, "Layers": []},
    {**IMAGE, "mediaType": m.OCI_INDEX},
    {**IMAGE, "mediaType": "text/plain"},
    {**IMAGE, "mediaType": 3},
    {**IMAGE, "config": None},
    {**IMAGE, "config": "x"},
    {**IMAGE, "layers": {}},
    {**IMAGE, "layers": [None]},
    {**IMAGE, "layers": [{**LAYER, "size": -1}]},
    {**IMAGE, "layers": [{**LAYER, "size": 1.0}]},
    {**IMAGE, "layers": [{**LAYER, "size": 2**63}]},
    {**IMAGE, "layers": [{**LAYER, "Size": 3}]},
    {**IMAGE, "layers": [{**LAYER, "digest": None}]},
    {**IMAGE, "layers": [{**LAYER, "mediaType": ""}]},
    {**IMAGE, "layers": [{**LAYER, "data": "bA="}]},
    {**IMAGE, "layers": [{**LAYER, "data": "eA=="}]},
    {**IMAGE, "layers": [{**LAYER, "urls": [1]}]},
    {**IMAGE, "annotations": {"a": 1}},
    {**INDEX, "manifests": [entry({"os": 1})]},  # type: ignore[dict-item]
]


@pytest.mark.parametrize("document", BROKEN, ids=lambda d: encoded(d)[-60:].decode())
def test_what_breaks_the_specification_is_refused(document: Any) -> None:
    with pytest.raises(InvalidImage):
        parse_manifest(encoded(document))


def test_null_is_absent() -> None:
    document = {**IMAGE, "layers": None, "annotations": None, "subject": None}
    found = parse_manifest(encoded(document))
    assert isinstance(found, m.Manifest)
    assert found.layers == ()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"{" * 5000,
        b'{"a":' * 70 + b"1" + b"}" * 70,
        b"[" * 200_000,
        b'{"schemaVersion":2,"schemaVersion":2,"layers":[]}',
        b'{"schemaVersion":NaN}',
        b'{"schemaVersion":' + b"9" * 5000 + b"}",
        b" " * (5 << 20),
    ],
    ids=["empty", "utf-8", "cut", "deep", "deeper", "twice", "nan", "digits", "large"],
)
def test_json_that_cannot_be_relied_on(data: bytes) -> None:
    with pytest.raises(InvalidImage):
        parse_manifest(data)


def test_other_digests_are_refused() -> None:
    bad = {**IMAGE, "config": {**CONFIG, "digest": "sha512:" + "a" * 128}}
    with pytest.raises(InvalidDigest):
        parse_manifest(encoded(bad))


def test_the_sender_and_the_document_have_to_agree() -> None:
    with pytest.raises(InvalidImage, match="its sender"):
        parse_manifest(encoded(IMAGE), m.DOCKER_MANIFEST)


def choose(platforms: list[str], wanted: Platform) -> str:
    entries = []
    for text in platforms:
        system, architecture, *variant = text.split("/")
        platform = {"os": system, "architecture": architecture}
        if variant:
            platform["variant"] = variant[0]
        entries.append(entry(platform, text.encode()))
    index = parse_manifest(encoded({**INDEX, "manifests": entries}))
    assert isinstance(index, m.Index)
    chosen = m.select(index, wanted).digest
    return next(text for text in platforms if Digest.of(text.encode()) == chosen)


def test_the_best_that_runs_here_is_selected() -> None:
    there = ["unknown/unknown", "linux/386", "linux/amd64", "linux/arm64/v8"]
    assert choose(there, Platform("linux", "amd64")) == "linux/amd64"
    assert choose(there, Platform("linux", "arm64")) == "linux/arm64/v8"
    assert choose(there[:2], Platform("linux", "amd64")) == "linux/386"


def test_no_platform_that_runs_here() -> None:
    with pytest.raises(NotFound) as caught:
        choose(["linux/s390x", "linux/riscv64"], Platform("linux", "amd64"))
    assert caught.value.hint == "It is there for linux/riscv64, linux/s390x."


def test_a_single_entry_needs_no_platform() -> None:
    index = parse_manifest(encoded({**INDEX, "manifests": [entry(None)]}))
    assert isinstance(index, m.Index)
    assert m.select(index).digest == Digest.of(b"m")


def test_a_document_that_could_be_both_is_neither() -> None:
    """CVE-2021-41190: a manifest for one reader, an index for another."""
    both = {"schemaVersion": 2, "config": {}, "layers": [], "manifests": []}
    with pytest.raises(InvalidImage, match="an image and an index at once"):
        parse_manifest(encoded(both))
