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
    """The places of a drawing's cards, by their numbers, and what they take in all."""

    places: tuple[Place, ...]
    width: float
    height: float


def layout(drawing: Drawing) -> Layout:
    """Lay a drawing out."""
    sources = [drawing.sources(card) for card in drawing.cards]
    ranks = _ranks(sources)
    _sort(ranks, sources)
    heights = [HEAD + ROW * len(card.vertices) + FOOT for card in drawing.cards]
    columns = _columns(ranks, heights)
    return _placed(columns, heights)


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


def _placed(columns: list[list[int]], heights: Sequence[float]) -> Layout:
    """Columns side by side, each in the middle of the height; at its top, where the
    whole is too high to be seen at once."""
    talls = [sum(heights[c] + _BETWEEN for c in cards) - _BETWEEN for cards in columns]
    height = max(talls, default=0.0)
    places: dict[int, Place] = {}
    for number, (cards, tall) in enumerate(zip(columns, talls, strict=True)):
        y = _MARGIN + ((height - tall) / 2 if height < _SEEN else 0)
        for card in cards:
            places[card] = Place(_MARGIN + number * (WIDTH + _ACROSS), y, heights[card])
            y += heights[card] + _BETWEEN
    width = len(columns) * (WIDTH + _ACROSS) - _ACROSS
    return Layout(
        tuple(places[card] for card in sorted(places)),
        width + 2 * _MARGIN,
        height + 2 * _MARGIN,
    )
