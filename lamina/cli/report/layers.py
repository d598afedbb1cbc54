"""The layers of the images: how large each is, what fills it, what of it is wasted."""

from __future__ import annotations

from lamina.cli.drawing.markup import Markup, element
from lamina.cli.formats.tables import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.report.view import BuildView, ImageView, LayerView

_WIDTH = 1000


def layers_section(build: BuildView) -> Markup | None:
    """Each image's layers, the lowest first."""
    if not build.images:
        return None
    return element(
        "section",
        element("h2", "Layers"),
        [_image(image) for image in build.images],
        id="layers",
    )


def _image(image: ImageView) -> Markup:
    largest = max((layer.bytes for layer in image.layers), default=0)
    return element(
        "div",
        element(
            "h3",
            image.name,
            " ",
            element("code", image.id),
            " ",
            human_size(image.bytes),
        ),
        [_layer(layer, largest) for layer in image.layers],
        class_="image",
    )


def _layer(layer: LayerView, largest: int) -> Markup:
    counts = [
        f"{number} {word}"
        for number, word in (
            (layer.added, "added"),
            (layer.changed, "changed"),
            (layer.removed, "removed"),
        )
        if number
    ]
    summary = element(
        "summary",
        element("span", human_size(layer.bytes), class_="size"),
        _bar(layer.bytes, layer.wasted, largest),
        element("code", layer.step or "(not told)"),
        element("span", ", ".join(counts) or "no files", class_="counts"),
    )
    wasted = element(
        "p",
        f"{human_size(layer.wasted)} of it are overwritten or removed by later layers.",
        class_="wasted",
    )
    return element(
        "details",
        summary,
        wasted if layer.wasted else None,
        element(
            "div",
            _table("Folders", [(path, size, False) for path, size in layer.folders]),
            _table("Largest files", layer.files),
            class_="fill",
        ),
        class_="layer",
    )


def _bar(size: int, wasted: int, largest: int) -> Markup:
    """The whole, and the wasted part at its end."""
    width = size / largest * _WIDTH if largest else 0.0
    lost = wasted / largest * _WIDTH if largest else 0.0
    return element(
        "svg",
        element("rect", x=0, y=0, width=max(width, 1.0), height=10),
        element("rect", class_="lost", x=width - lost, y=0, width=lost, height=10)
        if lost
        else None,
        viewBox=f"0 0 {_WIDTH} 10",
        preserveAspectRatio="none",
        class_="bar",
        aria_hidden="true",
    )


def _table(title: str, rows: object) -> Markup | None:
    cells = [
        element(
            "tr",
            element("td", human_size(size), class_="size"),
            element("td", element("code", path), " wasted" if lost else None),
            class_="lost" if lost else None,
        )
        for path, size, lost in rows  # type: ignore[attr-defined]
    ]
    if not cells:
        return None
    return element("table", element("caption", title), element("tbody", cells))
