"""cli.drawing.layout: no card lies on another, and what is read is to the left."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from lamina.cli.drawing.layout import HEAD, ROW, WIDTH, layout
from lamina.cli.drawing.model import Drawing, Vertex, drawing


def stages(number: int, steps: int, seed: int = 0) -> Drawing:
    """`number` stages of up to `steps` steps that copy from earlier ones."""
    chance = random.Random(seed)
    vertices: list[Vertex] = []
    tips: list[int] = []
    for stage in range(number):
        before: tuple[int, ...] = ()
        for step in range(chance.randint(1, steps)):
            index = len(vertices)
            reads = (chance.choice(tips),) if tips and chance.random() < 0.3 else ()
            vertices.append(Vertex(index, f"s{stage}", f"RUN {step}", before + reads))
            before = (index,)
        tips.append(len(vertices) - 1)
    return drawing(vertices)


@pytest.mark.parametrize(
    ("number", "steps"), [(1, 1), (1, 50), (2, 2), (7, 5), (60, 1), (200, 8)]
)
def test_cards_lie_apart_and_within_the_picture(number: int, steps: int) -> None:
    drawn = stages(number, steps)
    found = layout(drawn)
    assert len(found.places) == len(drawn.cards) == number
    for card, place in zip(drawn.cards, found.places, strict=True):
        assert place.height >= HEAD + ROW * len(card.vertices)
        assert 0 < place.x <= found.width - WIDTH
        assert 0 < place.y <= found.height - place.height
    boxes = sorted((p.x, p.y, p.height) for p in found.places)
    for (x, y, height), (next_x, next_y, _) in pairwise(boxes):
        assert next_x >= x + WIDTH or (next_x == x and next_y > y + height)


def test_edges_over_several_ranks_go_between_cards() -> None:
    drawn = stages(40, 4, seed=0)
    found = layout(drawn)
    assert len(found.ways) > 3
    for (source, card), way in found.ways.items():
        xs = [found.places[source].x, *(gap.x for gap in way), found.places[card].x]
        assert xs == sorted(set(xs))
        for gap in way:
            middle = gap.y + gap.height / 2
            assert not any(
                place.x == gap.x and place.y <= middle <= place.y + place.height
                for place in found.places
            )


def test_what_is_read_is_to_the_left() -> None:
    drawn = stages(80, 4, seed=1)
    places = layout(drawn).places
    edges = 0
    for number, card in enumerate(drawn.cards):
        for source in drawn.sources(card):
            assert places[source].x < places[number].x
            edges += 1
    assert edges > 50


def test_a_picture_is_neither_a_tower_nor_a_line() -> None:
    alone = drawing(Vertex(n, f"s{n}", "RUN", ()) for n in range(300))
    found = layout(alone)
    assert 0.2 < found.width / found.height < 5


def test_a_source_of_one_card_stands_right_before_it() -> None:
    """A base that only the last stage needs is not at the other end of the picture."""
    chain = [Vertex(n, f"s{n}", "RUN", (n - 1,) if n else ()) for n in range(6)]
    late = Vertex(6, "late", "FROM x", ())
    end = Vertex(7, "end", "COPY --from=late", (5, 6))
    drawn = drawing([*chain, late, end])
    places = layout(drawn).places
    assert places[drawn.homes[6]].x == places[drawn.homes[5]].x
