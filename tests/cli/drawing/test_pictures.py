"""cli.drawing: the same graph as SVG, text, dot, mermaid and JSON."""

from __future__ import annotations

import json
from xml.etree import ElementTree

from lamina.cli.drawing import texts
from lamina.cli.drawing.markup import Markup, element, joined
from lamina.cli.drawing.model import Vertex, drawing, split_name
from lamina.cli.drawing.svg import document, picture

NASTY = '</text><script>alert("1")</script> \x00\x1b[2J \ud800 "\\" ]]> #quot; \u202e'
APP = drawing(
    [
        Vertex(0, "app", "FROM debian", (), "base"),
        Vertex(1, "build", "FROM go", (), "base"),
        Vertex(2, "build", "RUN go build", (1,), "cached"),
        Vertex(3, "app", "COPY --from=build /out /app", (0, 2), "runs"),
        Vertex(4, "app", "RUN setup\n", (3,)),
    ]
)
HOSTILE = drawing(
    [Vertex(0, NASTY, NASTY, (), "base"), Vertex(1, "two", NASTY, (0,), "runs", NASTY)]
)


def test_text_has_each_stage_after_those_it_reads() -> None:
    assert texts.text(APP, 80).splitlines() == [
        "build",
        "├─   FROM go",
        "└─ = RUN go build",
        "",
        "app",
        "├─   FROM debian",
        "├─ > COPY --from=build /out /app  ◂ build",
        "└─   RUN setup",
    ]
    narrow = texts.text(APP, 30).splitlines()
    assert narrow[6] == "├─ > COPY --from=bui…  ◂ build"


def test_nothing_of_a_recipe_steers_a_terminal() -> None:
    assert all(line.isprintable() for line in texts.text(HOSTILE, 80).splitlines())


def test_svg_has_all_steps_and_their_edges() -> None:
    root = ElementTree.fromstring(document(APP))
    space = "{http://www.w3.org/2000/svg}"
    rows = [t.text for t in root.iter(f"{space}title")]
    assert rows == [
        "FROM go (base)",
        "RUN go build (cached)",
        "FROM debian (base)",
        "COPY --from=build /out /app (runs)",
        "RUN setup",
    ]
    edges = [p for p in root.iter(f"{space}path") if p.get("class") == "edge"]
    assert len(edges) == 1
    assert not list(root.iter(f"{space}a"))


def test_svg_of_a_hostile_recipe_is_well_formed_and_only_text() -> None:
    for text in (document(HOSTILE), picture(HOSTILE, links=(0, 1), critical=(1,))):
        root = ElementTree.fromstring(text.encode("utf-8"))
        assert not [e for e in root.iter() if "script" in e.tag]
        assert "<script" not in text


def test_links_lead_to_steps() -> None:
    root = ElementTree.fromstring(picture(APP, links=(2, 3)))
    links = [e.get("href") for e in root.iter() if e.tag.endswith("}a")]
    assert links == ["#step-2", "#step-3"]


def test_mermaid_has_no_character_that_means_something() -> None:
    text = texts.mermaid(HOSTILE)
    for line in text.splitlines()[1:]:
        if '["' in line:
            label = line.partition('["')[2].rpartition('"]')[0]
            assert not set(label) & set('"<>[]()\\`|&')
    assert texts.mermaid(APP).splitlines()[-2:] == [
        "  classDef cached stroke-dasharray:4",
        "  classDef runs stroke-width:3px",
    ]
    assert "  s2 --> s3" in texts.mermaid(APP).splitlines()


def test_dot_quotes() -> None:
    hostile = drawing([Vertex(0, "a", 'say "hi" \\', ())])
    assert 's0 [label="say \\"hi\\" \\\\"];' in texts.dot(hostile)


def test_json_has_it_all() -> None:
    found = json.loads(texts.as_json(APP))
    assert [stage["stage"] for stage in found["stages"]] == ["build", "app"]
    assert found["stages"][1]["steps"][1] == {
        "step": 3,
        "text": "COPY --from=build /out /app",
        "inputs": [0, 2],
        "state": "runs",
    }


def test_names_are_split_at_their_bracket() -> None:
    assert split_name("[web 2/6] RUN [ -e x ] y") == ("web", "RUN [ -e x ] y")
    assert split_name("[a b 2/6] X") == ("a b", "X")
    assert split_name("bootstrap") == ("", "bootstrap")


def test_markup_escapes_all_but_itself() -> None:
    assert element("p", "<b>", Markup("<i>"), 1, None, title='"x"', hidden=True) == (
        '<p title="&quot;x&quot;" hidden>&lt;b&gt;<i>1</p>'
    )
    assert element("meta", charset="utf-8") == '<meta charset="utf-8">'
    assert element("rect", class_="a", x=1.25, data_x=2.0) == (
        '<rect class="a" x="1.2" data-x="2"></rect>'
    )
    assert joined(["a", ["<", None]]) == "a&lt;"
