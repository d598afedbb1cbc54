"""What a build writes beside the store: archives, folders, and the file of metadata."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lamina.builder.errors import InvalidOption
from lamina.builder.events import Transfer
from lamina.builder.exports.annotations import Annotation, by_place, require_index
from lamina.builder.exports.export import Product, export
from lamina.cli.building.wanted import Made, placed
from lamina.oci.files.replacing import write_whole
from lamina.oci.manifest_json import descriptor_json
from lamina.oci.platforms import platform_of
from lamina.oci.reference import parse_reference
from lamina.oci.store.annotations import (
    INDEX,
    INDEX_DESCRIPTOR,
    MANIFEST,
    MANIFEST_DESCRIPTOR,
    annotate,
)
from lamina.values import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.builder.events import Emit
    from lamina.builder.exports.outputs import Output
    from lamina.cli.building.wanted import Products
    from lamina.oci.digest import Digest
    from lamina.oci.manifest import Descriptor
    from lamina.oci.store.store import Image, Store


# Bytes between two events of an archive that is written.
_OFTEN = 4 << 20


def write_out(
    store: Store,
    made: Made,
    identities: Sequence[Digest],
    wanted: Products,
    epoch: int | None,
    emit: Emit,
) -> Made:
    """Write a target's images to all of its outputs; it with its metadata."""
    images = tuple(store.image(identity) for identity in identities)
    notes = wanted.annotations
    for output in wanted.outputs:
        if output.type == "image":
            notes += output.annotations
    if not wanted.is_index:
        require_index(notes)
    _annotate(store, made, images, notes, wanted.is_index)
    written: Descriptor | None = None
    for output in wanted.outputs:
        product = Product(
            images,
            wanted.is_index,
            _names(output) or made.references,
            wanted.annotations + output.annotations,
        )
        if output.pushes and wanted.registries is not None:
            from lamina.builder.exports.pushed import push_product

            names, opened = product.references, wanted.registries
            found = push_product(store, opened, made.id, names, output, emit)
        else:
            found = _export(store, product, placed(output, made.name), epoch, emit)
        written = written or found
    return replace(made, metadata=tuple(_metadata(made, wanted, written).items()))


def _export(
    store: Store, product: Product, output: Output, epoch: int | None, emit: Emit
) -> Descriptor | None:
    if output.type in ("image", "cacheonly"):
        return None
    place = "stdout" if output.takes_stdout else output.dest
    told = _Told(f"exporting {output.type} to {place}", emit)
    found = export(store, product, output, epoch, told)
    told.end()
    return found


class _Told:
    """The bytes of an archive as they are written, told now and then."""

    def __init__(self, what: str, emit: Emit) -> None:
        self._what = what
        self._emit = emit
        self._done = self._last = 0
        emit(Transfer(what, 0, 0, waits=True))

    def __call__(self, done: int) -> None:
        self._done = done
        if done - self._last >= _OFTEN:
            self._last = done
            self._emit(Transfer(self._what, done, 0))

    def end(self) -> None:
        self._emit(Transfer(self._what, self._done, self._done))


def _names(output: Output) -> tuple[Any, ...]:
    return tuple(parse_reference(name) for name in output.names)


def _annotate(
    store: Store,
    made: Made,
    images: Sequence[Image],
    notes: tuple[Annotation, ...],
    is_index: bool,
) -> None:
    """Keep with the store's images what `save` and `push` are to write."""
    places = (MANIFEST, MANIFEST_DESCRIPTOR)
    for image in images:
        platform = str(platform_of(image.config))
        annotate(store, image.id, by_place(notes, places, platform))
    if is_index:
        annotate(store, made.id, by_place(notes, (INDEX, INDEX_DESCRIPTOR)))


def _metadata(
    made: Made, wanted: Products, written: Descriptor | None
) -> dict[str, Any]:
    """BuildKit's keys. Without an archive there is no manifest: the digest is then the
    image's ID, as Docker's own image store has it."""
    found: dict[str, Any] = {}
    if not wanted.is_index:
        found["containerimage.config.digest"] = made.id
    if written is not None:
        found["containerimage.descriptor"] = descriptor_json(written)
    found["containerimage.digest"] = made.id if written is None else written.digest
    names = [str(name) for name in made.references]
    for output in wanted.outputs:
        names += [str(name) for name in _names(output)]
    if names:
        found["image.name"] = ",".join(dict.fromkeys(names))
    return found


def write_metadata(path: str, made: Sequence[Made], *, several: bool) -> None:
    """The file of `--metadata-file`; of several targets, by their names."""
    document: dict[str, Any] = dict(made[0].metadata)
    if several:
        document = {one.name: dict(one.metadata) for one in made}
    text = json.dumps(document, indent=2) + "\n"
    try:
        write_whole(path, text.encode())
    except OSError as error:
        raise InvalidOption(f"{path!r} cannot be written: {error.strerror}.") from error
