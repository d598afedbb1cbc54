"""StepList: the steps of a plan as they are added, each once for all platforms.

What is built for several platforms is planned once for each; a stage that runs on the
build's own platform (`FROM --platform=$BUILDPLATFORM`) comes out the same each time,
and is one chain of steps in the graph.
"""

from __future__ import annotations

from lamina.builder.solving.graph import BaseOp, Operation, Step
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.lang.source import Span


class StepList:
    """`shared`: equal steps on equal parents are one."""

    def __init__(self, *, shared: bool) -> None:
        self._steps: list[tuple[str, Step]] = []
        self._known: dict[tuple[object, ...], int] | None = {} if shared else None

    def base(
        self, title: str, operation: BaseOp, span: Span | None, platform: str
    ) -> int:
        """Add what a stage of `platform` stands on; its index."""
        text = f"FROM {operation.name}"
        return self._add(title, Step(0, text, operation, -1, span, platform, title))

    def step(
        self, title: str, parent: int, operation: Operation, text: str, span: Span
    ) -> int:
        """Add a step on top of `parent`, for the same platform; its index."""
        platform = self._steps[parent][1].platform
        return self._add(title, Step(0, text, operation, parent, span, platform, title))

    def _add(self, title: str, step: Step) -> int:
        index = len(self._steps)
        if self._known is not None:
            key = (title, step.operation, step.parent, step.platform)
            found = self._known.setdefault(key, index)
            if found != index:
                return found
        self._steps.append((title, replace(step, index=index)))
        return index

    def named(self) -> tuple[Step, ...]:
        """The steps with the names that people read: `[builder 2/5] RUN make`; where
        there are several platforms, `[linux/arm64 builder 2/5] RUN make`."""
        several = len({step.platform for _, step in self._steps}) > 1
        heads = [
            f"{step.platform} {title}" if several else title
            for title, step in self._steps
        ]
        totals: dict[str, int] = {}
        for head in heads:
            totals[head] = totals.get(head, 0) + 1
        counts: dict[str, int] = {}
        named = []
        for head, (_, step) in zip(heads, self._steps, strict=True):
            counts[head] = counts.get(head, 0) + 1
            name = f"[{head} {counts[head]}/{totals[head]}] {step.name}"
            named.append(replace(step, name=name))
        return tuple(named)
