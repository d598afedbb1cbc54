"""Drawing: a build's graph as pictures have it, stage by stage."""

from __future__ import annotations

from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lamina.builder.solving.graph import Graph


@value
class Vertex:
    """A step: its number, what it says, the steps it waits for, what is known of it,
    and a few characters for the margin (how long it took).

    `state` is base, cached, runs, done, unchanged, failed, cancelled, or "".
    """

    index: int
    stage: str
    text: str
    inputs: tuple[int, ...]
    state: str = ""
    note: str = ""


@value
class Card:
    """The steps of one stage, first to last, under a title that no other card has."""

    title: str
    vertices: tuple[Vertex, ...]

    @property
    def tip(self) -> int:
        return self.vertices[-1].index


@value
class Drawing:
    """Cards in an order in which each comes after those it reads; `homes` is the
    number of the card that each step is on."""

    cards: tuple[Card, ...]
    homes: Mapping[int, int]

    def sources(self, card: Card) -> tuple[int, ...]:
        """The cards that this one reads, by number."""
        own = self.homes[card.tip]
        found = {self.homes[given] for v in card.vertices for given in v.inputs}
        return tuple(sorted(found - {own}))


def drawing(vertices: Iterable[Vertex]) -> Drawing:
    """Vertices, each after its inputs, to a Drawing."""
    groups: dict[str, list[Vertex]] = {}
    for vertex in vertices:
        groups.setdefault(vertex.stage, []).append(vertex)
    # A stage may begin before the stages that it copies from; it ends after them.
    ordered = sorted(groups.items(), key=lambda group: group[1][-1].index)
    cards = tuple(Card(title, tuple(given)) for title, given in ordered)
    homes = {v.index: n for n, card in enumerate(cards) for v in card.vertices}
    return Drawing(cards, homes)


def from_graph(graph: Graph, states: Mapping[int, str]) -> Drawing:
    """What `lamina graph` draws; `states` by the index of steps, where known."""
    from lamina.builder.solving.graph import BaseOp

    return drawing(
        Vertex(
            step.index,
            *split_name(step.name),
            step.inputs,
            "base"
            if isinstance(step.operation, BaseOp)
            else states.get(step.index, ""),
        )
        for step in graph.steps
    )


def split_name(name: str) -> tuple[str, str]:
    """`[web 2/6] RUN make` to `web` and `RUN make`."""
    if name.startswith("[") and "] " in name:
        head, _, text = name[1:].partition("] ")
        return head.rpartition(" ")[0] or head, text
    return "", name
