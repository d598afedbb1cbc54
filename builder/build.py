"""build: the walk from a recipe to an image in the store (docs/architecture.md).

A build whose inputs are all as they were is one row of the index (`record`): the
modules of the walk are imported where it is walked, so that such a build pays for
none of them.
"""

from __future__ import annotations

import time

from lamina.builder.caching.record import Built, Seen, recall_build, remember_build
from lamina.builder.events import ImageBuilt, Note, Planned, StepPlanned
from lamina.errors import LaminaError
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lamina.builder.bases.finder import BaseFinder
    from lamina.builder.events import Emit
    from lamina.builder.executor import Executor
    from lamina.builder.inputs.build import BuildInputs
    from lamina.builder.inputs.epoch import Epoch
    from lamina.builder.planning.options import PlanOptions
    from lamina.builder.sharing.exports import Solved
    from lamina.builder.solving.cancellation import Cancellation
    from lamina.builder.solving.graph import Graph, Product
    from lamina.builder.solving.layers import Layers
    from lamina.lang.recipe import Recipe
    from lamina.oci.config import ImageConfig
    from lamina.oci.store.store import Image, Store


def build(
    store: Store,
    inputs: BuildInputs,
    emit: Emit,
    share: Callable[[Solved], None] | None = None,
    cancellation: Cancellation | None = None,
    ahead: bool = True,
) -> tuple[Built, ...]:
    """Build the targets; their images in the store. Raises LaminaError, of which
    Cancelled when the `cancellation` was asked for.

    `share` gets what the build knows in the end; then every step is asked for. With
    `ahead` the runtime boots before it is known that a step needs it.
    """
    emit(Note(str(inputs.epoch)))
    try:
        made = None if share is not None else _recalled(store, inputs, emit)
        made = made or _walk(store, inputs, emit, share, cancellation, ahead)
        for number, image in enumerate(made):
            name = image.name
            if len(inputs.platforms) > 1:
                name += f" {inputs.platforms[number % len(inputs.platforms)]}"
            emit(ImageBuilt(name, image.id, store.bytes_of(image.id)))
        return made
    except LaminaError as error:
        if cancellation is not None:
            # What ended because of it failed by it.
            cancellation.check()
        # 125 to 127 are for `run`: a build fails with 1, whatever part of it failed.
        error.exit_code = 1
        raise


def _recalled(
    store: Store, inputs: BuildInputs, emit: Emit
) -> tuple[Built, ...] | None:
    """The images, when the same build was made before and nothing is to run anew."""
    fresh = inputs.no_cache or inputs.fresh_stages or inputs.fresh_caches
    if fresh or inputs.pull or inputs.explain:
        return None
    return recall_build(store, inputs, emit)


def _walk(
    store: Store,
    inputs: BuildInputs,
    emit: Emit,
    share: Callable[[Solved], None] | None,
    cancellation: Cancellation | None,
    ahead: bool,
) -> tuple[Built, ...]:
    from lamina.builder.checking.recipe_checks import checked
    from lamina.builder.executor import Executor
    from lamina.builder.inputs.recipe import parse_reading, read
    from lamina.builder.planning.plan import plan
    from lamina.builder.solving.cancellation import Cancellation
    from lamina.builder.traces.recording import Recorder

    cache = ParseCache(store)
    recorder = Recorder(store, inputs, emit)
    cancellation = cancellation or Cancellation()
    with (
        recorder,
        Executor(store, inputs, recorder, recorder.keep_root, cancellation) as executor,
        cancellation.told(executor.stop),
    ):
        if ahead and _may_run(inputs):
            executor.prepare()
        reading = read(inputs.recipe, cache)
        executor.reads.recipe = reading.files
        recipe = parse_reading(inputs.recipe, reading, cache)
        checked(recipe, store, inputs, recorder)
        executor.scrub |= asks_for(recipe, "scrub")
        finder = _finder(store, inputs, recorder, executor)
        graph = plan(recipe, plan_options(inputs), finder)
        _tell_plan(graph, recorder)
        recorder.begin(graph)
        results = executor.solve(graph)
        # While the executor's workspace is open, nothing collects these layers.
        images = [
            (made.name, _assemble(store, *_final(store, inputs, graph, made, results)))
            for made in graph.products
        ]
        if share is not None:
            share(executor.solved(graph, results))
    remember_build(store, inputs, graph, _seen(finder, executor), images)
    return tuple(Built(name, image.id) for name, image in images)


