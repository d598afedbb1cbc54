"""Trials: a command that is run to its end in each new image, for tests."""

from __future__ import annotations

from lamina.runtime.containers.container import configure
from lamina.runtime.errors import ContainerError
from lamina.runtime.swap.replica import replica_of
from lamina.runtime.swap.spare import Spares
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.oci.digest import Digest
    from lamina.oci.store.store import Store
    from lamina.runtime.swap.replica import Listener
    from lamina.runtime.swap.service import Service

# How often (s) is asked whether the trial is still wanted.
_PAUSE = 0.02


class TrialFailed(ContainerError):
    """The command ended with a code that is not 0, which is this error's."""

    def __init__(self, code: int) -> None:
        super().__init__(f"The command ended with exit code {code}.")
        self.exit_code = code


class Trials:
    """One after the other; nothing runs in between. `alive` is whether one does."""

    def __init__(
        self, store: Store, service: Service, command: str, listener: Listener
    ) -> None:
        self._store = store
        self._command = command
        self._listener = listener
        self._spares = Spares(store.root, service.options, 1)
        self.alive = False

    def swap(
        self,
        service: Service,
        image: Digest,
        check: Callable[[], None],
        lap: Callable[[str], None],
    ) -> None:
        """Run the command, by a shell, in a container of `image`. Raises TrialFailed,
        and what `check` raises, which ends it."""
        found = self._store.image(image)
        shell = found.config.shell or ("/bin/sh", "-c")
        asked = replace(service.overrides, entrypoint=shell, command=(self._command,))
        spare = self._spares.take()
        config = configure(found.config, asked)
        names = (service.image_name, service.name)
        run = replica_of(self._store, found, names, config, service.options, spare)
        run.start((), self._listener)
        self._spares.refill()
        lap("start")
        self.alive = True
        try:
            while not run.ended.wait(_PAUSE):
                check()
        finally:
            run.stop(0)
            self.alive = False
            lap("run")
        if run.exit_code:
            raise TrialFailed(run.exit_code)

    def close(self) -> None:
        """The last one has ended."""
        self._spares.close()
