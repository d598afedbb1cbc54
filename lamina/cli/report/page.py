"""The page: HTML with its style and its script in it, and nothing from elsewhere.

The policy in its head lets only this very style and script act, by their digests
(CSP level 2): whatever a log or a recipe holds, nothing of it is ever run or loaded.
"""

from __future__ import annotations

import base64
import hashlib
import os
import time

from lamina import __version__
from lamina.cli.drawing.markup import Markup, element, joined
from lamina.cli.drawing.model import Vertex, drawing
from lamina.cli.drawing.svg import RULES, picture
from lamina.cli.formats.tables import human_size
from lamina.cli.report.layers import layers_section
from lamina.cli.report.steps import steps_section
from lamina.cli.report.timeline import timeline_section
from lamina.cli.report.view import critical_path, precise
from lamina.oci.files.replacing import write_whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from lamina.cli.report.view import BuildView, StepView

_HERE = os.path.dirname(__file__)


def page(build: BuildView) -> str:
    """The whole page."""
    style = _read("page.css") + RULES
    script = _read("page.js")
    critical = critical_path(build.steps)
    title = f"{build.title}: {build.outcome} in {precise(build.seconds)}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element(
            "meta",
            http_equiv="Content-Security-Policy",
            content=f"default-src 'none'; style-src {_allowed(style)}; "
            f"script-src {_allowed(script)}; base-uri 'none'; form-action 'none'",
        ),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        # Files of this package: no element ends within them.
        element("style", Markup(style)),
    )
    body = element(
        "body",
        _header(build),
        element(
            "main",
            _tiles(build, critical),
            element("pre", build.error, class_="error") if build.error else None,
            timeline_section(build, critical),
            _graph(build, critical),
            steps_section(build, critical),
            layers_section(build),
        ),
        element("footer", f"Lamina {__version__}"),
        element("script", Markup(script)),
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _read(name: str) -> str:
    with open(f"{_HERE}/{name}", encoding="utf-8") as file:
        return file.read()


def _allowed(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _header(build: BuildView) -> Markup:
    started = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(build.started))
    about = [build.recipe, build.target, build.platform, started]
    return element(
        "header",
        element("h1", build.title),
        element("span", build.outcome, class_=f"badge {build.outcome}"),
        element("p", " · ".join(text for text in about if text), class_="about"),
        element("p", " · ".join(build.notes), class_="about") if build.notes else None,
    )


def _tiles(build: BuildView, critical: Collection[int]) -> Markup:
    ran = [step for step in build.steps if step.has_run]
    work = sum(step.seconds for step in ran)
    chain = sum(step.seconds for step in build.steps if step.index in critical)
    tiles = [_tile("time", precise(build.seconds), f"{precise(work)} of work in steps")]
    cached = build.count("cached")
    tiles.append(_tile("steps", f"{len(ran)} ran", f"{cached} cached"))
    if critical:
        number = "1 step" if len(critical) == 1 else f"{len(critical)} steps"
        tiles.append(_tile("critical path", precise(chain), number))
    for image in build.images[:3]:
        wasted = sum(layer.wasted for layer in image.layers)
        tiles.append(
            _tile(
                f"image {image.name}",
                human_size(image.bytes),
                f"{human_size(wasted)} wasted" if wasted else image.id[:19],
            )
        )
    return element("section", tiles, class_="tiles")


def _tile(name: str, large: str, small: str) -> Markup:
    return element(
        "div",
        element("span", name, class_="name"),
        element("strong", large),
        element("span", small, class_="small"),
        class_="tile",
    )


def _graph(build: BuildView, critical: Collection[int]) -> Markup | None:
    if not build.steps:
        return None
    drawn = drawing(_vertices(build.steps))
    links = {step.index for step in build.steps}
    marks = (
        ("done", "ran"),
        ("unchanged", "ran, same result"),
        ("cached", "cached"),
        ("failed", "failed"),
    )
    legend = element(
        "p",
        [element("span", text, class_=f"key {name}") for name, text in marks],
        element("span", "critical path", class_="key path"),
        class_="legend",
    )
    return element(
        "section",
        element("h2", "Graph"),
        legend,
        element("div", picture(drawn, links, critical), class_="scroll", tabindex="0"),
        id="graph",
    )


def _vertices(steps: Collection[StepView]) -> list[Vertex]:
    """The steps, and the bases below them, of which nothing is known."""
    known = {step.index for step in steps}
    return [
        Vertex(
            step.index,
            step.stage,
            step.text,
            tuple(given for given in step.inputs if given in known),
            step.outcome,
            precise(step.seconds) if step.has_run else "",
        )
        for step in steps
    ]


def write_page(build: BuildView, path: str) -> None:
    """Write the page to `path`, whole or not at all; OSError."""
    text = joined(Markup(page(build)))
    write_whole(path, text.encode(errors="replace"))
