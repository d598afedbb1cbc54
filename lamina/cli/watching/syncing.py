"""`--sync`: saves that go straight into the container that serves."""

from __future__ import annotations

from lamina.cli.watching.events import Synced, Wrote
from lamina.errors import LaminaError
from lamina.runtime.swap.aside import run_aside
from lamina.runtime.swap.sync import everything, sync, targets
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.cli.watching.events import Tell
    from lamina.oci.store.store import Store
    from lamina.runtime.swap.replica import Replica
    from lamina.runtime.swap.serving import Serving
    from lamina.runtime.swap.sync import Rule

RESTART = "restart"


class ThenFailed(LaminaError):
    """The command of `--then` has failed."""


@value
class Syncing:
    """The rules of `--sync`, and what `--then` follows: RESTART, a command, ""."""

    rules: tuple[Rule, ...] = ()
    then: str = ""

    def takes(self, paths: frozenset[str]) -> bool:
        """Whether all of these saves are to be synced."""
        return bool(self.rules and paths) and targets(self.rules, paths) is not None

    def fill(
        self, store: Store, replica: Replica, wanted: Callable[[str, bool], bool]
    ) -> None:
        """Bring a new container's files up to date: not all may be in its image."""
        if self.rules:
            sync(store.root, replica.container, everything(self.rules, wanted))

    def carry_out(
        self,
        store: Store,
        serving: Serving,
        paths: frozenset[str],
        tell: Tell,
        hooks: tuple[Callable[[], None], Callable[[str], None]],
    ) -> None:
        """Write what was saved, and do what follows. Raises LaminaError."""
        check, lap = hooks
        assert serving.current is not None
        container = serving.current.container
        places = targets(self.rules, paths)
        assert places is not None
        number = sync(store.root, container, places.items())
        lap("sync")
        tell(Synced(number))
        if self.then == RESTART:
            serving.restart(check, lap)
        elif self.then:
            code = run_aside(
                store.root, container, self.then, lambda d: tell(Wrote("stdout", d))
            )
            lap("then")
            if code:
                raise ThenFailed(f"{self.then!r} ended with exit code {code}.")
