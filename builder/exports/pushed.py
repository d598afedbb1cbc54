"""Products to registries: what `-o type=registry` and `--push` ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.builder.bases.pulled import Told
from lamina.builder.events import Note

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.builder.bases.pulled import OpenSession
    from lamina.builder.events import Emit
    from lamina.builder.exports.outputs import Output
    from lamina.oci.digest import Digest
    from lamina.oci.manifest import Descriptor
    from lamina.oci.reference import Reference
    from lamina.oci.store.store import Store


def push_product(
    store: Store,
    open_session: OpenSession,
    identity: Digest,
    names: Iterable[Reference],
    output: Output,
    emit: Emit,
) -> Descriptor | None:
    """Push an image or an index of the store under all of `names`; what it is there.

    Raises LaminaError.
    """
    from lamina.oci.registry.transfers.push import PushOptions, push
    from lamina.oci.registry.transfers.push_index import push_index
    from lamina.oci.store.image_index import members

    options = PushOptions(output.compression or "gzip", output.level, output.recompress)
    is_index = bool(members(store, identity))
    found: Descriptor | None = None
    with open_session() as session:
        for name in names:
            told = Told(f"push {name.familiar()}", emit)
            if is_index:
                found = push_index(store, session, identity, name, options, told)
            else:
                image = store.image(identity)
                found = push(store, session, image, name, options, told)
            told.end()
            emit(Note(f"pushed {name.familiar()}: {found.digest}"))
    return found
