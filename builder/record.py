"""A whole build as one cached value: what it read, and the image that came of it.

A build's record is kept under the digest of its recipe text, options and epoch, with
the bases it found and the digests of the files it read. When all of those are still
so, the image is the same one, and nothing is parsed, planned or solved.
"""

from __future__ import annotations

import json
import os

from lamina import __version__
from lamina.builder.events import Planned, StepCached
from lamina.oci.digest import Digest
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from lamina.builder.events import Emit
    from lamina.builder.graph import Graph
    from lamina.builder.inputs import BuildInputs
    from lamina.oci.store import Image, Store

# A change of what is written or checked here needs another version.
VERSION = 2


@value
class ContextRead:
    """A choice of files from the context, as COPY names it."""

    sources: tuple[str, ...]
    exclude: tuple[str, ...]
    parents: bool


def recall_build(store: Store, inputs: BuildInputs, emit: Emit) -> Digest | None:
    """The image of the same build before, when everything it read is as it was."""
    data = store.recall("build", _key(inputs))
    if data is None:
        return None
    record = json.loads(data)
    if not _holds(store, inputs, record):
        return None
    emit(Planned(len(record["steps"])))
    for index, name in record["steps"]:
        emit(StepCached(index, name))
    store.touch(record["layers"])
    return Digest(record["image"])


def remember_build(
    store: Store,
    inputs: BuildInputs,
    graph: Graph,
    bases: Mapping[str, str],
    read: Mapping[ContextRead, str] | None,
    image: Image,
) -> None:
    """Keep the record. `read` None: something was read that can't be asked again."""
    from lamina.builder.graph import BaseOp

    if read is None or any(_moves(name) for name in bases):
        return
    record = {
        "bases": dict(bases),
        "reads": [
            [list(chosen.sources), list(chosen.exclude), chosen.parents, digest]
            for chosen, digest in read.items()
        ],
        "steps": [
            [step.index, step.name]
            for step in graph.steps
            if not isinstance(step.operation, BaseOp)
        ],
        "layers": list(image.layers),
        "image": image.id,
    }
    store.remember("build", _key(inputs), json.dumps(record).encode())


def _key(inputs: BuildInputs) -> Digest:
    fields: dict[str, Any] = {
        "version": (VERSION, __version__),
        "name": os.path.basename(inputs.recipe.name),
        "recipe": inputs.recipe.data.decode("latin-1"),
        "set": inputs.recipe.settings,
        "values": [
            (given.name, given.data.decode("latin-1")) for given in inputs.recipe.values
        ],
        "compat": inputs.recipe.compat,
        "context": inputs.context,
        "ignore": inputs.ignore.decode("latin-1"),
        "platform": inputs.platform,
        "target": inputs.target,
        "args": dict(inputs.build_args),
        "labels": dict(inputs.labels),
        "epoch": inputs.epoch.seconds,
        "scrub": inputs.scrub,
        "network": inputs.network,
    }
    return Digest.of(json.dumps(fields, sort_keys=True).encode())


def _holds(store: Store, inputs: BuildInputs, record: dict[str, Any]) -> bool:
    """Whether bases, layers, image and files are what the record says."""
    for name, identity in record["bases"].items():
        if _base_now(store, name) != identity:
            return False
    if not store.has_image(record["image"]) or not store.has_layers(record["layers"]):
        return False
    if not record["reads"]:
        return True
    from lamina.builder.context import open_context
    from lamina.errors import LaminaError

    try:
        with open_context(inputs.context, inputs.ignore, store) as tree:
            return all(
                tree.digest(tuple(sources), tuple(exclude), parents) == digest
                for sources, exclude, parents, digest in record["reads"]
            )
    except LaminaError:
        # A source is gone: the walk says so with its place in the recipe.
        return False


def _base_now(store: Store, name: str) -> str | None:
    if name.startswith("bootstrap:"):
        known = store.recall("bootstrap", name.removeprefix("bootstrap:"))
        return known.decode() if known else None
    return store.resolve_id(name)


def _moves(name: str) -> bool:
    """Bases in files beside the store: what lies there is looked at every time."""
    return name.startswith(("oci-layout:", "docker-archive:"))
