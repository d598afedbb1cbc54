"""The document of a shared cache: which steps are known, and what their results are.

A cache is one OCI image manifest whose artifactType is `ARTIFACT`. Its config is this
document, its layers are compressed layers of steps, times (builder/sharing/times.py)
and cache mounts. The document, as JSON:

    {"version": 1,
     "records": [{"key": digest, "fields": "{...}", "name": "[app 1/2] RUN make",
                  "result": [content, ...], "created": seconds}],
     "layers": [{"content": digest, "diff_id": digest, "since": ns, "created": seconds,
                 "root": [mode, uid, gid], "compressor": "isal/2.31.1/l2",
                 "blob": descriptor, "times": descriptor}],
     "files": {memo: digest},
     "lists": {digest: descriptor},
     "mounts": [{"id": "/root/.cache", "seed": digest or "", "name": hex,
                 "diff_id": digest, "compressor": ..., "blob": ..., "times": ...}]}

`fields` is the text that `key` is the digest of (builder/solving/cachekey.py); `result`
is empty for a test that passed. `diff_id` is that of the layer's tar with its times as
they are, `since` says which files are new, and -1 that the layer's times are given
(docs/decisions/0004). `files` has the digests of what steps read from other stages, so
that those stages' layers are not needed to know a key. `lists` says of digests in keys
which files of the context they stand for, for who wants to know why a key is another
one. Everything is sorted: the same cache is the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lamina.oci.digest import Digest
from lamina.oci.manifest import Descriptor
from lamina.oci.manifest_json import descriptor_json, parse_descriptor
from lamina.oci.strict_json import (
    broken,
    digest_of,
    dump_json,
    integer_of,
    mapping_of,
    object_of,
    objects_of,
    parse_object,
    text_of,
    texts_of,
)
from lamina.values import EMPTY, value

if TYPE_CHECKING:
    from typing import Any

    from lamina.oci.strict_json import Object

_KIND = "application/vnd.lamina.cache."
ARTIFACT = _KIND + "v1"
CONFIG = _KIND + "config.v1+json"
TIMES = _KIND + "times.v1"
LIST = _KIND + "files.v1"
VERSION = 1
# A thousand steps with long environments have some megabytes.
MAX_SIZE = 32 << 20
_WHAT = "the cache's config"


@value
class Record:
    """What a step made: contents, none for a test; when (seconds since 1970)."""

    key: Digest
    fields: str
    name: str
    result: tuple[Digest, ...]
    created: int


@value
class Packed:
    """A directory as a tar: the tar's digest, what it is compressed to, by what, and
    the fractions of a second of its files' times."""

    diff_id: Digest
    blob: Descriptor
    compressor: str
    times: Descriptor


@value
class SharedLayer:
    """A layer of a step; `root` is mode, uid and gid of its topmost directory, which
    no tar has."""

    content: Digest
    since: int
    created: int
    root: tuple[int, int, int]
    packed: Packed


@value
class SharedMount:
    """A cache mount: its id, the digest of what it began with, the name of both."""

    id: str
    seed: str
    name: str
    packed: Packed


@value
class Document:
    """A whole cache; see the head of this module."""

    records: tuple[Record, ...]
    layers: tuple[SharedLayer, ...]
    files: Mapping[str, str] = EMPTY
    lists: Mapping[str, Descriptor] = EMPTY
    mounts: tuple[SharedMount, ...] = ()

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """All blobs that are not a part of the document, each once."""
        packed = [layer.packed for layer in self.layers]
        packed += [mount.packed for mount in self.mounts]
        found = [blob for one in packed for blob in (one.blob, one.times)]
        found += self.lists.values()
        named = {b.digest: b for b in found if b.size and b.data is None}
        return tuple(named[digest] for digest in sorted(named))


def document_bytes(document: Document) -> bytes:
    """The document as JSON, sorted."""
    records = sorted(document.records, key=lambda record: record.key)
    layers = sorted(document.layers, key=lambda layer: layer.content)
    mounts = sorted(document.mounts, key=lambda mount: mount.name)
    return dump_json(
        {
            "version": VERSION,
            "records": [_record_json(record) for record in records],
            "layers": [_layer_json(layer) for layer in layers],
            "files": dict(sorted(document.files.items())),
            "lists": {
                digest: descriptor_json(blob)
                for digest, blob in sorted(document.lists.items())
            },
            "mounts": [mount_json(mount) for mount in mounts],
        }
    )


