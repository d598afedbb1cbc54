"""A drawing as text for people, dot (Graphviz), mermaid and JSON."""

from __future__ import annotations

import json

from lamina.cli.formats.tables import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.drawing.model import Card, Drawing, Vertex

_MARKS = {"cached": "=", "runs": ">", "base": " ", "": " "}


def text(drawing: Drawing, width: int) -> str:
    """The stages, each after those it reads; beside a step the stages it reads."""
    marked = any(
        v.state in ("cached", "runs") for c in drawing.cards for v in c.vertices
    )
    blocks = [_block(drawing, card, width, marked=marked) for card in drawing.cards]
    return "\n\n".join(blocks) + "\n"


def _block(drawing: Drawing, card: Card, width: int, *, marked: bool) -> str:
    homes = drawing.homes
    own = homes[card.tip]
    lines = [one_line(card.title)]
    for vertex in card.vertices:
        guide = "└─" if vertex is card.vertices[-1] else "├─"
        mark = f" {_MARKS[vertex.state]}" if marked else ""
        others = [
            drawing.cards[homes[given]].title
            for given in dict.fromkeys(vertex.inputs)
            if homes[given] != own
        ]
        end = f"  ◂ {one_line(', '.join(others))}" if others else ""
        head = f"{guide}{mark} {one_line(' '.join(vertex.text.split()))}"
        room = max(20, width - len(end))
        lines.append((head if len(head) <= room else f"{head[: room - 1]}…") + end)
    return "\n".join(lines)


def dot(drawing: Drawing) -> str:
    """The language of Graphviz: a cluster for each stage."""
    lines = [
        "digraph build {",
        "  rankdir=LR;",
        '  node [shape=box, style="rounded", fontname="monospace", fontsize=10];',
    ]
    for number, card in enumerate(drawing.cards):
        lines.append(f"  subgraph cluster_{number} {{")
        lines.append(f"    label={_quoted(card.title)};")
        for vertex in card.vertices:
            more = {"cached": ", style=dashed", "runs": ", penwidth=2"}
            lines.append(
                f"    s{vertex.index} [label={_quoted(_short(vertex))}"
                f"{more.get(vertex.state, '')}];"
            )
        lines.append("  }")
    lines += [f"  s{begin} -> s{end};" for begin, end in _edges(drawing)]
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    """A string of dot: only the quote has an escape, and backslashes would be ones."""
    plain = one_line(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{plain}"'


def mermaid(drawing: Drawing) -> str:
    """A flowchart of mermaid, which GitHub and GitLab draw in Markdown."""
    lines = ["flowchart LR"]
    for number, card in enumerate(drawing.cards):
        lines.append(f'  subgraph g{number}["{_entities(card.title)}"]')
        lines += [
            f'    s{v.index}["{_entities(_short(v))}"]{_CLASS.get(v.state, "")}'
            for v in card.vertices
        ]
        lines.append("  end")
    lines += [f"  s{begin} --> s{end}" for begin, end in _edges(drawing)]
    used = {v.state for card in drawing.cards for v in card.vertices}
    lines += [style for state, style in _STYLES.items() if state in used]
    return "\n".join(lines) + "\n"


_CLASS = {"cached": ":::cached", "runs": ":::runs"}
_STYLES = {
    "cached": "  classDef cached stroke-dasharray:4",
    "runs": "  classDef runs stroke-width:3px",
}


def _entities(text: str) -> str:
    """Mermaid has no escapes but entities, written with a `#`."""
    return "".join(
        c if c.isalnum() or c in " ./:_-=,+" or ord(c) > 127 else f"#{ord(c)};"
        for c in one_line(text)
    )


def as_json(drawing: Drawing) -> str:
    """All that is known, for programs."""
    documents = [
        {
            "stage": card.title,
            "steps": [
                {
                    "step": v.index,
                    "text": v.text,
                    "inputs": list(v.inputs),
                    "state": v.state,
                }
                for v in card.vertices
            ],
        }
        for card in drawing.cards
    ]
    return json.dumps({"version": 1, "stages": documents}, indent=2) + "\n"


def _short(vertex: Vertex) -> str:
    line = " ".join(vertex.text.split())
    return line if len(line) <= 60 else f"{line[:59]}…"


def _edges(drawing: Drawing) -> list[tuple[int, int]]:
    return [
        (given, vertex.index)
        for card in drawing.cards
        for vertex in card.vertices
        for given in dict.fromkeys(vertex.inputs)
    ]
