"""A drawing as SVG: cards with the steps of each stage, and curves between them."""

from __future__ import annotations

from lamina.cli.drawing.layout import HEAD, ROW, WIDTH, layout
from lamina.cli.drawing.markup import Markup, element, joined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from lamina.cli.drawing.layout import Layout, Place
    from lamina.cli.drawing.model import Card, Drawing, Vertex

# Characters of a row's text, next to a note and without one.
_SHORT, _LONG = 34, 42
_TITLE = 34

# Colours for light and dark, here and in the report (report/page.css has them too).
STYLE = """
svg.graph { color-scheme: light dark; --paper: #fff; --card: #fff; --line: #c9ced6;
  --ink: #1c2330; --soft: #5b6575; --edge: #8a94a6; --done: #1a7f4b; --cached: #8a94a6;
  --unchanged: #0b6bcb; --failed: #c62f2f; --runs: #b36b00; --head: #eef1f5; }
@media (prefers-color-scheme: dark) { svg.graph { --paper: #14181f; --card: #1c222b;
  --line: #3a4350; --ink: #e6e9ee; --soft: #9aa5b5; --edge: #6d788a; --done: #4cc38a;
  --cached: #7d8796; --unchanged: #5aa9f2; --failed: #ff7a70; --runs: #e6a23c;
  --head: #262e39; } }
"""
RULES = """
svg.graph { font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
svg.graph .paper { fill: var(--paper); }
svg.graph .card { fill: var(--card); stroke: var(--line); }
svg.graph .head { fill: var(--head); }
svg.graph text { fill: var(--ink); }
svg.graph .title { font-weight: 700; }
svg.graph .note { fill: var(--soft); text-anchor: end; }
svg.graph .edge { fill: none; stroke: var(--edge); stroke-width: 1.4; opacity: .75; }
svg.graph .tip { fill: var(--edge); }
svg.graph .mark { fill: none; stroke: var(--soft); stroke-width: 1.5; }
svg.graph .done .mark { fill: var(--done); stroke: var(--done); }
svg.graph .unchanged .mark { fill: var(--unchanged); stroke: var(--unchanged); }
svg.graph .failed .mark { fill: var(--failed); stroke: var(--failed); }
svg.graph .runs .mark { fill: var(--runs); stroke: var(--runs); }
svg.graph .cached .mark { stroke: var(--cached); }
svg.graph .cached text, svg.graph .base text { fill: var(--soft); }
svg.graph .failed text { fill: var(--failed); }
svg.graph .cancelled text { fill: var(--soft); text-decoration: line-through; }
svg.graph .critical .track { fill: var(--runs); opacity: .16; }
svg.graph .track { fill: transparent; }
svg.graph a:hover .track { fill: var(--edge); opacity: .18; }
"""


def document(drawing: Drawing) -> str:
    """A file of its own, with its colours."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_svg(drawing, STYLE + RULES)}\n'


def picture(
    drawing: Drawing, links: Collection[int] = (), critical: Collection[int] = ()
) -> Markup:
    """A part of a page that has the colours. Steps in `links` lead to `#step-N`;
    those in `critical` are marked."""
    return _svg(drawing, "", links, critical)


def _svg(
    drawing: Drawing,
    style: str,
    links: Collection[int] = (),
    critical: Collection[int] = (),
) -> Markup:
    found = layout(drawing)
    cards = [
        _card(card, place, links, critical)
        for card, place in zip(drawing.cards, found.places, strict=True)
    ]
    return element(
        "svg",
        # The style is text of this module, not of a recipe.
        element("style", Markup(style)) if style else None,
        element("rect", class_="paper", width="100%", height="100%"),
        _edges(drawing, found),
        cards,
        class_="graph",
        xmlns="http://www.w3.org/2000/svg",
        width=found.width,
        height=found.height,
        viewBox=f"0 0 {found.width:g} {found.height:g}",
        role="img",
        aria_label="the steps of the build",
    )


def _card(
    card: Card, place: Place, links: Collection[int], critical: Collection[int]
) -> Markup:
    x, y = place.x, place.y
    return element(
        "g",
        element(
            "rect", class_="card", x=x, y=y, width=WIDTH, height=place.height, rx=6
        ),
        element(
            "path",
            class_="head",
            d=f"M{x + 0.5:g} {y + HEAD - 3:g}v{-HEAD + 9:g}q0 -5.5 5.5 -5.5"
            f"h{WIDTH - 12}q5.5 0 5.5 5.5v{HEAD - 9:g}z",
        ),
        element("text", cut(card.title, _TITLE), class_="title", x=x + 10, y=y + 17),
        [
            _row(
                vertex, x, place.row(n), vertex.index in links, vertex.index in critical
            )
            for n, vertex in enumerate(card.vertices)
        ],
        class_="stage",
    )


def _row(vertex: Vertex, x: float, y: float, linked: bool, critical: bool) -> Markup:
    shown = cut(vertex.text, _SHORT if vertex.note else _LONG)
    kind = vertex.state + (" critical" if critical else "")
    state = f" ({vertex.state})" if vertex.state else ""
    row = element(
        "g",
        element("title", f"{vertex.text}{state} {vertex.note}".rstrip()),
        element(
            "rect", class_="track", x=x + 1, y=y - ROW / 2, width=WIDTH - 2, height=ROW
        ),
        element("circle", class_="mark", cx=x + 14, cy=y, r=3.5),
        element("text", shown, x=x + 25, y=y + 4),
        element("text", vertex.note, class_="note", x=x + WIDTH - 10, y=y + 4)
        if vertex.note
        else None,
        class_=kind.strip() or None,
    )
    return element("a", row, href=f"#step-{vertex.index}") if linked else row


def _edges(drawing: Drawing, found: Layout) -> Markup:
    """Curves from the step whose files are read to the step that reads them."""
    homes = drawing.homes
    rows = {v.index: n for card in drawing.cards for n, v in enumerate(card.vertices)}
    curves = []
    for number, card in enumerate(drawing.cards):
        for vertex in card.vertices:
            for given in dict.fromkeys(vertex.inputs):
                home = homes.get(given, number)
                if home == number:
                    continue
                begin = found.places[home]
                end = found.places[number]
                curves.append(
                    _curve(
                        (begin.x + WIDTH, begin.row(rows[given])),
                        (end.x, end.row(rows[vertex.index])),
                        found.ways.get((home, number), ()),
                    )
                )
    return joined(curves)


def _curve(
    begin: tuple[float, float], end: tuple[float, float], way: Sequence[Place]
) -> Markup:
    """From a card to another one, straight through the gaps in between."""
    x, y = begin
    line = f"M{x:g} {y:g}"
    for gap in way:
        middle = gap.y + gap.height / 2
        line += _bend((x, y), (gap.x, middle)) + f"H{gap.x + WIDTH:g}"
        x, y = gap.x + WIDTH, middle
    line += _bend((x, y), (end[0] - 5, end[1]))
    return joined(
        element("path", class_="edge", d=line),
        element("path", class_="tip", d=f"M{end[0]:g} {end[1]:g}l-7 -3.5v7z"),
    )


def _bend(begin: tuple[float, float], end: tuple[float, float]) -> str:
    (x0, y0), (x1, y1) = begin, end
    half = max(30.0, (x1 - x0) / 2)
    return f"C{x0 + half:g} {y0:g} {x1 - half:g} {y1:g} {x1:g} {y1:g}"


def cut(text: str, width: int) -> str:
    """One line of at most `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1]}…"
