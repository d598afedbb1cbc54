"""Where the cards of a drawing lie: layers from left to right, few crossings.

Sugiyama's way: a card's rank is one more than that of what it reads; within a rank,
cards are sorted by where their neighbours lie (the barycentre), back and forth.
"""

from __future__ import annotations

from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lamina.cli.drawing.model import Drawing

WIDTH = 340
ROW = 22
HEAD = 28
FOOT = 6
_ACROSS = 72
_BETWEEN = 22
_MARGIN = 16
_SWEEPS = 6
# The height of a gap for edges; more of them than this would show nothing any more.
_GAP = 4
_MOST_GAPS = 150
_SEEN = 700
# A rank is broken into columns where it would be this much higher than wide.
_TALL = 1.4


@value
class Place:
    """Where a card lies: its upper left corner and its height."""

    x: float
    y: float
    height: float

    def row(self, number: int) -> float:
        """The middle of a row."""
        return self.y + HEAD + ROW * number + ROW / 2


@value
class Layout:
    """The places of a drawing's cards, by their numbers, and what they take in all.

    `ways` has, for an edge (from card, to card) over several ranks, the gaps between
    cards that it goes through.
    """

    places: tuple[Place, ...]
    ways: Mapping[tuple[int, int], tuple[Place, ...]]
    width: float
    height: float


def layout(drawing: Drawing) -> Layout:
    """Lay a drawing out."""
    sources = [drawing.sources(card) for card in drawing.cards]
    ranks = _ranks(sources)
    nodes, ways = _gaps(ranks, sources)
    _sort(ranks, nodes)
    heights = [HEAD + ROW * len(card.vertices) + FOOT for card in drawing.cards]
    heights += [_GAP] * (len(nodes) - len(sources))
    places, width, height = _placed(_columns(ranks, heights), heights)
    return Layout(
        tuple(places[: len(sources)]),
        {edge: tuple(places[gap] for gap in way) for edge, way in ways.items()},
        width,
        height,
    )


def _gaps(
    ranks: list[list[int]], sources: Sequence[tuple[int, ...]]
) -> tuple[list[tuple[int, ...]], dict[tuple[int, int], tuple[int, ...]]]:
    """Put gaps into ranks for the edges that pass them: one for all that come from
    the same card. What each card and gap comes from, and the gaps of each edge."""
    rank = {card: number for number, cards in enumerate(ranks) for card in cards}
    wanted = {
        (source, number)
        for card, given in enumerate(sources)
        for source in given
        for number in range(rank[source] + 1, rank[card])
    }
    if len(wanted) > _MOST_GAPS:
        return list(sources), {}
    nodes = list(sources)
    gaps: dict[tuple[int, int], int] = {}
    for source, number in sorted(wanted):
        gaps[source, number] = len(nodes)
        ranks[number].append(len(nodes))
        nodes.append((gaps.get((source, number - 1), source),))
    ways = {}
    for card, given in enumerate(sources):
        for source in given:
            way = tuple(gaps[source, n] for n in range(rank[source] + 1, rank[card]))
            if way:
                ways[source, card] = way
                rest = tuple(n for n in nodes[card] if n != source)
                nodes[card] = (*rest, way[-1])
    return nodes, ways


def _ranks(sources: Sequence[tuple[int, ...]]) -> list[list[int]]:
    """The cards of each rank. What is read by one card only stands right before it."""
    rank = [0] * len(sources)
    users: dict[int, list[int]] = {}
    for card, given in enumerate(sources):
        rank[card] = max((rank[s] + 1 for s in given if s < card), default=0)
        for source in given:
            users.setdefault(source, []).append(card)
    for card in reversed(range(len(sources))):
        if not sources[card] and users.get(card):
            rank[card] = min(rank[user] for user in users[card]) - 1
    found: list[list[int]] = [[] for _ in range(max(rank, default=0) + 1)]
    for card, number in enumerate(rank):
        found[max(0, number)].append(card)
    return [cards for cards in found if cards]


def _sort(ranks: list[list[int]], sources: Sequence[tuple[int, ...]]) -> None:
    """Few crossings: sort by the middle of the neighbours, from both ends."""
    users: dict[int, list[int]] = {}
    for card, given in enumerate(sources):
        for source in given:
            users.setdefault(source, []).append(card)
    before = dict(enumerate(sources))
    position = {card: n / len(cards) for cards in ranks for n, card in enumerate(cards)}
    for sweep in range(_SWEEPS):
        forth = sweep % 2 == 0
        neighbours: Mapping[int, Sequence[int]] = before if forth else users
        for cards in ranks if forth else reversed(ranks):
            middles = {c: _middle(c, neighbours.get(c, ()), position) for c in cards}
            cards.sort(key=middles.__getitem__)
            for number, card in enumerate(cards):
                position[card] = number / len(cards)


def _middle(card: int, near: Sequence[int], position: Mapping[int, float]) -> float:
    found = [position[other] for other in near if other in position]
    return sum(found) / len(found) if found else position[card]


def _columns(ranks: list[list[int]], heights: Sequence[float]) -> list[list[int]]:
    """Ranks as columns; one that is much too high stands in several."""
    total = sum(heights) + _BETWEEN * len(heights)
    # As high as makes the whole about as wide as high, and a card fits.
    limit = max((total * (WIDTH + _ACROSS) * _TALL) ** 0.5, 900.0, *heights)
    found: list[list[int]] = []
    for cards in ranks:
        tall = 0.0
        found.append([])
        for card in cards:
            if found[-1] and tall + heights[card] > limit:
                found.append([])
                tall = 0.0
            found[-1].append(card)
            tall += heights[card] + _BETWEEN
    return found


def _placed(
    columns: list[list[int]], heights: Sequence[float]
) -> tuple[list[Place], float, float]:
    """Columns side by side, each in the middle of the height; at its top, where the
    whole is too high to be seen at once. The places, and the whole's size."""
    talls = [
        sum(heights[card] + _below(heights[card]) for card in cards) - _BETWEEN
        for cards in columns
    ]
    height = max(talls, default=0.0)
    places: dict[int, Place] = {}
    for number, (cards, tall) in enumerate(zip(columns, talls, strict=True)):
        y = _MARGIN + ((height - tall) / 2 if height < _SEEN else 0)
        for card in cards:
            x = _MARGIN + number * (WIDTH + _ACROSS)
            places[card] = Place(x, y, heights[card])
            y += heights[card] + _below(heights[card])
    width = len(columns) * (WIDTH + _ACROSS) - _ACROSS
    found = [places[card] for card in sorted(places)]
    return found, width + 2 * _MARGIN, height + 2 * _MARGIN


def _below(height: float) -> float:
    """The space under a card, or under a gap."""
    return _BETWEEN if height > _GAP else 12
