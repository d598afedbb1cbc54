"""What is watched: what the last build that could be planned reads."""

from __future__ import annotations

import os

from lamina.builder.watch.scope import scope_of, scope_of_all, with_paths
from lamina.cli.watching.events import Limited, Watching
from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.builder.inputs.build import BuildInputs
    from lamina.builder.watch.changes import Changes
    from lamina.builder.watch.errors import WatchLimit
    from lamina.builder.watch.rounds import Round
    from lamina.builder.watch.scope import Scope
    from lamina.cli.watching.events import Tell
    from lamina.oci.store.store import Store

_LIMIT = "sysctl fs.inotify.max_user_watches=1048576 fs.inotify.max_user_instances=1024"


class Watched:
    """Says what counts (`wants`); `files`, and what lies below `synced`, always do."""

    def __init__(
        self,
        store: Store,
        files: tuple[str, ...],
        synced: tuple[str, ...],
        tell: Tell,
    ) -> None:
        self._store = store
        self._files = files
        self._synced = synced
        self._tell = tell
        self._scope: Scope | None = None
        self._inputs: BuildInputs | None = None

    def wants(self, path: str, is_directory: bool) -> bool:
        """Whether a change of `path` matters."""
        return self._scope is None or self._scope.wants(path, is_directory)

    def limited(self, limit: WatchLimit) -> None:
        """Tell that not everything can be watched."""
        self._tell(Limited(f"{limit.message} The rest is polled. {_LIMIT}"))

    def watch(self, changes: Changes, inputs: BuildInputs) -> None:
        """Watch what the build of `inputs` reads; all of the context if unknown."""
        self._inputs = inputs
        try:
            scope = scope_of(self._store, inputs, self._files)
        except LaminaError:
            scope = scope_of_all(inputs, self._files)
        scope = with_paths(scope, inputs, self._synced)
        if scope.is_as(self._scope):
            return
        self._scope = scope
        areas = scope.areas()
        changes.watch(areas)
        deep = len({area.path for area in areas if area.deep})
        self._tell(Watching(deep, len(scope.files)))

    def follow(
        self, changes: Changes, read: Callable[[], BuildInputs], asked: Round
    ) -> None:
        """After a round: the recipe may read other files now, or folders have come."""
        try:
            inputs = read()
        except LaminaError:
            # The recipe is gone: it is waited for.
            return
        assert self._scope is not None
        recipe = self._scope.files & asked.paths
        folders = any(map(os.path.isdir, asked.paths))
        if inputs != self._inputs or recipe or folders or asked.everything:
            self.watch(changes, inputs)