def parse_document(data: bytes) -> Document:
    """The document in a cache's config; raises InvalidImage for what is none."""
    top = parse_object(data, _WHAT, MAX_SIZE)
    version = integer_of(top, "version", _WHAT)
    if version != VERSION:
        raise broken(f"{_WHAT} is of version {version}, not {VERSION}")
    return Document(
        tuple(map(_record, objects_of(top, "records", _WHAT))),
        tuple(map(_layer, objects_of(top, "layers", _WHAT))),
        mapping_of(top, "files", _WHAT),
        _lists(object_of(top, "lists", _WHAT) or {}),
        tuple(map(parse_mount, objects_of(top, "mounts", _WHAT))),
    )


def _lists(top: Object) -> dict[str, Descriptor]:
    return {digest: _descriptor(top, digest) for digest in top}


def _record_json(record: Record) -> dict[str, Any]:
    return {
        "key": record.key,
        "fields": record.fields,
        "name": record.name,
        "result": list(record.result),
        "created": record.created,
    }


def _record(entry: Object) -> Record:
    key, fields = digest_of(entry, "key", _WHAT), text_of(entry, "fields", _WHAT)
    if Digest.of(fields.encode()) != key:
        raise broken(f"{_WHAT} has a key that is not the digest of its fields")
    result = texts_of(entry, "result", _WHAT) or ()
    return Record(
        key,
        fields,
        text_of(entry, "name", _WHAT),
        tuple(map(Digest.parse, result)),
        integer_of(entry, "created", _WHAT),
    )


def _layer_json(layer: SharedLayer) -> dict[str, Any]:
    return {
        "content": layer.content,
        "since": layer.since,
        "created": layer.created,
        "root": list(layer.root),
        **_packed_json(layer.packed),
    }


def _layer(entry: Object) -> SharedLayer:
    return SharedLayer(
        digest_of(entry, "content", _WHAT),
        integer_of(entry, "since", _WHAT),
        integer_of(entry, "created", _WHAT),
        _root(entry),
        _packed(entry),
    )


def _root(entry: Object) -> tuple[int, int, int]:
    given = entry.get("root")
    if (
        not isinstance(given, list)
        or len(given) != 3
        or any(type(number) is not int or number < 0 for number in given)
        or given[0] > 0o7777
        or max(given) >= 1 << 32
    ):
        raise broken(f"{_WHAT}: 'root' is not a mode, a uid and a gid")
    mode, uid, gid = given
    return mode, uid, gid


def mount_json(mount: SharedMount) -> dict[str, Any]:
    """A cache mount as the document has it."""
    return {
        "id": mount.id,
        "seed": mount.seed,
        "name": mount.name,
        **_packed_json(mount.packed),
    }


def parse_mount(entry: Object) -> SharedMount:
    """The other way; raises InvalidImage."""
    return SharedMount(
        text_of(entry, "id", _WHAT),
        text_of(entry, "seed", _WHAT),
        text_of(entry, "name", _WHAT),
        _packed(entry),
    )


def _packed_json(packed: Packed) -> dict[str, Any]:
    return {
        "diff_id": packed.diff_id,
        "compressor": packed.compressor,
        "blob": descriptor_json(packed.blob),
        "times": descriptor_json(packed.times),
    }


def _packed(entry: Object) -> Packed:
    return Packed(
        digest_of(entry, "diff_id", _WHAT),
        _descriptor(entry, "blob"),
        text_of(entry, "compressor", _WHAT),
        _descriptor(entry, "times"),
    )


def _descriptor(entry: Object, key: str) -> Descriptor:
    found = object_of(entry, key, _WHAT)
    if found is None:
        raise broken(f"{_WHAT} has no {key!r} for a layer")
    return parse_descriptor(found, f"{key!r} in {_WHAT}")