def _may_run(inputs: BuildInputs) -> bool:
    """Whether the recipe may have a RUN or a TEST: it has not been read yet."""
    text = inputs.recipe.data.upper()
    return b"RUN" in text or b"TEST" in text


def _finder(
    store: Store, inputs: BuildInputs, emit: Emit, executor: Executor
) -> BaseFinder:
    from lamina.builder.bases.archived import ArchivedBases
    from lamina.builder.bases.finder import BaseFinder

    return BaseFinder(
        store,
        emit,
        pull=inputs.pull,
        archived=ArchivedBases(store, inputs.context, elsewhere=inputs.elsewhere),
        registries=inputs.registries,
        trees=executor.reads.trees,
    )


def _tell_plan(graph: Graph, emit: Emit) -> None:
    from lamina.builder.solving.graph import BaseOp

    for note in graph.notes:
        emit(Note(note))
    emit(Planned(sum(not isinstance(s.operation, BaseOp) for s in graph.steps)))
    for step in graph.steps:
        base = isinstance(step.operation, BaseOp)
        emit(StepPlanned(step.index, step.name, step.inputs, step.span, base))


def _seen(finder: BaseFinder, executor: Executor) -> Seen:
    """What the build has read, for its record."""
    reads = executor.reads
    # What lies elsewhere is asked for every time.
    files = None if finder.has_trees else reads.seen
    keys = tuple(work.key.digest for work in executor.known.values())
    return Seen(finder.found, reads.recipe, files, executor.until, keys)


def plan_options(inputs: BuildInputs) -> PlanOptions:
    """What of `inputs` the plan depends on."""
    from lamina.builder.planning.options import PlanOptions

    return PlanOptions(
        inputs.platform,
        inputs.targets,
        inputs.all_targets,
        inputs.tests,
        inputs.build_args,
        inputs.labels,
        inputs.network,
        inputs.allow,
        inputs.hosts,
        inputs.platforms,
        inputs.contexts,
    )


def asks_for(recipe: Recipe, name: str) -> bool:
    """Whether a line `# lamina: NAME` is in the recipe."""
    return any(
        directive.name == "lamina" and directive.value.strip() == name
        for directive in recipe.directives
    )


class ParseCache:
    """lang's cache of grammars and recipes, kept as memos of the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, key: str) -> bytes | None:
        return self._store.recall("parse", key)

    def put(self, key: str, data: bytes) -> None:
        self._store.remember("parse", key, data)


def _final(
    store: Store,
    inputs: BuildInputs,
    graph: Graph,
    made: Product,
    results: Mapping[int, Layers],
) -> tuple[ImageConfig, Layers, Epoch]:
    """What an image is made of, squashed where that was asked for."""
    config, layers = made.config, results[made.tip]
    if inputs.squash:
        from lamina.builder.exports.squash import base_layers, squash

        kept = 0 if inputs.squash == "all" else base_layers(graph, made.tip)
        config, layers = squash(store, config, layers, kept, inputs.epoch.seconds)
    return config, layers, inputs.epoch


def _assemble(store: Store, config: ImageConfig, layers: Layers, epoch: Epoch) -> Image:
    """The image of `layers`: diff_ids under the epoch, and one time for all of it."""
    created = _created(store, config, layers, epoch)
    history = tuple(
        entry if entry.created else replace(entry, created=created)
        for entry in config.history
    )
    diff_ids = tuple(store.diff_id(content, epoch.seconds) for content in layers)
    config = replace(config, created=created, diff_ids=diff_ids, history=history)
    store.touch(layers)
    return store.put_image(config, layers)


def _created(store: Store, config: ImageConfig, layers: Layers, epoch: Epoch) -> str:
    """The epoch; without one, when the youngest of its steps made a layer, so that a
    build that found everything in a cache, be it another machine's, gives the same
    image again. Without any step it is as old as its base."""
    seconds = epoch.seconds
    if seconds is None:
        seconds = store.layers_created(layers)
        if not seconds and config.created:
            return config.created
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
