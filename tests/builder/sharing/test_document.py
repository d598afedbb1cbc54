"""builder.sharing.document: what a cache says, and who may say what."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from lamina.builder.sharing.document import (
    LIST,
    Document,
    Packed,
    Record,
    SharedLayer,
    SharedMount,
    document_bytes,
    parse_document,
)
from lamina.builder.sharing.packing import describe, describe_times
from lamina.errors import LaminaError
from lamina.oci.digest import Digest
from lamina.oci.manifest import OCI_LAYER_GZIP, Descriptor

ONE, TWO = Digest.of(b"one"), Digest.of(b"two")
FIELDS = '{"kind":"run"}'


def packed(name: bytes, times: bytes = b"") -> Packed:
    blob = Descriptor(OCI_LAYER_GZIP, Digest.of(name), 7)
    return Packed(Digest.of(b"tar" + name), blob, "isal/1", describe_times(times))


RECORDS = (
    Record(Digest.of(FIELDS.encode()), FIELDS, "[a 1/2] RUN x", (TWO,), 12),
    Record(Digest.of(b"{}"), "{}", "[a 2/2] TEST x", (), 13),
)
LAYERS = (
    SharedLayer(TWO, 1 << 62, 12, (0o755, 0, 0), packed(b"2", bytes(3) + b"\1")),
    SharedLayer(ONE, -1, 11, (0o1777, 5, 6), packed(b"1", bytes(2000))),
)
MOUNTS = (SharedMount("/root/.cache", "", "0" * 64, packed(b"m")),)
LISTS: dict[str, Descriptor] = {
    TWO: describe(LIST, b"few"),
    ONE: describe(LIST, bytes(3000)),
}
WHOLE = Document(RECORDS, LAYERS, {"b": "2", "a": "1"}, LISTS, MOUNTS)


def test_what_is_written_is_read() -> None:
    found = parse_document(document_bytes(WHOLE))
    assert {r.key: r for r in found.records} == {r.key: r for r in RECORDS}
    assert {x.content: x for x in found.layers} == {x.content: x for x in LAYERS}
    assert (found.files, found.mounts) == (WHOLE.files, MOUNTS)
    assert found.lists == LISTS


def test_the_same_cache_is_the_same_bytes() -> None:
    other = Document(
        RECORDS[::-1],
        LAYERS[::-1],
        {"a": "1", "b": "2"},
        dict(sorted(LISTS.items())),
        MOUNTS,
    )
    assert document_bytes(other) == document_bytes(WHOLE)


def test_times_of_few_files_are_no_blob() -> None:
    digests = {blob.digest for blob in WHOLE.blobs}
    assert digests == {
        *(Digest.of(name) for name in (b"1", b"2", b"m")),
        Digest.of(bytes(2000)),
        Digest.of(bytes(3000)),
    }


Change = Callable[[dict[str, Any]], object]
LIES: dict[str, Change] = {
    "version": lambda d: d.update(version=2),
    "no version": lambda d: d.pop("version"),
    "key": lambda d: d["records"][0].update(key=ONE),
    "fields": lambda d: d["records"][0].update(fields="{ }"),
    "result": lambda d: d["records"][0].update(result=["sha256:../../x"]),
    "a result that is no list": lambda d: d["records"][0].update(result=ONE),
    "content": lambda d: d["layers"][0].update(content="x"),
    "no blob": lambda d: d["layers"][0].pop("blob"),
    "no times": lambda d: d["layers"][0].pop("times"),
    "blob": lambda d: d["layers"][0]["blob"].update(digest="sha512:00"),
    "data": lambda d: d["layers"][1]["times"].update(data="AAAA"),
    "since": lambda d: d["layers"][0].update(since="now"),
    "created": lambda d: d["layers"][0].update(created=1 << 70),
    "mode": lambda d: d["layers"][0].update(root=[0o10000, 0, 0]),
    "owner": lambda d: d["layers"][0].update(root=[0, -1, 0]),
    "root": lambda d: d["layers"][0].update(root=[True, 0, 0]),
    "records": lambda d: d.update(records={}),
    "files": lambda d: d.update(files=[1]),
    "lists": lambda d: d.update(lists={ONE: {"digest": ONE}}),
    "mounts": lambda d: d["mounts"][0].update(id=5),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_is_not_as_it_should_be(lie: str) -> None:
    document = json.loads(document_bytes(WHOLE))
    LIES[lie](document)
    with pytest.raises(LaminaError):
        parse_document(json.dumps(document).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"version":1,"version":1}'])
def test_what_is_no_document(data: bytes) -> None:
    with pytest.raises(LaminaError):
        parse_document(data)
