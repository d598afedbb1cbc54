"""preview: what a build would do, without doing it."""

from __future__ import annotations

from lamina.builder.bases.archived import KINDS
from lamina.builder.planning.base import Base
from lamina.builder.solving.graph import BaseOp, CopyOp
from lamina.errors import LaminaError
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.builder.bases.finder import BaseFinder
    from lamina.builder.events import Emit
    from lamina.builder.inputs.build import BuildInputs
    from lamina.builder.planning.base import BaseRequest
    from lamina.builder.solving.graph import Graph, Step
    from lamina.builder.solving.layers import Layers
    from lamina.builder.solving.solver import Solver
    from lamina.oci.store.store import Store


@value
class Preview:
    """The graph; the steps that the cache has, and those that would run for sure.

    What stands on a step that would run is in neither: where that step gives the same
    bytes as before, the cache has what follows. Nor is an ADD from the network, which
    is not asked.
    """

    graph: Graph
    cached: frozenset[int]
    runs: frozenset[int]


def preview(
    store: Store, inputs: BuildInputs, emit: Emit, *, ask_cache: bool
) -> Preview:
    """Plan the build of `inputs`, and ask the cache where that is wanted.

    A base that is not here is drawn all the same, as an empty one: nothing is pulled,
    loaded or made. Raises RecipeError.
    """
    from lamina.builder.bases.finder import BaseFinder
    from lamina.builder.build import ParseCache, plan_options
    from lamina.builder.executor import Executor
    from lamina.builder.inputs.recipe import parse_reading, read
    from lamina.builder.planning.plan import plan

    cache = ParseCache(store)
    reading = read(inputs.recipe, cache)
    recipe = parse_reading(inputs.recipe, reading, cache)
    finder = _Bases(BaseFinder(store, emit, pull=False), inputs.platform)
    graph = plan(recipe, plan_options(inputs), finder)
    if not ask_cache:
        return Preview(graph, frozenset(), frozenset())
    with Executor(store, inputs, emit) as executor:
        executor.reads.recipe = reading.files
        found, runs = _ask(graph, executor.solver(graph), finder.missing)
    return Preview(graph, frozenset(found), frozenset(runs))


class _Bases:
    """Bases that are in the store; `missing` are the names of those that are not."""

    def __init__(self, finder: BaseFinder, platform: str) -> None:
        self._finder = finder
        self._platform = platform
        self.missing: set[str] = set()

    def __call__(self, request: BaseRequest) -> Base:
        from lamina.oci.config import ImageConfig

        kind = request.name.partition(":")[0]
        # Making one, or unpacking an archive, is work of a build.
        if not request.tree and kind not in ("bootstrap", *KINDS):
            try:
                return self._finder(request)
            except LaminaError:
                pass
        self.missing.add(request.name)
        system, architecture = (request.platform or self._platform).split("/")[:2]
        return Base(ImageConfig(architecture, system, working_dir="/"), ())


def _ask(graph: Graph, solver: Solver, missing: set[str]) -> tuple[set[int], set[int]]:
    """The steps that the cache has, and those that it surely has not."""
    results: dict[int, Layers] = {}
    runs: set[int] = set()
    for step in graph.steps:
        if isinstance(step.operation, BaseOp):
            if step.operation.name not in missing:
                results[step.index] = step.operation.layers
        elif all(given in results for given in step.inputs) and not _asks(step):
            layers = _found(step, graph, solver, results)
            if layers is None:
                runs.add(step.index)
            else:
                results[step.index] = layers
    cached = {s.index for s in graph.steps if not isinstance(s.operation, BaseOp)}
    return cached & set(results), runs


def _asks(step: Step) -> bool:
    """Whether its key needs an answer from the network."""
    from lamina.builder.fetching.downloads import is_remote

    operation = step.operation
    if not isinstance(operation, CopyOp) or not operation.add or operation.checksum:
        return False
    return any(map(is_remote, operation.sources))


def _found(
    step: Step, graph: Graph, solver: Solver, results: dict[int, Layers]
) -> Layers | None:
    """The layers of a step in the cache; None as well where it cannot be asked for,
    since a source is not there."""
    from lamina.builder.solving.cachekey import cache_key
    from lamina.builder.solving.layers import result_digest
    from lamina.builder.solving.work import Work

    below = results[step.parent] if step.parent >= 0 else ()
    origins = {index: results[index] for index in step.reads}
    try:
        digests = solver.digests(step, origins)
    except LaminaError:
        return None
    platform = step.platform or graph.platform
    key = cache_key(step, result_digest(below), digests, platform)
    found = solver.lookup(Work(step, key, below, origins))
    return None if found is None else (*below, *found.layers)
