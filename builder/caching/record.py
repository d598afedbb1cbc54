"""A whole build as one cached value: what it read, and the image that came of it.

A build's record is kept under the digest of its recipe text, options and epoch, with
the bases it found and the digests of the files it read. When all of those are still
so, the image is the same one, and nothing is parsed, planned or solved.
"""

from __future__ import annotations

import json
import os
import time

from lamina import __version__
from lamina.builder.events import Planned, StepCached
from lamina.builder.inputs.recipe import files_hold
from lamina.builder.sources.choice import Choice
from lamina.oci.digest import Digest
from lamina.oci.store.images import SHOWN_DIGITS
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from lamina.builder.events import Emit
    from lamina.builder.inputs.build import BuildInputs
    from lamina.builder.solving.graph import Graph
    from lamina.oci.store.store import Image, Store

# A change of what is written or checked here needs another version.
VERSION = 5


@value
class Built:
    """An image of the store that a build gave, and the stage that it came from."""

    name: str
    id: Digest


@value
class Seen:
    """What a build came to see: its bases; what its recipe is made of; what it chose
    from the context, None where that can't be asked for again; when (seconds since
    1970, 0: never) a result in it becomes too old; and the keys of its steps."""

    bases: Mapping[str, str]
    recipe: tuple[tuple[str, str], ...]
    files: Mapping[Choice, str] | None
    until: int
    keys: tuple[str, ...]


def recall_build(
    store: Store, inputs: BuildInputs, emit: Emit
) -> tuple[Built, ...] | None:
    """The images of the same build before, when everything it read is as it was."""
    data = store.recall("build", _key(inputs))
    if data is None:
        return None
    record = json.loads(data)
    if not _holds(store, inputs, record):
        return None
    emit(Planned(len(record["steps"])))
    for index, name in record["steps"]:
        emit(StepCached(index, name))
    store.touch(record["layers"], record["keys"])
    return tuple(Built(name, Digest(image)) for name, image in record["images"])


def remember_build(
    store: Store,
    inputs: BuildInputs,
    graph: Graph,
    seen: Seen,
    images: Sequence[tuple[str, Image]],
) -> None:
    """Keep the record, unless something was read that can't be asked for again, or a
    step wants to run every time. `images` by the name of their stage."""
    from lamina.builder.solving.graph import BaseOp

    read = seen.files
    if read is None or any(_moves(name) for name in seen.bases) or _always_runs(graph):
        return
    record = {
        "bases": dict(seen.bases),
        "recipe": seen.recipe,
        "reads": [
            [list(given) if isinstance(given, tuple) else given for given in row]
            for chosen, digest in read.items()
            for row in [(*chosen.__dict__.values(), digest)]
        ],
        "steps": [
            [step.index, step.name]
            for step in graph.steps
            if not isinstance(step.operation, BaseOp)
        ],
        "layers": sorted({layer for _, i in images for layer in i.layers}),
        "images": [[name, image.id] for name, image in images],
        "until": seen.until,
        "keys": seen.keys,
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
        "platform": (inputs.platform, inputs.platforms, inputs.squash),
        "targets": (inputs.targets, inputs.all_targets),
        "tests": inputs.tests,
        "args": dict(inputs.build_args),
        "labels": dict(inputs.labels),
        "epoch": inputs.epoch.seconds,
        "scrub": inputs.scrub,
        "network": inputs.network,
        "allow": sorted(inputs.allow),
        "hosts": inputs.hosts,
        "contexts": dict(inputs.contexts),
    }
    return Digest.of(json.dumps(fields, sort_keys=True).encode())


def _holds(store: Store, inputs: BuildInputs, record: dict[str, Any]) -> bool:
    """Whether bases, layers, images and files are what the record says."""
    if record["until"] and record["until"] <= time.time():
        return False
    for name, identity in record["bases"].items():
        if _base_now(store, name) != identity:
            return False
    if not all(store.has_image(image) for _, image in record["images"]):
        return False
    if not store.has_layers(record["layers"]):
        return False
    if not files_hold(inputs.recipe, record["recipe"]):
        return False
    if not record["reads"]:
        return True
    from lamina.builder.sources.context import open_context
    from lamina.errors import LaminaError

    try:
        with open_context(inputs.context, inputs.ignore, store) as tree:
            return all(
                tree.select(Choice(tuple(sources), tuple(exclude), *flags)).digest
                == digest
                for sources, exclude, *flags, digest in record["reads"]
            )
    except LaminaError:
        # A source is gone: the walk says so with its place in the recipe.
        return False


def _base_now(store: Store, name: str) -> str | None:
    if name.startswith("bootstrap:"):
        known = store.recall("bootstrap", name.removeprefix("bootstrap:"))
        return known.decode() if known else None
    name, _, platform = name.partition(" ")
    return store.resolve_id(name, platform, SHOWN_DIGITS)


def _always_runs(graph: Graph) -> bool:
    from lamina.builder.solving.graph import RunOp

    return any(
        isinstance(step.operation, RunOp) and step.operation.no_cache
        for step in graph.steps
    )


def _moves(name: str) -> bool:
    """Bases in files beside the store: what lies there is looked at every time."""
    return name.startswith(("oci-layout:", "docker-archive:"))
