"""What there is of projects: their containers, told by labels."""

from __future__ import annotations

from lamina.runtime.containers import state
from lamina.services import labels
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.containers.state import Container, State


@value
class Observed:
    """A container of a project, and what became of it."""

    container: Container
    state: State

    @property
    def project(self) -> str:
        return self._label(labels.PROJECT)

    @property
    def service(self) -> str:
        return self._label(labels.SERVICE)

    @property
    def number(self) -> int:
        """Which of its service's containers it is, from 1."""
        text = self._label(labels.NUMBER)
        return int(text) if text.isdecimal() else 0

    @property
    def hash(self) -> str:
        """That of the service it was made for."""
        return self._label(labels.HASH)

    @property
    def once(self) -> bool:
        """Whether `run` made it, beside the service's own."""
        return self._label(labels.ONCE).lower() == "true"

    def _label(self, name: str) -> str:
        return self.container.config.labels.get(name, "")


def all_of(root: str, project: str = "") -> tuple[Observed, ...]:
    """The containers of a project, or of all, by services and their numbers."""
    found = (
        Observed(container, known)
        for container, known in state.containers(root)
        if labels.PROJECT in container.config.labels
    )
    chosen = (one for one in found if not project or one.project == project)
    return tuple(sorted(chosen, key=lambda one: (one.project, one.service, one.number)))
